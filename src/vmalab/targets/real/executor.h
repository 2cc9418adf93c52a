/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the executor share: system calls without a C library, descriptors, abilities.
 *
 * executor.c has the protocol, the worker and the supervisor; confine.c takes rights away and makes the
 * place to work in; permitted.c knows which calls a worker makes; bound.c how much memory they may take;
 * turns.c which of several threads makes the next one; events.c reads what userfaultfds tell.
 */
#ifndef VMALAB_EXECUTOR_H
#define VMALAB_EXECUTOR_H

#include <asm/unistd.h>

typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

/*
 * Descriptors of the executor's own. No process holds one that leads to the machine's files: root's
 * worker could open it again through /proc.
 */
#define IN_FD 200
#define OUT_FD 201
#define MEMORY_FD 202
#define PLACE_FD 203
#define ZERO_FD 204
#define QUIET_FD 205
#define EVENTS_FD 206
#define LAST_OWN_FD 206

/* Results of calls that were not made: not permitted; over the bound of memory. */
#define DENIED (1UL << 63)
#define OVER_BOUND (1UL << 63 | 1)

#define SCRATCH_SIZE (64 << 10)
#define LINE_BUFFER_SIZE (64 << 10)

#define CAN_NAMESPACES 1
#define CAN_IPC 2
#define IN_USER_NAMESPACE 4
#define IS_INIT 8
#define HAS_SECCOMP 16

#define DIRECTORY 0200000
#define NO_FOLLOW 0400000
#define CLOSE_ON_EXEC 02000000
#define PATH_ONLY 010000000
#define AT_CWD -100
#define ERR_INTR -4
#define ERR_PERM -1

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

/* executor.c */
long int_0x80(u64 nr, const u64 *a);
/* The batch that is under way, then the next ones. */
void carry_on(void) __attribute__((noreturn));
extern u8 scratch[SCRATCH_SIZE];
extern u8 line_buffer[LINE_BUFFER_SIZE];
extern u64 abilities;
void *memcpy(void *to, const void *from, u64 n);
void *memset(void *to, int value, u64 n);
u64 length_of(const char *text);
int starts_with(const char *text, const char *head);
void quit(int status) __attribute__((noreturn));
/* Tells which step failed with which errno, and ends this process. */
void refuse(const char *step, long err) __attribute__((noreturn));

/* The result of a step without which nothing may be run. */
static inline long must(const char *step, long result)
{
	if (result < 0)
		refuse(step, result);
	return result;
}

/* confine.c */
long open_beneath(int folder, const char *path, u64 flags, u64 mode);
long open_below_root(const char *path, u64 flags);
long open_link(const char *path, u64 flags);
void write_text(const char *step, int folder, const char *path, const char *text);
void enter_confinement(void);
void make_place(u64 size, u64 kind);
void drop_rights(u64 uid, u64 caps);
void end_with_parent(void);

/* permitted.c */
int is_scratch(u64 address);
int is_permitted(u64 nr, const u64 *a);
long make_call(u64 nr, const u64 *a);
long make_call_32(u64 nr, const u64 *a);
void install_filter(void);

/* turns.c */
struct turns { u8 stack_of[4]; u32 used; };
int is_thread(u64 index);
int pass_turn(u64 index);
long start_thread(u64 flags);
void end_thread(u64 index) __attribute__((noreturn));
void be_alone(int shares);
struct turns keep_turns(void);
void restore_turns(struct turns kept);
long start_sharing(u64 flags, void (*begin)(void));
long start_helper(u64 flags, void (*begin)(void));

/* events.c */
int asks_for_events(u64 nr, const u64 *a);
void read_events_of(u64 fd);
void await_readers(void);
void forget_reader(int shares);
/* made: a bit for each descriptor that a stream can have; our own come behind. */
struct reader { u64 made[(IN_FD + 63) / 64]; int is_there; };
struct reader keep_reader(void);
void restore_reader(struct reader kept);
void note_userfaultfd(u64 fd);
int can_read_events_of(u64 fd);

/* bound.c */
void begin_ledger(u64 bytes);
int is_over_bound(u64 nr, const u64 *a);
void enter_child_ledger(void);

#endif
