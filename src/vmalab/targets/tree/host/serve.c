// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Serves streams of calls by a kernel tree's own code: the protocol of the executor (targets/real/executor.c)
 * over standard input and output.
 *
 * The supervisor has booted the tree's code once; each stream is carried out by a forked worker, so that
 * each begins in the same state, and whatever becomes of a worker is an answer. What the tree's code says
 * before its end, and how often each generated stub was called, lies in memory that both share.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime.h"
#include "stubs.h"

#define PROTOCOL 2
#define EXIT_END 77
#define IS_INIT 8
#define BATCH_FLUSHES 1
#define OP_SNAPSHOT 0xf000
#define OP_COUNTS 0xf001
#define INPUT_SIZE (256 << 10)
#define SCRATCH_SIZE (64 << 10)
#define NOTE_SIZE 4096
/* Milliseconds of processor time for one request: thousands of times what it takes. */
#define REQUEST_TIME 400

typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

struct frame {
	u32 type;
	u32 length;
	u64 extra;
};

/* What a worker leaves behind for the supervisor. */
struct shared {
	u32 length;
	char note[NOTE_SIZE];
};

static u8 input[INPUT_SIZE + 2] __attribute__((aligned(64)));
static u8 scratch[SCRATCH_SIZE] __attribute__((aligned(64)));
static u64 results[INPUT_SIZE / 8];
static u32 result_count;
static char *text;
static size_t text_used, text_room;
static struct shared *shared;
static const char *release_text = VMALAB_RELEASE;
static u64 current_nr;
/* Where the frames of main() lie: none is above. */
static u64 stack_end;

int vmalab_is_scratch(unsigned long address, unsigned long size)
{
	unsigned long begin = (unsigned long)scratch;

	return address >= begin && address - begin <= SCRATCH_SIZE && size <= SCRATCH_SIZE - (address - begin);
}

/* Frames. */

static void read_fully(void *to, size_t n)
{
	for (u8 *at = to; n;) {
		ssize_t got = read(0, at, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			_exit(0);
		at += got;
		n -= got;
	}
}

static void put_frame(u32 type, const void *payload, u32 length, u64 extra)
{
	struct frame frame = { type, length, extra };

	fwrite(&frame, sizeof(frame), 1, stdout);
	if (length)
		fwrite(payload, length, 1, stdout);
}

static void put_results(void)
{
	if (result_count)
		put_frame('R', results, result_count * 8, 0);
	result_count = 0;
}

static u32 read_frame(u64 *extra, u32 *length)
{
	struct frame frame;

	read_fully(&frame, sizeof(frame));
	if (frame.length >= INPUT_SIZE)
		_exit(2);
	read_fully(input, frame.length);
	*extra = frame.extra;
	*length = frame.length;
	return frame.type;
}

/* Text. */

void vmalab_print(const char *format, ...)
{
	va_list args;
	int length;

	if (text_room - text_used < 4096) {
		text_room = text_room ? text_room * 2 : 1 << 16;
		text = realloc(text, text_room);
		if (!text)
			_exit(3);
	}
	va_start(args, format);
	length = vsnprintf(text + text_used, text_room - text_used, format, args);
	va_end(args);
	if (length > 0)
		text_used += (size_t)length < text_room - text_used ? (size_t)length : text_room - text_used - 1;
}

static void put_text(u32 type)
{
	for (size_t at = 0; at < text_used; at += 1 << 16) {
		size_t part = text_used - at < 1 << 16 ? text_used - at : 1 << 16;

		put_frame(type, text + at, part, 1);
	}
	put_frame(type, 0, 0, 0);
	text_used = 0;
}

static void put_snapshot(void)
{
	put_results();
	vmalab_show();
	vmalab_show_status();
	put_text('M');
}

/* The end of a worker that cannot go on. */

static void note(const char *format, va_list args)
{
	int length;

	if (shared->length >= NOTE_SIZE - 1)
		return;
	length = vsnprintf(shared->note + shared->length, NOTE_SIZE - shared->length, format, args);
	if (length > 0)
		shared->length += (u32)length;
	if (shared->length > NOTE_SIZE - 1)
		shared->length = NOTE_SIZE - 1;
}

static void add_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(format, args);
	va_end(args);
}

/* Where the tree's code was: return addresses of its frames, innermost first. */
static void note_frames(u64 ip, u64 bp, u64 sp)
{
	if (ip)
		add_note(" [0x%lx]", ip);
	for (int depth = 0; depth < 12 && bp > sp && bp < stack_end && !(bp & 7); depth++) {
		u64 *frame = (u64 *)bp;

		add_note(" [0x%lx]", frame[1]);
		if (frame[0] <= bp)
			break;
		bp = frame[0];
	}
}

void vmalab_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(format, args);
	va_end(args);
	note_frames(0, (u64)__builtin_frame_address(0), (u64)__builtin_frame_address(0) - 1);
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;

	signal(number, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	if (number == SIGVTALRM)
		add_note("an endless loop: call %lu took more than %d ms of processor time", current_nr, REQUEST_TIME);
	else if (number == SIGSEGV || number == SIGBUS)
		add_note("an invalid access to address %p", info->si_addr);
	else
		add_note("signal %d", number);
	note_frames(at->uc_mcontext.gregs[REG_RIP], at->uc_mcontext.gregs[REG_RBP], at->uc_mcontext.gregs[REG_RSP]);
	raise(number);
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGVTALRM };
	static u8 stack[64 << 10];
	stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	sigaltstack(&other, 0);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaction(numbers[i], &action, 0);
}

static void set_clock(int milliseconds)
{
	struct itimerval time = { .it_value = { .tv_usec = milliseconds * 1000 } };

	setitimer(ITIMER_VIRTUAL, &time, 0);
}

/* The worker. */

/* Makes one call: where the next one begins, 0 at one that is malformed. */
static const u64 *one_call(const u64 *at, const u64 *end)
{
	u64 head = *at++, nr = head & 0xffff, items = head >> 24 & 0xff;
	u64 a[6] = { 0 };
	u8 *free = scratch;

	for (int i = 0; i < 6; i++)
		if (head >> (16 + i) & 1) {
			if (at == end)
				return 0;
			a[i] = *at++;
		}
	while (items--) {
		u64 item, length, words;

		if (at == end)
			return 0;
		item = *at++;
		length = item >> 8;
		words = item & 0x80 ? 0 : (length + 7) / 8;
		if ((item & 0x7f) > 5 || length > (u64)(scratch + SCRATCH_SIZE - free) || words > (u64)(end - at))
			return 0;
		memcpy(free, at, words ? length : 0);
		a[item & 0x7f] = (u64)free;
		free += (length + 63) & ~63UL;
		at += words;
	}
	current_nr = nr;
	if (nr == OP_SNAPSHOT) {
		put_snapshot();
		return at;
	}
	if (nr == OP_COUNTS) {
		vmalab_counts(results + result_count);
		result_count += 2;
		return at;
	}
	results[result_count++] = vmalab_call(nr, a);
	vmalab_grace_period();
	return at;
}

static void run_batch(u64 bytes, u64 flags)
{
	const u64 *at = (const u64 *)input, *end = at + bytes / 8;
	u64 count = 0;

	set_clock(REQUEST_TIME);
	while (at && at < end) {
		if ((*at & 0xffff) == SYS_exit) {
			/* The parent goes on; an exit is the last call of its batch. */
			vmalab_exit_child();
			vmalab_grace_period();
			count++;
			break;
		}
		at = one_call(at, end);
		count++;
		if (flags & BATCH_FLUSHES) {
			put_results();
			fflush(stdout);
		}
	}
	set_clock(0);
	put_results();
	put_frame('D', 0, 0, at ? count : (u64)-1);
	fflush(stdout);
}

/* One operation on the bench; the answer is text. */
static void run_bench(u64 bytes)
{
	input[bytes] = 0;
	set_clock(REQUEST_TIME);
	vmalab_bench((char *)input);
	vmalab_grace_period();
	set_clock(0);
	put_text('C');
	fflush(stdout);
}

static void put_start_texts(u64 uid, u64 caps, u64 limits[][3], int count)
{
	static const char *const names[16] = {
		[2] = "Max data size", [3] = "Max stack size", [4] = "Max core file size",
		[8] = "Max locked memory", [9] = "Max address space",
	};

	vmalab_print("%d (tree)", getpid());
	for (int i = 3; i < 53; i++)
		vmalab_print(" %lu", vmalab_stat(i));
	vmalab_print("\n");
	put_text('F');
	vmalab_print("Uid:\t%lu\t%lu\t%lu\t%lu\nCapEff:\t%016lx\n", uid, uid, uid, uid, uid ? 0 : caps);
	put_text('F');
	for (int i = 0; i < count; i++) {
		if (limits[i][0] > 15 || !names[limits[i][0]])
			continue;
		vmalab_print("%-25s", names[limits[i][0]]);
		for (int k = 1; k < 3; k++)
			if (~limits[i][k])
				vmalab_print(" %-20lu", limits[i][k]);
			else
				vmalab_print(" %-20s", "unlimited");
		vmalab_print(" bytes\n");
	}
	put_text('F');
}

static void serve_requests(void);
static void put_setting(const char *path);

/* How a worker ended, for who asked. */
static void put_end(pid_t pid)
{
	int status = 0;

	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && status == EXIT_END << 8)
		put_frame('E', shared->note, shared->length, 0);
	else
		put_frame('X', shared->note, shared->length, pid < 0 ? (u64)-errno : (u64)status);
	fflush(stdout);
}

static struct shared *new_shared(void)
{
	return mmap(0, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* A copy of the worker as it is now, with a supervisor and a line of its own. */
static void work_apart(int in, int out)
{
	pid_t pid;

	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	shared = new_shared();
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || shared == MAP_FAILED)
		_exit(3);
	close(in);
	close(out);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve_requests();
	}
	put_end(pid);
	_exit(0);
}

/* Two paths: what the copy reads requests from, and where it answers. */
static void copy_worker(char *paths)
{
	char *answers = strchr(paths, ' ');
	int in = -1, out = -1;
	pid_t pid = -1;

	if (answers) {
		*answers++ = 0;
		in = open(paths, O_RDONLY | O_CLOEXEC);
		out = open(answers, O_WRONLY | O_CLOEXEC);
	}
	fflush(stdout);
	/* Nobody waits for it: it ends when its line does. */
	signal(SIGCHLD, SIG_IGN);
	if (in >= 0 && out >= 0)
		pid = fork();
	if (pid == 0)
		work_apart(in, out);
	put_frame('K', 0, 0, pid < 0 ? (u64)-errno : 0);
	fflush(stdout);
	close(in);
	close(out);
}

static void serve_requests(void)
{
	u64 extra;
	u32 length;

	for (;;) {
		switch (read_frame(&extra, &length)) {
		case 'E':
			set_clock(REQUEST_TIME);
			vmalab_end();
			_exit(EXIT_END);
		case 'B':
			run_batch(length, extra);
			break;
		case 'C':
			run_bench(length);
			break;
		case 'K':
			input[length] = 0;
			copy_worker((char *)input);
			break;
		case 'F':
			input[length] = 0;
			put_setting((char *)input);
			break;
		}
	}
}

static void work(u64 words)
{
	u64 *w = (u64 *)input;
	u64 limits[16][3];
	int count = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	catch_signals();
	for (u64 i = 4; i + 2 < words && count < 16; i += 3)
		memcpy(limits[count++], w + i, sizeof(limits[0]));
	set_clock(REQUEST_TIME);
	vmalab_begin(w[1], w[2], limits, count);
	put_start_texts(w[1], w[2], limits, count);
	put_snapshot();
	put_frame('S', 0, 0, vmalab_brk());
	fflush(stdout);
	set_clock(0);
	serve_requests();
}

/* The supervisor. */

static void start_worker(u64 words)
{
	pid_t pid;

	shared->length = 0;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		work(words);
	put_end(pid);
}

static void put_hello(void)
{
	char line[256];
	int length = snprintf(line, sizeof(line), "%s\nbuilt for user mode", release_text);

	put_frame('H', line, length, (u64)PROTOCOL << 32 | IS_INIT);
	fflush(stdout);
}

static void put_setting(const char *path)
{
	long value;

	if (!strcmp(path, "/vmalab/stubs")) {
		for (unsigned long i = 0; i < vmalab_stub_count; i++)
			if (vmalab_stub_calls[i])
				vmalab_print("%s %lu\n", vmalab_stub_names[i], vmalab_stub_calls[i]);
		put_text('F');
	} else if (!strcmp(path, "/proc/meminfo")) {
		vmalab_print("MemTotal: %d kB\nMemAvailable: %d kB\nSwapTotal: 0 kB\nCommitLimit: %d kB\n"
			     "Committed_AS: 0 kB\nHugepagesize: 2048 kB\n", 16 << 20, 16 << 20, 8 << 20);
		put_text('F');
	} else if (!strncmp(path, "/proc/sys/", 10) && vmalab_setting(path + 10, &value, 0)) {
		vmalab_print("%ld\n", value);
		put_text('F');
	} else {
		put_frame('F', 0, 0, (u64)-ENOENT);
	}
	fflush(stdout);
}

static void write_setting(const char *path)
{
	long value = strtol(path + strlen(path) + 1, 0, 10);

	if (!strncmp(path, "/proc/sys/", 10))
		vmalab_setting(path + 10, &value, 1);
	put_frame('W', 0, 0, 0);
	fflush(stdout);
}

int main(void)
{
	u64 extra;
	u32 length;

	stack_end = (u64)__builtin_frame_address(0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	shared = new_shared();
	if (shared == MAP_FAILED ||
	    mmap(vmalab_stub_calls, vmalab_stub_bytes, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return 3;
	catch_signals();
	vmalab_boot();
	for (;;) {
		u32 kind = read_frame(&extra, &length);

		input[length] = input[length + 1] = 0;
		if (kind == 'H')
			put_hello();
		else if (kind == 'F')
			put_setting((char *)input);
		else if (kind == 'W')
			write_setting((char *)input);
		else if (kind == 'S' && length >= 32)
			start_worker(length / 8);
	}
}
