// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The executor: carries out a stream of encoded system calls on the kernel it runs on.
 *
 * One static program without a C library, in two roles. The supervisor sets up a place of its own
 * (namespaces, a tmpfs with two files), takes requests from its input, and for each stream starts a
 * worker: the same program executed anew, so that every stream begins in the same address space.
 * The worker reads batches of calls from the same input, makes them, and writes their results.
 * As process 1 of a guest the program is its own init; the request stream is then a serial line.
 *
 * The worker keeps its address space quiet. It touches all memory that it will ever write before it
 * reports its first map, and nothing else later: its own data, bss and stack. It makes only the calls
 * of `allowed`, with the restrictions of `is_denied`; a seccomp filter holds it to that.
 *
 * Frames, both ways: u32 type, u32 length in bytes, u64 extra, then the payload. Words are 64 bits,
 * little endian. A call is: word 0 = number | mask of present arguments << 16 | number of memory items
 * << 24, the present arguments, and for each item a word (argument | 0x80 when there is no content
 * | length in bytes << 8) followed by the content, padded to words. The protocol's Python end is
 * vmalab/targets/executor.py.
 */
#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

#define PROTOCOL 1
#define IN_FD 200
#define OUT_FD 201
#define MEMORY_FD 202
#define LAST_OWN_FD 203
#define DENIED (1UL << 63)

/* What a guest says first on its line: whatever came before was not for anybody. */
#define GREETING "vmalab executor\n"
#define GREETING_SHARED "vmalab w/memory\n"

#define EXIT_END 77
#define EXIT_REPORTED 78

/* Requests. */
#define HELLO 'H'
#define FILE_TEXT 'F'
#define WRITE_FILE 'W'
#define START 'S'
#define BATCH 'B'
#define TIMED 'T'
#define END 'E'
/* Answers; HELLO, FILE_TEXT, WRITE_FILE and END are answered by frames of their own type. */
#define RESULTS 'R'
#define SNAPSHOT_TEXT 'M'
#define DONE 'D'
#define DIED 'X'
/* Payload in shared memory: set in the type of a request; the only type of frame on the line back. */
#define SHARED_INPUT 0x100
#define SHARED_OUTPUT 'O'

/* Calls of no kernel. */
#define OP_SNAPSHOT 0xf000
#define OP_FILE 0xf001
#define OP_FORK_AND_EXIT 0xf002

#define START_KEEPS_VDSO 1
/* Without the filter, which costs every call time; calls are looked at beforehand all the same. */
#define START_UNFILTERED 2
#define BATCH_FLUSHES 1

#define CAN_NAMESPACES 1
#define CAN_IPC 2
#define IN_USER_NAMESPACE 4
#define IS_INIT 8
#define HAS_SECCOMP 16

#define INPUT_SIZE (256 << 10)
#define SCRATCH_SIZE (64 << 10)
#define OUTPUT_SIZE (64 << 10)
#define SHARED_SIZE (2 << 20)
#define BATCH_SECONDS 20
#define MAX_TIMED 4000

struct frame {
	u32 type;
	u32 length;
	u64 extra;
};

static u8 input[INPUT_SIZE] __attribute__((aligned(64)));
static u8 scratch[SCRATCH_SIZE] __attribute__((aligned(64)));
static u8 output[OUTPUT_SIZE] __attribute__((aligned(64)));
static u8 line_buffer[OUTPUT_SIZE];
static u32 output_used;
static u64 pending[4096];
static u32 pending_count;
static u64 timed[MAX_TIMED][7];
static u64 abilities;
/* In the data segment, so that there is one. */
static int in_fd = IN_FD, out_fd = OUT_FD;

static inline long call6(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define sys(nr, a, b, c, d, e) call6(nr, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), 0)

void *memcpy(void *to, const void *from, u64 n)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return start;
}

void *memset(void *to, int value, u64 n)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
	return start;
}

static u64 length_of(const char *text)
{
	u64 n = 0;

	while (text[n])
		n++;
	return n;
}

static int starts_with(const char *text, const char *head)
{
	while (*head)
		if (*text++ != *head++)
			return 0;
	return 1;
}

static void quit(int status)
{
	for (;;)
		sys(__NR_exit_group, status, 0, 0, 0, 0);
}

/*
 * Input and output. A guest's serial line is slow, so payloads go through a piece of memory that guest
 * and host share, when there is one: physical memory that the kernel was told to leave alone, read and
 * written through /dev/mem. The line then carries headers only.
 */
static u64 shared_base;
static u64 shared_used;

static void read_fully(void *to, u64 n)
{
	u8 *at = to;

	while (n) {
		long got = sys(__NR_read, in_fd, at, n, 0, 0);

		if (got == -4)
			continue;
		if (got <= 0)
			quit(0);
		at += got;
		n -= got;
	}
}

static void write_fully(const void *from, u64 n)
{
	const u8 *at = from;

	while (n) {
		long put = sys(__NR_write, out_fd, at, n, 0, 0);

		if (put == -4)
			continue;
		if (put <= 0)
			quit(0);
		at += put;
		n -= put;
	}
}

static void exchange(long nr, void *at, u64 n, u64 place)
{
	u8 *memory = at;

	while (n) {
		long done = sys(nr, MEMORY_FD, memory, n, shared_base + place, 0);

		if (done <= 0)
			quit(5);
		memory += done;
		place += done;
		n -= done;
	}
}

/* Tells the host what lies ready for it, and waits until it has been taken. */
static void hand_over(void)
{
	struct frame frame = { SHARED_OUTPUT, shared_used, 0 };

	write_fully(&frame, sizeof(frame));
	read_fully(&frame, sizeof(frame));
	shared_used = 0;
}

static void put_through(const void *from, u64 n)
{
	if (!shared_base) {
		write_fully(from, n);
		return;
	}
	if (shared_used + n > SHARED_SIZE - INPUT_SIZE)
		hand_over();
	exchange(__NR_pwrite64, (void *)from, n, INPUT_SIZE + shared_used);
	shared_used += n;
}

static void spill(void)
{
	put_through(output, output_used);
	output_used = 0;
}

static void flush(void)
{
	spill();
	if (shared_base)
		hand_over();
}

static void put(const void *from, u64 n)
{
	if (output_used + n > OUTPUT_SIZE)
		spill();
	if (n > OUTPUT_SIZE) {
		put_through(from, n);
		return;
	}
	memcpy(output + output_used, from, n);
	output_used += n;
}

static void put_frame(u32 type, const void *payload, u32 length, u64 extra)
{
	struct frame frame = { type, length, extra };

	put(&frame, sizeof(frame));
	put(payload, length);
}

static void put_results(void)
{
	if (pending_count)
		put_frame(RESULTS, pending, pending_count * 8, 0);
	pending_count = 0;
}

static void add_result(u64 result)
{
	pending[pending_count++] = result;
	if (pending_count == sizeof(pending) / 8)
		put_results();
}

static u32 read_frame(u64 *extra)
{
	struct frame frame;

	read_fully(&frame, sizeof(frame));
	if (frame.length >= INPUT_SIZE)
		quit(2);
	if (frame.type & SHARED_INPUT)
		exchange(__NR_pread64, input, frame.length, 0);
	else
		read_fully(input, frame.length);
	*extra = frame.extra;
	return (frame.type & 0xff) | frame.length << 8;
}

/* Text of the kernel. */

static void put_file(const char *path)
{
	long fd = sys(__NR_openat, -100, path, 0, 0, 0);
	long got = fd;

	put_results();
	while (fd >= 0) {
		got = sys(__NR_read, fd, line_buffer, sizeof(line_buffer), 0, 0);
		if (got <= 0)
			break;
		put_frame(FILE_TEXT, line_buffer, got, 1);
	}
	if (fd >= 0)
		sys(__NR_close, fd, 0, 0, 0, 0);
	/* The last frame is empty and holds the error. */
	put_frame(FILE_TEXT, 0, 0, got < 0 ? (u64)got : 0);
}

static int is_wanted(const u8 *line)
{
	return (line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f') ||
	       starts_with((const char *)line, "Vm") ||
	       starts_with((const char *)line, "ProtectionKey:");
}

/* Of smaps only what identifies VMAs, of status the sizes. */
static long put_lines(const char *path)
{
	long fd = sys(__NR_openat, -100, path, 0, 0, 0);
	u64 have = 0;

	if (fd < 0)
		return fd;
	for (;;) {
		long got = sys(__NR_read, fd, line_buffer + have, sizeof(line_buffer) - have, 0, 0);
		u64 from = 0, kept = 0, at;

		if (got <= 0)
			break;
		have += got;
		for (at = 0; at < have; at++) {
			if (line_buffer[at] != '\n')
				continue;
			if (is_wanted(line_buffer + from)) {
				memcpy(line_buffer + kept, line_buffer + from, at + 1 - from);
				kept += at + 1 - from;
			}
			from = at + 1;
		}
		if (kept)
			put_frame(SNAPSHOT_TEXT, line_buffer, kept, 1);
		/* A line is far shorter than the buffer. */
		memcpy(line_buffer, line_buffer + from, have - from);
		have -= from;
	}
	sys(__NR_close, fd, 0, 0, 0, 0);
	return 0;
}

static void put_snapshot(void)
{
	long err;

	put_results();
	err = put_lines("/proc/self/smaps");
	if (!err)
		err = put_lines("/proc/self/status");
	put_frame(SNAPSHOT_TEXT, 0, 0, (u64)err);
}

/* Which calls a worker makes. */

static const unsigned short allowed[] = {
	__NR_mmap, __NR_mprotect, __NR_munmap, __NR_brk, __NR_mremap, __NR_msync, __NR_mincore,
	__NR_madvise, __NR_shmget, __NR_shmat, __NR_shmctl, __NR_shmdt, __NR_dup, __NR_dup2, __NR_dup3,
	__NR_fcntl, __NR_ftruncate, __NR_fallocate, __NR_close, __NR_close_range, __NR_openat,
	__NR_unlink, __NR_getrlimit, __NR_setrlimit, __NR_prlimit64, __NR_personality, __NR_mlock,
	__NR_mlock2, __NR_munlock, __NR_mlockall, __NR_munlockall, __NR_prctl, __NR_remap_file_pages,
	__NR_mbind, __NR_set_mempolicy, __NR_get_mempolicy, __NR_migrate_pages, __NR_memfd_create,
	__NR_userfaultfd, __NR_ioctl, __NR_pkey_mprotect, __NR_pkey_alloc, __NR_pkey_free,
	__NR_io_setup, __NR_io_destroy, __NR_clone, __NR_fork, __NR_exit, __NR_arch_prctl,
	/* memfd_secret, set_mempolicy_home_node, cachestat, map_shadow_stack, mseal: newer than some headers. */
	447, 450, 451, 453, 462,
};

/* What the worker itself needs besides, as long as it lives. */
static const unsigned short own[] = {
	__NR_read, __NR_write, __NR_pread64, __NR_pwrite64, __NR_exit_group, __NR_wait4, __NR_alarm, __NR_rt_sigreturn,
	__NR_restart_syscall,
};

static int is_allowed(u64 nr)
{
	u32 i;

	for (i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
		if (allowed[i] == nr)
			return 1;
	return 0;
}

static int is_own_path(const char *path)
{
	u64 i;

	if ((u64)path - (u64)scratch >= SCRATCH_SIZE)
		/* Not ours: the kernel will say what is wrong with the pointer. */
		return (u64)path < 65536 || (u64)path >> 47;
	if (starts_with(path, "/dev/zero") && !path[9])
		return 1;
	if (starts_with(path, "/dev/shm/gold/"))
		path += 14;
	for (i = 0; path[i]; i++)
		if (path[i] == '/')
			return 0;
	return !(path[0] == '.' && path[1] == '.');
}

static int is_own_fd(u32 fd)
{
	return fd >= IN_FD && fd <= LAST_OWN_FD;
}

static int is_harmless_prctl(u32 option)
{
	/* SET/GET_THP_DISABLE, SET/GET_MDWE, SET/GET_MEMORY_MERGE, SET_VMA, SET_MM. */
	return option == 41 || option == 42 || (option >= 65 && option <= 68) ||
	       option == 0x53564d41 || option == 35;
}

static int is_denied(u64 nr, const u64 *a)
{
	switch (nr) {
	case __NR_madvise:
		/* They would take pages away from the machine for good. */
		return (u32)a[2] == 100 || (u32)a[2] == 101;
	case __NR_prctl:
		return !is_harmless_prctl((u32)a[0]);
	case __NR_arch_prctl:
		/* Only those of shadow stacks. */
		return a[0] < 0x5001 || a[0] > 0x5005;
	case __NR_ioctl:
		return is_own_fd((u32)a[0]) || (a[1] >> 8 & 0xff) != 0xaa;
	case __NR_prlimit64:
	case __NR_migrate_pages:
		return (u32)a[0] != 0;
	case __NR_openat:
		return !is_own_path((const char *)a[1]);
	case __NR_unlink:
		return !is_own_path((const char *)a[0]);
	case __NR_close:
	case __NR_ftruncate:
	case __NR_fallocate:
	case __NR_dup:
	case __NR_fcntl:
		return is_own_fd((u32)a[0]);
	case __NR_dup2:
	case __NR_dup3:
		return is_own_fd((u32)a[0]) || is_own_fd((u32)a[1]);
	case __NR_close_range:
		return (u32)a[0] <= LAST_OWN_FD && (u32)a[1] >= IN_FD;
	case __NR_clone:
		/* A plain fork. */
		return (a[0] & ~0x01200000UL) != 17 || a[1] != 0;
	}
	return 0;
}

static int install_filter(void)
{
	static struct sock_filter code[128];
	struct sock_fprog program = { 0, code };
	u32 total = sizeof(allowed) / sizeof(*allowed) + sizeof(own) / sizeof(*own);
	u32 i, n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4);
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, total + 1);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
	for (i = 0; i < total; i++) {
		u32 nr = i < sizeof(own) / sizeof(*own) ? own[i] : allowed[i - sizeof(own) / sizeof(*own)];

		code[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, total - i, 0);
		n++;
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = n;
	return sys(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program, 0, 0) == 0;
}

/* The worker. */

static long do_fork(u64 nr, const u64 *a)
{
	int status = 0;
	long pid;

	put_results();
	spill();
	pid = call6(nr, a[0], a[1], a[2], a[3], a[4], 0);
	if (pid < 0)
		return pid;
	if (pid == 0) {
		sys(__NR_prctl, 1, 9, 0, 0, 0);
		sys(__NR_alarm, BATCH_SECONDS, 0, 0, 0, 0);
		return 1;
	}
	/* The child carries the stream on; it is this process' turn again when the child has exited. */
	shared_used = 0;
	sys(__NR_alarm, 0, 0, 0, 0, 0);
	while (sys(__NR_wait4, pid, &status, 0, 0, 0) == -4)
		;
	if ((status & 0x7f) != 0) {
		put_frame(DIED, 0, 0, status);
		flush();
		quit(EXIT_REPORTED);
	}
	if (status >> 8)
		quit(status >> 8);
	return -1000;
}

/* Makes one call: where the next one begins, 0 at one that is malformed. */
static const u64 *one_call(const u64 *at, const u64 *end, u64 *result)
{
	u64 head = *at++, nr = head & 0xffff, items = head >> 24 & 0xff;
	u64 a[6] = { 0, 0, 0, 0, 0, 0 };
	u8 *free = scratch;
	int i;

	for (i = 0; i < 6; i++)
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
		if ((item & 0x7f) > 5 || length > (u64)(scratch + SCRATCH_SIZE - free) ||
		    words > (u64)(end - at))
			return 0;
		memcpy(free, at, words ? length : 0);
		a[item & 0x7f] = (u64)free;
		free += (length + 63) & ~63UL;
		at += words;
	}
	if (nr == OP_SNAPSHOT)
		put_snapshot();
	else if (nr == OP_FILE)
		put_file((const char *)a[0]);
	else if (!is_allowed(nr) || is_denied(nr, a))
		*result = DENIED;
	else if (nr == __NR_clone || nr == __NR_fork)
		*result = do_fork(nr, a);
	else
		*result = call6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	return at;
}

static void run_batch(u64 bytes, u64 flags)
{
	const u64 *at = (const u64 *)input, *end = at + bytes / 8;
	u64 count = 0;

	sys(__NR_alarm, BATCH_SECONDS, 0, 0, 0, 0);
	while (at && at < end) {
		u64 nr = *at & 0xffff, result = 0;

		if (nr == __NR_exit) {
			/* The parent goes on; an exit is the last call of its batch. */
			put_results();
			put_frame(DONE, 0, 0, count + 1);
			flush();
			quit(0);
		}
		at = one_call(at, end, &result);
		if (result == (u64)-1000)
			/* A child did the rest. */
			return;
		count++;
		if (nr != OP_SNAPSHOT && nr != OP_FILE)
			add_result(result);
		if (flags & BATCH_FLUSHES) {
			put_results();
			flush();
		}
	}
	sys(__NR_alarm, 0, 0, 0, 0, 0);
	put_results();
	put_frame(DONE, 0, 0, at ? count : (u64)-1);
	flush();
}

/* A child that ends at once: 1, or why there is none. */
static long fork_and_exit(void)
{
	long pid = sys(__NR_fork, 0, 0, 0, 0, 0);
	int status;

	if (pid == 0)
		quit(0);
	if (pid < 0)
		return pid;
	while (sys(__NR_wait4, pid, &status, 0, 0, 0) == -4)
		;
	return 1;
}

static u64 now(u64 clock)
{
	u64 time[2];

	sys(__NR_clock_gettime, clock, time, 0, 0, 0);
	return time[0] * 1000000000 + time[1];
}

/* Makes rows of a number and six arguments as fast as it can: the answer has how long it took. */
static void run_timed(u64 bytes, u64 clock)
{
	u64 count = bytes / sizeof(*timed), began, i;

	if (count > MAX_TIMED)
		quit(2);
	memcpy(timed, input, count * sizeof(*timed));
	for (i = 0; i < count; i++)
		if (timed[i][0] != OP_FORK_AND_EXIT &&
		    (!is_allowed(timed[i][0]) || is_denied(timed[i][0], timed[i] + 1) ||
		     timed[i][0] == __NR_clone || timed[i][0] == __NR_fork ||
		     timed[i][0] == __NR_exit))
			quit(6);
	sys(__NR_alarm, BATCH_SECONDS, 0, 0, 0, 0);
	began = now(clock);
	for (i = 0; i < count; i++) {
		const u64 *row = timed[i];

		if (row[0] == OP_FORK_AND_EXIT)
			pending[i] = fork_and_exit();
		else
			pending[i] = call6(row[0], row[1], row[2], row[3], row[4], row[5], row[6]);
	}
	began = now(clock) - began;
	sys(__NR_alarm, 0, 0, 0, 0, 0);
	pending_count = count;
	put_results();
	put_frame(TIMED, 0, 0, began);
	flush();
}

static u64 number(const char *text)
{
	u64 value = 0;

	for (; *text; text++)
		value = value << 4 | (*text <= '9' ? *text - '0' : *text - 'a' + 10);
	return value;
}

static void drop_vdso(void)
{
	long fd = sys(__NR_openat, -100, "/proc/self/maps", 0, 0, 0);
	long got = fd < 0 ? 0 : sys(__NR_read, fd, line_buffer, sizeof(line_buffer), 0, 0);
	long from = 0, at;

	sys(__NR_close, fd, 0, 0, 0, 0);
	for (at = 0; at < got; at++) {
		u64 bounds[2] = { 0, 0 };
		long i, part = 0;

		if (line_buffer[at] == '\n') {
			from = at + 1;
			continue;
		}
		if (line_buffer[at] != '[' || line_buffer[at + 1] != 'v' || line_buffer[at + 2] == 's')
			continue;
		for (i = from; line_buffer[i] != ' '; i++) {
			u8 digit = line_buffer[i];

			if (digit == '-')
				part = 1;
			else
				bounds[part] = bounds[part] << 4 | (digit <= '9' ? digit - '0' : digit - 'a' + 10);
		}
		sys(__NR_munmap, bounds[0], bounds[1] - bounds[0], 0, 0, 0);
	}
}

static void drop_rights(u64 uid, u64 caps)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (uid) {
		sys(__NR_setgroups, 0, 0, 0, 0, 0);
		sys(__NR_setresgid, uid, uid, uid, 0, 0);
		sys(__NR_setresuid, uid, uid, uid, 0, 0);
	}
	if (sys(__NR_capget, &header, data, 0, 0, 0))
		return;
	data[0].effective &= caps;
	data[1].effective &= caps >> 32;
	data[0].permitted &= caps;
	data[1].permitted &= caps >> 32;
	data[0].inheritable = data[1].inheritable = 0;
	sys(__NR_capset, &header, data, 0, 0, 0);
}

/* argv: flags, user, capabilities, abilities, shared memory, each in hexadecimal. */
static void work(char **argv)
{
	u64 flags = number(argv[1]), extra;
	long key;

	abilities = number(argv[4]);
	shared_base = number(argv[5]);
	sys(__NR_prctl, 1, 9, 0, 0, 0);
	memset(input, 0, sizeof(input));
	memset(scratch, 0, sizeof(scratch));
	memset(output, 0, sizeof(output));
	memset(line_buffer, 0, sizeof(line_buffer));
	memset(pending, 0, sizeof(pending));
	memset(timed, 0, sizeof(timed));
	*(volatile int *)&in_fd = IN_FD;
	if (!(flags & START_KEEPS_VDSO))
		drop_vdso();
	/* The first request for a key decides what later ones answer on a machine without keys. */
	key = sys(__NR_pkey_alloc, 0, 0, 0, 0, 0);
	if (key >= 0)
		sys(__NR_pkey_free, key, 0, 0, 0, 0);
	if (abilities & CAN_IPC)
		sys(__NR_unshare, 0x08000000, 0, 0, 0, 0);
	drop_rights(number(argv[2]), number(argv[3]));
	sys(__NR_prctl, 1, 9, 0, 0, 0);
	/* Without privilege a filter needs that no new ones can be gained. */
	if (!(flags & START_UNFILTERED) && !install_filter() && !(sys(__NR_prctl, 38, 1, 0, 0, 0) == 0 && install_filter()) &&
	    abilities & HAS_SECCOMP)
		quit(3);
	put_file("/proc/self/stat");
	put_file("/proc/self/status");
	put_snapshot();
	put_frame(START, 0, 0, (u64)sys(__NR_brk, 0, 0, 0, 0, 0));
	flush();
	for (;;) {
		u32 frame = read_frame(&extra);

		if ((frame & 0xff) == END)
			quit(EXIT_END);
		if ((frame & 0xff) == BATCH)
			run_batch(frame >> 8, extra);
		if ((frame & 0xff) == TIMED)
			run_timed(frame >> 8, extra);
	}
}

/* The supervisor. */

static void write_text(const char *path, const char *text)
{
	long fd = sys(__NR_openat, -100, path, 1, 0, 0);

	if (fd >= 0) {
		sys(__NR_write, fd, text, length_of(text), 0, 0);
		sys(__NR_close, fd, 0, 0, 0, 0);
	}
}

static char *hexadecimal(u64 value, char *end)
{
	*--end = 0;
	do {
		*--end = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	return end;
}

/* A user namespace in which this user is 0, and nobody else exists. */
static int own_user_namespace(void)
{
	char text[64], *at;
	long uid = sys(__NR_getuid, 0, 0, 0, 0, 0);
	u64 n = 0, value = (u64)uid, power = 1;

	if (sys(__NR_unshare, 0x10000000, 0, 0, 0, 0))
		return 0;
	text[n++] = '0';
	text[n++] = ' ';
	while (value / power >= 10)
		power *= 10;
	for (; power; power /= 10)
		text[n++] = '0' + value / power % 10;
	for (at = " 1"; *at; at++)
		text[n++] = *at;
	text[n] = 0;
	write_text("/proc/self/uid_map", text);
	abilities |= IN_USER_NAMESPACE;
	return 1;
}

static void set_up_place(const char *fallback)
{
	/* Mounts, System V objects, network. */
	u64 spaces = 0x00020000 | 0x08000000 | 0x40000000;

	if (abilities & IS_INIT) {
		sys(__NR_mkdir, "/proc", 0755, 0, 0, 0);
		sys(__NR_mkdir, "/sys", 0755, 0, 0, 0);
		sys(__NR_mkdir, "/dev", 0755, 0, 0, 0);
		sys(__NR_mount, "proc", "/proc", "proc", 0, 0);
		sys(__NR_mount, "sysfs", "/sys", "sysfs", 0, 0);
		sys(__NR_mount, "devtmpfs", "/dev", "devtmpfs", 0, 0);
		sys(__NR_mkdir, "/dev/shm", 0755, 0, 0, 0);
	} else {
		long err = sys(__NR_unshare, spaces, 0, 0, 0, 0);

		if (err && own_user_namespace())
			err = sys(__NR_unshare, spaces, 0, 0, 0, 0);
		if (!err)
			/* No mount of ours is seen by others. */
			err = sys(__NR_mount, "none", "/", 0, 0x44000, 0);
		if (err) {
			sys(__NR_chdir, fallback, 0, 0, 0, 0);
			return;
		}
	}
	if (sys(__NR_mount, "tmpfs", "/dev/shm", "tmpfs", 0, 0)) {
		sys(__NR_chdir, fallback, 0, 0, 0, 0);
		return;
	}
	sys(__NR_mkdir, "/dev/shm/gold", 0777, 0, 0, 0);
	sys(__NR_chmod, "/dev/shm/gold", 0777, 0, 0, 0);
	sys(__NR_chdir, "/dev/shm/gold", 0, 0, 0, 0);
	abilities |= CAN_NAMESPACES;
	if (sys(__NR_unshare, 0x08000000, 0, 0, 0, 0) == 0)
		abilities |= CAN_IPC;
}

static void make_file(const char *name, u64 size)
{
	long fd;

	sys(__NR_unlink, name, 0, 0, 0, 0);
	fd = sys(__NR_openat, -100, name, 0102, 0666, 0);
	sys(__NR_fchmod, fd, 0666, 0, 0, 0);
	sys(__NR_ftruncate, fd, size, 0, 0, 0);
	sys(__NR_close, fd, 0, 0, 0, 0);
}

/* Words of a request: flags, user, capabilities, then number, soft and hard of some limits. */
static void start_worker(u64 words)
{
	static char numbers[6][20];
	u64 *w = (u64 *)input, i;
	int status = 0;
	long pid;

	make_file("f0", 131072);
	make_file("f1", 65536);
	sys(__NR_unlink, "f2", 0, 0, 0, 0);
	pid = sys(__NR_fork, 0, 0, 0, 0, 0);
	if (pid == 0) {
		char *argv[] = { "worker", hexadecimal(w[0], numbers[0] + 20),
				 hexadecimal(w[1], numbers[1] + 20), hexadecimal(w[2], numbers[2] + 20),
				 hexadecimal(abilities, numbers[3] + 20),
				 hexadecimal(shared_base, numbers[4] + 20), 0 };
		char *envp[] = { 0 };

		for (i = 3; i + 2 < words; i += 3)
			sys(__NR_prlimit64, 0, w[i], w + i + 1, 0, 0);
		sys(__NR_personality, 0x0040000, 0, 0, 0, 0);
		write_text("/proc/self/oom_score_adj", "1000");
		sys(__NR_execve, "/proc/self/exe", argv, envp, 0, 0);
		quit(4);
	}
	while (pid > 0 && sys(__NR_wait4, pid, &status, 0, 0, 0) == -4)
		;
	if (pid > 0 && status == EXIT_END << 8)
		put_frame(END, 0, 0, 0);
	else if (pid < 0 || status != EXIT_REPORTED << 8)
		put_frame(DIED, 0, 0, pid < 0 ? (u64)pid : (u64)status);
	flush();
}

static void put_hello(void)
{
	static struct { char text[6][65]; } names;
	u64 i;

	sys(__NR_uname, &names, 0, 0, 0, 0);
	memcpy(line_buffer, names.text[2], 65);
	i = length_of(names.text[2]);
	line_buffer[i++] = '\n';
	memcpy(line_buffer + i, names.text[3], 65);
	i += length_of(names.text[3]);
	put_frame(HELLO, line_buffer, i, abilities | (u64)PROTOCOL << 32);
	flush();
}

static void supervise(void)
{
	u64 extra;

	for (;;) {
		u32 frame = read_frame(&extra), length = frame >> 8;

		switch (frame & 0xff) {
		case HELLO:
			put_hello();
			break;
		case FILE_TEXT:
			input[length] = 0;
			put_file((const char *)input);
			flush();
			break;
		case WRITE_FILE:
			/* A guest is there to be changed; a machine is not. */
			input[length] = 0;
			if (abilities & IS_INIT)
				write_text((const char *)input, (const char *)input + length_of((char *)input) + 1);
			put_frame(WRITE_FILE, 0, 0, 0);
			flush();
			break;
		case START:
			start_worker(length / 8);
			break;
		default:
			/* Meant for a worker that has died. */
			break;
		}
	}
}

static void open_serial_line(void)
{
	static u8 termios[64];
	long fd = sys(__NR_openat, -100, "/dev/ttyS1", 2 | 0400, 0, 0);

	if (fd < 0)
		fd = sys(__NR_openat, -100, "/dev/ttyS0", 2 | 0400, 0, 0);
	/* TCGETS; no processing of any kind, 115200 baud, TCSETS. */
	sys(__NR_ioctl, fd, 0x5401, termios, 0, 0);
	memset(termios, 0, 17);
	*(u32 *)(termios + 8) = 0x18b2;
	termios[17 + 6] = 1;
	sys(__NR_ioctl, fd, 0x5402, termios, 0, 0);
	in_fd = out_fd = fd;
}

static int is_worker(const char *name)
{
	return starts_with(name, "worker");
}

/* Where the shared memory is, as the guest's command line said. */
static u64 shared_place(char **environment)
{
	for (; *environment; environment++)
		if (starts_with(*environment, "vmalab_memory="))
			return number(*environment + 14);
	return 0;
}

__attribute__((used)) static void start_c(u64 *stack)
{
	char **argv = (char **)(stack + 1);
	u64 argc = stack[0], memory;
	long quiet, fd;

	if (argc == 6 && is_worker(argv[0]))
		work(argv);
	if (sys(__NR_getpid, 0, 0, 0, 0, 0) == 1)
		abilities |= IS_INIT;
	else
		in_fd = 0, out_fd = 1;
	sys(__NR_prctl, 1, 9, 0, 0, 0);
	if (sys(__NR_prctl, 21, 0, 0, 0, 0) >= 0)
		abilities |= HAS_SECCOMP;
	set_up_place(argc > 1 ? argv[1] : "/");
	if (abilities & IS_INIT)
		open_serial_line();
	/*
	 * Workers find 0, 1 and 2 open, as something that cannot be mapped though its mount lets files be
	 * executed, as a terminal's does; the input at 200 and the output at 201.
	 */
	sys(__NR_dup2, in_fd, 210, 0, 0, 0);
	sys(__NR_dup2, out_fd, 211, 0, 0, 0);
	quiet = sys(__NR_openat, -100, "/dev/null", 2, 0, 0);
	if (quiet < 0)
		quiet = sys(__NR_eventfd2, 0, 0, 0, 0, 0);
	for (fd = 0; fd < 3; fd++)
		if (quiet != fd)
			sys(__NR_dup2, quiet, fd, 0, 0, 0);
	sys(__NR_dup2, 210, IN_FD, 0, 0, 0);
	sys(__NR_dup2, 211, OUT_FD, 0, 0, 0);
	in_fd = IN_FD;
	out_fd = OUT_FD;
	for (fd = 3; fd < 256; fd++)
		if (fd < IN_FD || fd > OUT_FD)
			sys(__NR_close, fd, 0, 0, 0, 0);
	memory = abilities & IS_INIT ? shared_place(argv + argc + 1) : 0;
	fd = memory ? sys(__NR_openat, -100, "/dev/mem", 2, 0, 0) : -1;
	if (fd >= 0) {
		sys(__NR_dup2, fd, MEMORY_FD, 0, 0, 0);
		sys(__NR_close, fd, 0, 0, 0, 0);
		/* Only what the host has written there is proof that it is the shared memory. */
		exchange(__NR_pread64, input, 16, memory - shared_base);
		if (starts_with((char *)input, GREETING))
			shared_base = memory;
	}
	if (abilities & IS_INIT)
		write_fully(shared_base ? GREETING_SHARED : GREETING, 16);
	supervise();
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start_c\n\thlt\n");
