// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads the events of userfaultfds, for which the calls of a stream wait: fork, remap, remove, unmap.
 *
 * A process has a thread for it once it asks for events. It holds no descriptor open: it waits with epoll,
 * which forgets what is closed. A call that had to wait is answered only when the reader has nothing left
 * to do, so what the reader opens (a child's userfaultfd) is there before the next call, always.
 */
#include "executor.h"

#define API_REQUEST 0xc018aa3fUL
/* UFFD_FEATURE_EVENT_FORK, _REMAP, _REMOVE, _UNMAP. */
#define EVENTS 0x4eUL
#define EVENT_FORK 0x13
#define THREAD_FLAGS 0x50f00
#define SET_FLAGS 4
#define NOT_BLOCKING 04000
#define ADD 1
#define IN 1
#define ONCE_AT_EACH_EVENT (1U << 31)

struct __attribute__((packed)) ready {
	u32 events;
	u64 fd;
};

struct __attribute__((packed)) message {
	u8 event, reserved[7];
	u32 fd, more[5];
};

/* Of this process: the userfaultfds that it has made (of what its parent made, the parent reads). */
static struct reader own;
/* Readers that are at work, of all that have this memory. */
static volatile u32 working;

static void watch(u64 fd)
{
	struct ready what = { IN | ONCE_AT_EACH_EVENT, fd };

	/* One that waits in a read cannot be waited for. */
	sys(__NR_fcntl, fd, SET_FLAGS, NOT_BLOCKING, 0, 0);
	sys(__NR_epoll_ctl, EVENTS_FD, ADD, fd, &what, 0);
}

/* Reads until there is nothing more to read. */
static void read_events(u64 fd)
{
	struct message message;

	while (sys(__NR_read, fd, &message, sizeof(message), 0, 0) == sizeof(message))
		if (message.event == EVENT_FORK)
			watch(message.fd);
}

static void begin_reader(void)
{
	struct ready ready;

	for (;;) {
		if (sys(__NR_epoll_wait, EVENTS_FD, &ready, 1, -1, 0) != 1)
			continue;
		__atomic_add_fetch(&working, 1, __ATOMIC_SEQ_CST);
		read_events(ready.fd);
		__atomic_sub_fetch(&working, 1, __ATOMIC_SEQ_CST);
	}
}

void await_readers(void)
{
	while (working)
		sys(__NR_sched_yield, 0, 0, 0, 0, 0);
}

/* A child has no reader, though it may see that of its parent. */
void forget_reader(int shares)
{
	own = (struct reader){ 0 };
	if (!shares)
		working = 0;
}

struct reader keep_reader(void)
{
	return own;
}

void restore_reader(struct reader kept)
{
	own = kept;
}

void note_userfaultfd(u64 fd)
{
	if (fd < IN_FD)
		own.made[fd / 64] |= 1UL << fd % 64;
}

/* Whether a call asks for events; the kernel writes over what says so. */
int asks_for_events(u64 nr, const u64 *a)
{
	return nr == __NR_ioctl && a[1] == API_REQUEST && is_scratch(a[2]) &&
	       ((const u64 *)a[2])[1] & EVENTS;
}

int can_read_events_of(u64 fd)
{
	return fd < IN_FD && own.made[fd / 64] >> fd % 64 & 1;
}

/* A userfaultfd has been granted its events: from now on they are read. */
void read_events_of(u64 fd)
{
	if (!own.is_there) {
		long events = sys(__NR_epoll_create1, CLOSE_ON_EXEC, 0, 0, 0, 0);

		if (events < 0 || sys(__NR_dup3, events, EVENTS_FD, CLOSE_ON_EXEC, 0, 0) < 0)
			quit(6);
		sys(__NR_close, events, 0, 0, 0, 0);
		if (start_helper(THREAD_FLAGS, begin_reader) < 0)
			quit(6);
		own.is_there = 1;
	}
	watch(fd);
}
