// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes the calls of conformance streams on the kernel, or whatever stands for it, that runs this
 * program, and compares results and maps with those that vmalab expects.
 *
 *   cc -O2 -o runner runner.c && ./runner [-m vmas|pages|none] [-v] FILE.jsonl...
 *
 * -m: how maps are compared: VMA by VMA (the default), by what each page is, or not at all.
 * -v: every deviation, not only the sums.
 *
 * Each stream runs in a child of its own. A call is only made if it works within the stream's
 * window, or is to fail by its numbers. The window must be free. README.md has the format. Exit
 * status: 0 no deviation, 1 deviations, 2 a stream cannot be used. Needs a C library, nothing else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS = 6, FILES = 8, VMAS = 256, LINE = 1 << 16, KINDS = 512, TEXT = 160 };
enum { BY_VMA, BY_PAGE, NOT };

struct vma {
	uint64_t start, end, offset;
	char perms[5];
	int file; /* which of the stream's files; -1: none */
};

struct stream {
	const char *path;
	unsigned line;
	uint64_t low, high;       /* the window */
	int fds[FILES];
	struct vma expected[VMAS]; /* the map as it is to be now */
	int nr_expected;
};

static int how = BY_VMA;
static int verbose;

static void unusable(const struct stream *s, const char *why)
{
	fprintf(stderr, "%s:%u: %s\n", s->path, s->line, why);
	_exit(2);
}

/* A line of JSON, as the streams have it: an object of numbers, strings and arrays of them. */

static const char *value_of(const char *line, const char *key)
{
	char quoted[32];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(line, quoted);
	return at ? at + strlen(quoted) : NULL;
}

static const char *expect(struct stream *s, const char *at, char what)
{
	if (!at || *at != what)
		unusable(s, "not a line of a stream (README.md has the format)");
	return at + 1;
}

static const char *number(struct stream *s, const char *at, uint64_t *out)
{
	char *end;
	int negative = *at == '-';

	errno = 0;
	*out = strtoull(at + negative, &end, 10);
	if (end == at + negative || errno)
		unusable(s, "a number was expected");
	if (negative)
		*out = -*out;
	return end;
}

static const char *string(struct stream *s, const char *at, char *out, size_t size)
{
	size_t length;
	const char *end;

	at = expect(s, at, '"');
	end = strchr(at, '"');
	length = end ? (size_t)(end - at) : size;
	if (length >= size || memchr(at, '\\', length))
		unusable(s, "a short string without escapes was expected");
	memcpy(out, at, length);
	out[length] = 0;
	return end + 1;
}

static int file_index(struct stream *s, const char *text)
{
	if (strncmp(text, "file:", 5) || text[5] < '0' || text[5] >= '0' + FILES || text[6])
		unusable(s, "no such file of the stream");
	return text[5] - '0';
}

static void read_maps_value(struct stream *s, const char *at)
{
	char what[16];
	struct vma *vma;

	s->nr_expected = 0;
	at = expect(s, at, '[');
	while (*at == '[') {
		if (s->nr_expected == VMAS)
			unusable(s, "too many VMAs");
		vma = &s->expected[s->nr_expected++];
		at = number(s, at + 1, &vma->start);
		at = number(s, expect(s, at, ','), &vma->end);
		at = string(s, expect(s, at, ','), vma->perms, sizeof(vma->perms));
		at = number(s, expect(s, at, ','), &vma->offset);
		at = string(s, expect(s, at, ','), what, sizeof(what));
		vma->file = strcmp(what, "anon") ? file_index(s, what) : -1;
		at = expect(s, at, ']');
		if (*at == ',')
			at++;
	}
	expect(s, at, ']');
}

/* The kernel's side. */

static int actual_maps(struct stream *s, struct vma *out)
{
	static char line[1024];
	unsigned long long start, end, offset;
	int nr = 0, name;
	FILE *maps = fopen("/proc/self/maps", "r");

	if (!maps)
		unusable(s, "/proc/self/maps cannot be read; use -m none");
	while (fgets(line, sizeof(line), maps)) {
		char perms[8];

		if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %n", &start, &end, perms, &offset, &name) < 4)
			continue;
		if (end <= s->low || start >= s->high)
			continue;
		if (nr == VMAS)
			unusable(s, "too many VMAs in /proc/self/maps");
		out[nr].start = start;
		out[nr].end = end;
		out[nr].offset = offset;
		memcpy(out[nr].perms, perms, 4);
		out[nr].perms[4] = 0;
		out[nr].file = -1;
		if (!strncmp(line + name, "/memfd:v", 8))
			out[nr].file = line[name + 8] - '0';
		nr++;
	}
	fclose(maps);
	return nr;
}

/* Leaves out boundaries: neighbours whose pages are alike become one. */
static int fused(struct vma *vmas, int nr)
{
	int kept = 0, i;

	for (i = 0; i < nr; i++) {
		struct vma *last = kept ? &vmas[kept - 1] : NULL;

		if (last && last->end == vmas[i].start && !strcmp(last->perms, vmas[i].perms) &&
		    last->file == vmas[i].file &&
		    (last->file < 0 || last->offset + (last->end - last->start) == vmas[i].offset))
			last->end = vmas[i].end;
		else
			vmas[kept++] = vmas[i];
	}
	return kept;
}

static int same_maps(struct stream *s)
{
	static struct vma actual[VMAS], expected[VMAS];
	int nr_actual = actual_maps(s, actual), nr = s->nr_expected, i;

	memcpy(expected, s->expected, sizeof(expected));
	if (how == BY_PAGE) {
		nr_actual = fused(actual, nr_actual);
		nr = fused(expected, nr);
	}
	if (nr_actual != nr)
		return 0;
	for (i = 0; i < nr; i++) {
		if (actual[i].start != expected[i].start || actual[i].end != expected[i].end ||
		    strcmp(actual[i].perms, expected[i].perms) || actual[i].file != expected[i].file ||
		    (expected[i].file >= 0 && actual[i].offset != expected[i].offset))
			return 0;
	}
	return 1;
}

/* Whether a range cannot touch what is not the stream's: within the window, empty, or absurd. */
static int confined(struct stream *s, uint64_t addr, uint64_t length)
{
	uint64_t end = addr + length;

	if (length >= (uint64_t)1 << 47 || addr >= (uint64_t)1 << 47)
		return 1;
	return addr >= s->low && end >= addr && end <= s->high;
}

static long make(struct stream *s, const char *name, uint64_t *args, int nr_files)
{
	long result;

	errno = 0;
	if (!strcmp(name, "memfd_create")) {
		result = syscall(SYS_memfd_create, (char *)args[0], args[1]);
		if (result < 0)
			return -errno;
		if (nr_files == FILES)
			unusable(s, "too many files");
		s->fds[nr_files] = result;
		return 0;
	}
	if (!strcmp(name, "ftruncate"))
		return ftruncate(args[0], args[1]) ? -errno : 0;
	if (!confined(s, args[0], args[1]))
		unusable(s, "a call that leaves the window is not made");
	if (!strcmp(name, "touch")) {
		uint64_t at;

		for (at = args[0]; at < args[0] + args[1]; at += 4096)
			*(volatile char *)at = 1;
		return 0;
	}
	if (!strcmp(name, "mmap")) {
		result = syscall(SYS_mmap, args[0], args[1], args[2], args[3], args[4], args[5]);
	} else if (!strcmp(name, "munmap")) {
		result = syscall(SYS_munmap, args[0], args[1]);
	} else if (!strcmp(name, "mprotect")) {
		result = syscall(SYS_mprotect, args[0], args[1], args[2]);
	} else if (!strcmp(name, "mremap")) {
		/* MREMAP_FIXED: it is the new place that has the new length. */
		if (!confined(s, args[3] & 2 ? args[4] : args[0], args[2]))
			unusable(s, "a call that leaves the window is not made");
		result = syscall(SYS_mremap, args[0], args[1], args[2], args[3], args[4]);
	} else if (!strcmp(name, "madvise")) {
		result = syscall(SYS_madvise, args[0], args[1], args[2]);
	} else if (!strcmp(name, "mlock")) {
		result = syscall(SYS_mlock, args[0], args[1]);
	} else if (!strcmp(name, "mlock2")) {
		result = syscall(SYS_mlock2, args[0], args[1], args[2]);
	} else if (!strcmp(name, "munlock")) {
		result = syscall(SYS_munlock, args[0], args[1]);
	} else if (!strcmp(name, "msync")) {
		result = syscall(SYS_msync, args[0], args[1], args[2]);
	} else {
		unusable(s, "a call that this runner does not make");
		return 0;
	}
	return result == -1 ? -errno : result;
}

static void begin(struct stream *s, const char *line)
{
	const char *at = value_of(line, "window");
	static struct vma there[VMAS];

	if (!strstr(line, "\"format\":\"vmalab-conformance\"") || !strstr(line, "\"version\":1"))
		unusable(s, "not a conformance stream of version 1");
	at = number(s, expect(s, at, '['), &s->low);
	number(s, expect(s, at, ','), &s->high);
	if (sysconf(_SC_PAGESIZE) != 4096)
		unusable(s, "the system's pages are not of 4096 bytes");
	if (s->low >= s->high || s->high - s->low > 1 << 30)
		unusable(s, "the window is of no use");
	if (how != NOT && actual_maps(s, there))
		unusable(s, "the window is not free");
}

/* Runs a stream; tells of its first deviation: what follows one is another program. */
static int run(struct stream *s, FILE *file, FILE *out)
{
	static char line[LINE];
	char name[32], text[ARGS][64];
	uint64_t args[ARGS], expected;
	const char *at;
	long result;
	int nr, nr_files = 0;

	if (!fgets(line, sizeof(line), file))
		unusable(s, "empty");
	s->line = 1;
	begin(s, line);
	while (fgets(line, sizeof(line), file)) {
		s->line++;
		if (!strchr(line, '\n'))
			unusable(s, "a line that is too long");
		string(s, value_of(line, "call") ? value_of(line, "call") : line, name, sizeof(name));
		at = expect(s, value_of(line, "args"), '[');
		memset(args, 0, sizeof(args));
		for (nr = 0; *at != ']'; nr++) {
			if (nr == ARGS)
				unusable(s, "more than six arguments");
			if (*at != '"') {
				at = number(s, at, &args[nr]);
			} else {
				at = string(s, at, text[nr], sizeof(text[nr]));
				if (!strncmp(text[nr], "text:", 5))
					args[nr] = (uintptr_t)(text[nr] + 5);
				else
					args[nr] = s->fds[file_index(s, text[nr])];
			}
			if (*at == ',')
				at++;
		}
		at = value_of(line, "result");
		number(s, at ? at : line, &expected);
		at = value_of(line, "maps");
		if (at)
			read_maps_value(s, at);
		result = make(s, name, args, nr_files);
		nr_files += !strcmp(name, "memfd_create");
		if (result != (long)expected) {
			if ((long)expected > 0 || result > 0)
				fprintf(out, "%s: another address or %ld, expected %s\n", name,
					result < 0 ? result : 0, (long)expected < 0 ? "an error" : "the address");
			else
				fprintf(out, "%s: %ld, expected %ld\n", name, result, (long)expected);
			fprintf(out, "%s:%u: %s = %ld, expected %ld\n", s->path, s->line, name, result,
				(long)expected);
			return 1;
		}
		if (how != NOT && !same_maps(s)) {
			fprintf(out, "%s: another map\n", name);
			fprintf(out, "%s:%u: the map after %s is another one\n", s->path, s->line, name);
			return 1;
		}
	}
	return 0;
}

static struct kind {
	char text[TEXT];
	int count;
} kinds[KINDS];

static void count(const char *text)
{
	int i;

	for (i = 0; i < KINDS && kinds[i].count; i++) {
		if (!strcmp(kinds[i].text, text))
			break;
	}
	if (i == KINDS)
		return;
	snprintf(kinds[i].text, TEXT, "%s", text);
	kinds[i].count++;
}

/* In a child: what a stream does to its address space is gone with it. */
static int run_file(const char *path)
{
	static struct stream s;
	char kind[TEXT] = "", detail[512] = "";
	int pipes[2], status;
	FILE *said;
	pid_t child;

	fflush(stdout);
	if (pipe(pipes) || (child = fork()) < 0) {
		perror("runner");
		exit(2);
	}
	if (!child) {
		FILE *file = fopen(path, "r"), *out = fdopen(pipes[1], "w");
		int found;

		s.path = path;
		if (!file || !out) {
			fprintf(stderr, "%s: %s\n", path, strerror(errno));
			_exit(2);
		}
		found = run(&s, file, out);
		fflush(out);
		_exit(found);
	}
	close(pipes[1]);
	said = fdopen(pipes[0], "r");
	if (said && fgets(kind, sizeof(kind), said))
		kind[strcspn(kind, "\n")] = 0;
	if (said && fgets(detail, sizeof(detail), said) && verbose)
		fputs(detail, stdout);
	if (said)
		fclose(said);
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status)) {
		snprintf(kind, sizeof(kind), "ended by signal %d", WTERMSIG(status));
		if (verbose)
			printf("%s: %s\n", path, kind);
	} else if (WEXITSTATUS(status) == 2) {
		return 2;
	}
	if (*kind)
		count(kind);
	return *kind ? 1 : 0;
}

int main(int argc, char **argv)
{
	int option, worst = 0, streams = 0, deviating = 0, i;

	while ((option = getopt(argc, argv, "m:v")) != -1) {
		if (option == 'v')
			verbose = 1;
		else if (option == 'm' && !strcmp(optarg, "vmas"))
			how = BY_VMA;
		else if (option == 'm' && !strcmp(optarg, "pages"))
			how = BY_PAGE;
		else if (option == 'm' && !strcmp(optarg, "none"))
			how = NOT;
		else
			optind = argc + 1;
	}
	if (optind >= argc) {
		fprintf(stderr, "usage: runner [-m vmas|pages|none] [-v] FILE.jsonl...\n");
		return 2;
	}
	for (; optind < argc; optind++) {
		int status = run_file(argv[optind]);

		streams++;
		deviating += status == 1;
		if (status > worst)
			worst = status;
	}
	for (i = 0; i < KINDS && kinds[i].count; i++)
		printf("%6d  %s\n", kinds[i].count, kinds[i].text);
	printf("%d streams, %d deviate\n", streams, deviating);
	return worst;
}
