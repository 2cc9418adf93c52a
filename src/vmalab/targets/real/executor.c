// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The executor: carries out a stream of encoded system calls on the kernel it runs on.
 *
 * One static program without a C library, in two roles. The supervisor confines itself (confine.c), takes
 * requests from its input, and for each stream starts a worker: the same program executed anew, so that
 * every stream begins in the same address space. The worker reads batches of calls from the same input,
 * makes them, and writes their results. As process 1 of a guest the program is its own init; the request
 * stream is then a serial line. What cannot be confined runs nothing: the step that failed is the answer.
 *
 * The worker keeps its address space quiet. It touches all memory that it will ever write before it
 * reports its first map, and nothing else later: its own data, bss and stack. It makes only calls that
 * permitted.c knows, none of which takes more memory than bound.c allows.
 *
 * Frames, both ways: u32 type, u32 length in bytes, u64 extra, then the payload. Words are 64 bits,
 * little endian. A call is: word 0 = number | mask of present arguments << 16 | number of memory items
 * << 24 | which thread makes it << 32, the present arguments, and for each item a word (argument | 0x80 when there is no content
 * | length in bytes << 8) followed by the content, padded to words. The protocol's Python end is
 * vmalab/targets/executor.py.
 */
#include "executor.h"

#define PROTOCOL 2
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
/* A step without which nothing may be run has failed: its name, and errno in the extra word. */
#define REFUSED 'N'
/* Payload in shared memory: set in the type of a request; the only type of frame on the line back. */
#define SHARED_INPUT 0x100
#define SHARED_OUTPUT 'O'

/* Calls of no kernel. */
#define OP_SNAPSHOT 0xf000
#define OP_FORK_AND_EXIT 0xf002
#define OP_WRPKRU 0xf003

/* Of cpuid, leaf 7. */
#define OS_HAS_KEYS 0x10

/* The bits of a number that is one of i386, made by int 0x80. */
#define BY_INT_0x80 0x4000

#define START_KEEPS_VDSO 1
/* Without the filter, which costs every call time; calls are looked at beforehand all the same. */
#define START_UNFILTERED 2
/* Eight bits from this one on: what the stream's folder is; and then: what personality it begins with. */
#define START_PLACE 8
#define START_PERSONALITY 32
#define NO_RANDOMIZE 0x0040000
/* ADDR_COMPAT_LAYOUT, ADDR_LIMIT_3GB. */
#define LAYOUTS 0x8200000
#define BATCH_FLUSHES 1

#define INPUT_SIZE (256 << 10)
#define OUTPUT_SIZE (64 << 10)
#define SHARED_SIZE (2 << 20)
/* A call may take as long; a map of many VMAs longer. */
#define CALL_SECONDS 60
#define MAP_SECONDS 300
/* After so many calls the clock is set anew, and what has been silent for long is let go. */
#define CALLS_PER_ALARM 64
#define SILENT_SECONDS 5
#define MAX_TIMED 4000
/* Flags of clone: a child has its parent's memory; it is a thread of its process. */
#define SHARED_MEMORY 0x100
#define THREAD 0x10000

struct frame {
	u32 type;
	u32 length;
	u64 extra;
};

static u8 input[INPUT_SIZE] __attribute__((aligned(64)));
u8 scratch[SCRATCH_SIZE] __attribute__((aligned(64)));
static u8 output[OUTPUT_SIZE] __attribute__((aligned(64)));
u8 line_buffer[LINE_BUFFER_SIZE];
static u32 output_used;
static u64 pending[4096];
static u32 pending_count;
static u64 timed[MAX_TIMED][7];
u64 abilities;
/* Nobody listens yet: what is wrong is said on the console. Somebody has asked for something. */
static int is_silent, is_asked;
/* In the data segment, so that there is one. */
static int in_fd = IN_FD, out_fd = OUT_FD;

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

u64 length_of(const char *text)
{
	u64 n = 0;

	while (text[n])
		n++;
	return n;
}

int starts_with(const char *text, const char *head)
{
	while (*head)
		if (*text++ != *head++)
			return 0;
	return 1;
}

void quit(int status)
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

		if (got == ERR_INTR)
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

		if (put == ERR_INTR)
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
	long fd = open_below_root(path, CLOSE_ON_EXEC);
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
	long fd = open_below_root(path, 0);
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

	sys(__NR_alarm, MAP_SECONDS, 0, 0, 0, 0);
	put_results();
	err = put_lines("/proc/self/smaps");
	if (!err)
		err = put_lines("/proc/self/status");
	put_frame(SNAPSHOT_TEXT, 0, 0, (u64)err);
	sys(__NR_alarm, CALL_SECONDS, 0, 0, 0, 0);
}

/* What goes wrong before anything is run. */

static void report(const char *step, long err)
{
	put_frame(REFUSED, step, length_of(step), (u64)-err);
	flush();
}

void refuse(const char *step, long err)
{
	if (is_silent) {
		/* A guest without its line. */
		sys(__NR_write, 2, "vmalab: failed: ", 16, 0, 0);
		sys(__NR_write, 2, step, length_of(step), 0, 0);
		sys(__NR_write, 2, "\n", 1, 0, 0);
	} else {
		u64 extra;

		if (!is_asked)
			read_frame(&extra);
		report(step, err);
	}
	quit(EXIT_REPORTED);
}

/* The worker. */

/* The batch that is being run: what follows the call that is made now, and how many were made. */
static struct { const u64 *at, *end; u64 count, flags; u32 silent; } batch;

/* How many processes wait for this one to exit. */
static u32 depth;

static void run_on(void);

/* Where a child begins that has its parent's memory: the parent's stack is not its own. */
static void begin_sharing(void)
{
	end_with_parent();
	be_alone(1);
	forget_reader(1);
	depth++;
	sys(__NR_alarm, CALL_SECONDS, 0, 0, 0, 0);
	batch.count++;
	add_result(1);
	carry_on();
}

static long do_fork(u64 nr, const u64 *a)
{
	int status = 0, shares = nr == __NR_clone && a[0] & SHARED_MEMORY;
	struct turns kept = keep_turns();
	struct reader reader = keep_reader();
	long pid;

	if (shares && a[0] & THREAD)
		return start_thread(a[0]);
	put_results();
	spill();
	pid = shares ? start_sharing(a[0], begin_sharing) : call6(nr, a[0], a[1], a[2], a[3], a[4], 0);
	if (pid < 0)
		return pid;
	if (pid == 0) {
		end_with_parent();
		be_alone(0);
		forget_reader(0);
		depth++;
		enter_child_ledger();
		sys(__NR_alarm, CALL_SECONDS, 0, 0, 0, 0);
		return 1;
	}
	/* The child carries the stream on; it is this process' turn again when the child has exited.
	 * One that shares memory has this very count in use by now. */
	if (!shares)
		shared_used = 0;
	sys(__NR_alarm, 0, 0, 0, 0, 0);
	while (sys(__NR_wait4, pid, &status, 0, 0, 0) == ERR_INTR)
		;
	if ((status & 0x7f) != 0) {
		put_frame(DIED, 0, 0, status);
		flush();
		quit(EXIT_REPORTED);
	}
	if (status >> 8)
		quit(status >> 8);
	if (shares) {
		restore_turns(kept);
		restore_reader(reader);
		depth--;
	}
	await_readers();
	return -1000;
}

/* Reads a call and its arguments: where the next one begins, 0 at one that is malformed. */
static const u64 *read_call(const u64 *at, const u64 *end, u64 *a)
{
	u64 head = *at++, items = head >> 24 & 0xff;
	u8 *free = scratch;
	int i;

	for (i = 0; i < 6; i++) {
		a[i] = 0;
		if (head >> (16 + i) & 1) {
			if (at == end)
				return 0;
			a[i] = *at++;
		}
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
	return at;
}

/* Writes the register of protection keys, but for the rights of key 0, which all of our memory has. */
static u64 write_pkru(u64 value)
{
	u32 a = 0, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (a < 7)
		return DENIED;
	a = 7, c = 0;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (!(c & OS_HAS_KEYS))
		return DENIED;
	__asm__ volatile("wrpkru" : : "a"((u32)value & ~3U), "c"(0), "d"(0));
	return 0;
}

/* A call, after which nobody has anything left to read. */
static u64 make_watched(u64 nr, const u64 *a)
{
	int asks = asks_for_events(nr, a);
	long result;

	if (asks && !can_read_events_of(a[0]))
		return DENIED;
	result = make_call(nr, a);
	if (asks && !result)
		read_events_of(a[0]);
	if (nr == __NR_userfaultfd && result >= 0)
		note_userfaultfd(result);
	await_readers();
	return result;
}

/* Makes the next call of the batch. */
static void one_call(u64 *result)
{
	u64 nr = *batch.at & 0xffff, a[6];

	batch.at = read_call(batch.at, batch.end, a);
	if (!batch.at)
		return;
	if (nr == OP_SNAPSHOT)
		put_snapshot();
	else if (nr == OP_WRPKRU)
		*result = write_pkru(a[0]);
	else if ((nr & 0xf000) == BY_INT_0x80)
		*result = make_call_32(nr & 0xfff, a);
	else if (!is_permitted(nr, a))
		*result = DENIED;
	else if (is_over_bound(nr, a))
		*result = OVER_BOUND;
	else if (nr == __NR_clone || nr == __NR_fork)
		*result = do_fork(nr, a);
	else
		*result = make_watched(nr, a);
}

/* Sets the clock anew; who has said nothing for long lets go of the results that there are. */
static void go_on(u32 *silent)
{
	u32 left = sys(__NR_alarm, CALL_SECONDS, 0, 0, 0, 0);

	*silent += CALL_SECONDS - left;
	if (*silent >= SILENT_SECONDS) {
		put_results();
		flush();
		*silent = 0;
	}
}

/* Says what has come so far, where it is asked for after each call, and now and then. */
static void after_call(void)
{
	if (batch.flags & BATCH_FLUSHES) {
		put_results();
		flush();
	} else if (batch.count % CALLS_PER_ALARM == 0) {
		go_on(&batch.silent);
	}
}

/* A thread ends; of one that there is not nothing is left to do. */
static void leave_thread(u64 thread)
{
	u64 a[6];

	batch.at = read_call(batch.at, batch.end, a);
	batch.count++;
	add_result(0);
	after_call();
	if (is_thread(thread))
		end_thread(thread);
}

static void run_on(void)
{
	while (batch.at && batch.at < batch.end) {
		u64 nr = *batch.at & 0xffff, thread = *batch.at >> 32 & 0xff, result = 0;

		if (pass_turn(thread))
			continue;
		if (nr == __NR_exit && thread) {
			leave_thread(thread);
			continue;
		}
		if (nr == __NR_exit && !depth) {
			/* Nobody would carry the stream on. */
			u64 a[6];

			batch.at = read_call(batch.at, batch.end, a);
			batch.count++;
			continue;
		}
		if (nr == __NR_exit) {
			/* The parent goes on; an exit is the last call of its batch. */
			put_results();
			put_frame(DONE, 0, 0, batch.count + 1);
			flush();
			quit(0);
		}
		one_call(&result);
		if (result == (u64)-1000)
			/* A child did the rest. */
			return;
		batch.count++;
		if (nr != OP_SNAPSHOT)
			add_result(result);
		after_call();
	}
	sys(__NR_alarm, 0, 0, 0, 0, 0);
	put_results();
	put_frame(DONE, 0, 0, batch.at ? batch.count : (u64)-1);
	flush();
}

static void run_batch(u64 bytes, u64 flags)
{
	batch.at = (const u64 *)input;
	batch.end = batch.at + bytes / 8;
	batch.count = batch.silent = 0;
	batch.flags = flags;
	sys(__NR_alarm, CALL_SECONDS, 0, 0, 0, 0);
	run_on();
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
	while (sys(__NR_wait4, pid, &status, 0, 0, 0) == ERR_INTR)
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
		    (!is_permitted(timed[i][0], timed[i] + 1) || is_over_bound(timed[i][0], timed[i] + 1) ||
		     timed[i][0] == __NR_openat || timed[i][0] == __NR_unlink || timed[i][0] == __NR_clone || timed[i][0] == __NR_fork))
			refuse("a call of a timed batch", ERR_PERM);
	sys(__NR_alarm, CALL_SECONDS, 0, 0, 0, 0);
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

/* What a worker does, and each of its children. */
static void __attribute__((noreturn)) serve(void)
{
	u64 extra;

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

void carry_on(void)
{
	run_on();
	serve();
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
	long fd = must("/proc/self/maps", open_below_root("/proc/self/maps", 0));
	long got = sys(__NR_read, fd, line_buffer, sizeof(line_buffer), 0, 0);
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

/* Where the linker has put the end of data and bss. */
extern u8 _end[];

/* All that the worker may ever write, but for its stack. */
static void touch_memory(void)
{
	u64 at;

	for (at = (u64)&in_fd; at < (u64)_end; at = (at | 4095) + 1)
		*(volatile u8 *)at = *(volatile u8 *)at;
}

/* argv: flags, user, capabilities, abilities, shared memory, bound of memory, each in hexadecimal. */
static void work(char **argv)
{
	u64 flags = number(argv[1]);
	long key;

	abilities = number(argv[4]);
	shared_base = number(argv[5]);
	is_asked = 1;
	end_with_parent();
	touch_memory();
	if (!(flags & START_KEEPS_VDSO))
		drop_vdso();
	/* The first request for a key decides what later ones answer on a machine without keys. */
	key = sys(__NR_pkey_alloc, 0, 0, 0, 0, 0);
	if (key >= 0)
		sys(__NR_pkey_free, key, 0, 0, 0, 0);
	if (abilities & IN_USER_NAMESPACE)
		/* There is one user, whose rights are good for nothing outside. */
		drop_rights(0, 0);
	else
		drop_rights(number(argv[2]), number(argv[3]));
	if (!(flags & START_UNFILTERED) && abilities & HAS_SECCOMP)
		install_filter();
	begin_ledger(number(argv[6]));
	put_file("/proc/self/stat");
	put_file("/proc/self/status");
	put_file("/proc/self/limits");
	put_snapshot();
	sys(__NR_alarm, 0, 0, 0, 0, 0);
	put_frame(START, 0, 0, (u64)sys(__NR_brk, 0, 0, 0, 0, 0));
	flush();
	serve();
}

/* The supervisor. */

static char *hexadecimal(u64 value, char *end)
{
	*--end = 0;
	do {
		*--end = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	return end;
}

/* Sets a soft and a hard limit, or without the right to raise the hard one what it allows. */
static void set_limit(u64 resource, u64 *pair)
{
	u64 old[2];

	must("prlimit64", sys(__NR_prlimit64, 0, resource, 0, old, 0));
	if (sys(__NR_prlimit64, 0, resource, pair, 0, 0) == 0)
		return;
	pair[0] = pair[0] < old[1] ? pair[0] : old[1];
	pair[1] = pair[1] < old[1] ? pair[1] : old[1];
	must("prlimit64", sys(__NR_prlimit64, 0, resource, pair, 0, 0));
}

/* In the process that is to be a worker. w: flags, user, capabilities, bound, then limits. */
static void execute_worker(u64 *w, u64 words)
{
	static char numbers[6][20];
	u64 values[6] = { w[0], w[1], w[2], abilities, shared_base, w[3] }, i;
	char *argv[] = { "worker", 0, 0, 0, 0, 0, 0, 0 };
	char *envp[] = { 0 };

	for (i = 0; i < 6; i++)
		argv[i + 1] = hexadecimal(values[i], numbers[i] + 20);
	for (i = 4; i + 2 < words; i += 3)
		set_limit(w[i], w + i + 1);
	must("personality", sys(__NR_personality, NO_RANDOMIZE | (w[0] >> START_PERSONALITY & LAYOUTS), 0, 0, 0, 0));
	must("execve", sys(__NR_execve, "/proc/self/exe", argv, envp, 0, 0));
	quit(4);
}

static void start_worker(u64 words)
{
	int status = 0;
	long pid;

	make_place(((u64 *)input)[3], *(u64 *)input >> START_PLACE & 0xff);
	pid = sys(__NR_fork, 0, 0, 0, 0, 0);
	if (pid == 0)
		execute_worker((u64 *)input, words);
	while (pid > 0 && sys(__NR_wait4, pid, &status, 0, 0, 0) == ERR_INTR)
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

		is_asked = 1;
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
				write_text((const char *)input, AT_CWD, (const char *)input,
					   (const char *)input + length_of((char *)input) + 1);
			put_frame(WRITE_FILE, 0, 0, 0);
			flush();
			break;
		case START:
			if (length >= 4 * sizeof(u64))
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

/* The descriptors of a worker: 0, 1 and 2 as something that cannot be mapped, the input, the output. */
static void arrange_descriptors(void)
{
	long fd;

	must("dup2", sys(__NR_dup2, in_fd, IN_FD, 0, 0, 0));
	must("dup2", sys(__NR_dup2, out_fd, OUT_FD, 0, 0, 0));
	in_fd = IN_FD;
	out_fd = OUT_FD;
	for (fd = 0; fd < 3; fd++)
		/* Its mount lets files be executed, as a terminal's does. */
		must("dup2", sys(__NR_dup2, QUIET_FD, fd, 0, 0, 0));
	must("close", sys(__NR_close, QUIET_FD, 0, 0, 0, 0));
	must("close_range", sys(__NR_close_range, 3, IN_FD - 1, 0, 0, 0));
	must("close_range", sys(__NR_close_range, LAST_OWN_FD + 1, ~0U, 0, 0, 0));
}

static void join_memory(u64 memory)
{
	long fd = memory ? sys(__NR_openat, AT_CWD, "/dev/mem", 2, 0, 0) : -1;

	if (fd < 0)
		return;
	sys(__NR_dup2, fd, MEMORY_FD, 0, 0, 0);
	sys(__NR_close, fd, 0, 0, 0, 0);
	/* Only what the host has written there is proof that it is the shared memory. */
	exchange(__NR_pread64, input, 16, memory - shared_base);
	if (starts_with((char *)input, GREETING))
		shared_base = memory;
}

__attribute__((used)) static void start_c(u64 *stack)
{
	char **argv = (char **)(stack + 1);
	u64 argc = stack[0], memory = shared_place(argv + argc + 1);

	if (argc == 7 && is_worker(argv[0]))
		work(argv);
	/* A guest's kernel is told so; the first process of a container is none. */
	is_silent = memory && sys(__NR_getpid, 0, 0, 0, 0, 0) == 1;
	if (is_silent)
		abilities |= IS_INIT;
	else
		in_fd = 0, out_fd = 1, end_with_parent();
	if (sys(__NR_prctl, 21, 0, 0, 0, 0) >= 0)
		abilities |= HAS_SECCOMP;
	else if (!(abilities & IS_INIT))
		refuse("prctl(PR_GET_SECCOMP)", sys(__NR_prctl, 21, 0, 0, 0, 0));
	enter_confinement();
	if (abilities & IS_INIT)
		open_serial_line();
	is_silent = 0;
	arrange_descriptors();
	if (abilities & IS_INIT) {
		join_memory(memory);
		write_fully(shared_base ? GREETING_SHARED : GREETING, 16);
	}
	supervise();
}

/* The gate of 32-bit programs: what it leaves of the upper registers is the kernel's choice. */
__asm__(".globl int_0x80\nint_0x80:\n\tpush %rbx\n\tpush %rbp\n\tmov %edi, %eax\n\tmov (%rsi), %ebx\n"
	"\tmov 8(%rsi), %ecx\n\tmov 16(%rsi), %edx\n\tmov 32(%rsi), %edi\n\tmov 40(%rsi), %ebp\n"
	"\tmov 24(%rsi), %esi\n\tint $0x80\n\tpop %rbp\n\tpop %rbx\n\tret\n");

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start_c\n\thlt\n");
