// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whose turn it is: several threads, and children in their parent's memory, make the calls of one stream.
 *
 * Each call says which thread of its process makes it. Only one of them runs at a time: it hands its turn
 * over, and waits until it has it again. So the order is the stream's, and nothing of the executor's own
 * needs a lock. A thread that ends is waited for until the kernel knows it no more.
 */
#include "executor.h"

#define STACK_SIZE 8192
#define MAX_STACKS 20
/* Of one process. */
#define MAX_THREADS 4
#define NONE 0xff
#define WAIT_PRIVATE 128
#define WAKE_PRIVATE 129
#define EVERYBODY 0x7fffffff

/* Stack 0 is the one that the worker began with; the others are numbered from 1. */
static u8 stacks[MAX_STACKS][STACK_SIZE] __attribute__((aligned(64)));
/* The stack whose thread goes on. */
static volatile u32 turn;
/* The thread that has handed its turn over for the last time. */
static volatile u32 leaving;
static struct turns turns = { { 0, NONE, NONE, NONE }, 1 };

/* As clone, with a stack on which the child calls `begin`. */
long clone_onto(u64 nr, u64 flags, u64 stack, void (*begin)(void));

static u32 own_stack(void)
{
	u64 at = (u64)__builtin_frame_address(0) - (u64)stacks;

	return at < sizeof(stacks) ? at / STACK_SIZE + 1 : 0;
}

static u32 free_stack(void)
{
	u32 stack = 1;

	while (stack <= MAX_STACKS && turns.used >> stack & 1)
		stack++;
	return stack <= MAX_STACKS ? stack : 0;
}

static void await_turn(u32 own)
{
	u32 now;

	while ((now = turn) != own)
		sys(__NR_futex, &turn, WAIT_PRIVATE, now, 0, 0);
	if (!leaving)
		return;
	while (sys(__NR_tkill, leaving, 0, 0, 0, 0) == 0)
		sys(__NR_sched_yield, 0, 0, 0, 0, 0);
	leaving = 0;
}

static void give_turn(u32 stack)
{
	turn = stack;
	sys(__NR_futex, &turn, WAKE_PRIVATE, EVERYBODY, 0, 0);
}

int is_thread(u64 index)
{
	return index < MAX_THREADS && turns.stack_of[index] != NONE;
}

/* Whether the next call was another thread's, which has gone on with the batch meanwhile. */
int pass_turn(u64 index)
{
	u32 own = own_stack(), other = turns.stack_of[is_thread(index) ? index : 0];

	if (other == own)
		return 0;
	give_turn(other);
	await_turn(own);
	return 1;
}

static void begin_thread(void)
{
	await_turn(own_stack());
	carry_on();
}

/* One more thread of this process, under the lowest free number: 1, or why there is none. */
long start_thread(u64 flags)
{
	u32 index = 1, stack = free_stack();
	long tid;

	while (is_thread(index))
		index++;
	if (index == MAX_THREADS || !stack)
		return OVER_BOUND;
	tid = clone_onto(__NR_clone, flags, (u64)stacks[stack], begin_thread);
	if (tid < 0)
		return tid;
	turns.stack_of[index] = stack;
	turns.used |= 1U << stack;
	return 1;
}

void end_thread(u64 index)
{
	turns.used &= ~(1U << turns.stack_of[index]);
	turns.stack_of[index] = NONE;
	leaving = sys(__NR_gettid, 0, 0, 0, 0, 0);
	give_turn(turns.stack_of[0]);
	for (;;)
		sys(__NR_exit, 0, 0, 0, 0, 0);
}

/* The thread that runs now is the only one of its process. */
void be_alone(int shares)
{
	u32 own = own_stack(), i;

	for (i = 1; i < MAX_THREADS; i++)
		turns.stack_of[i] = NONE;
	turns.stack_of[0] = own;
	/* Stacks of others hold what is not ours, where memory is shared. */
	turns.used = shares ? turns.used | 1U << own : 1 | 1U << own;
	turn = own;
}

/* What a process must keep that starts a child in its memory, and gets back after it. */
struct turns keep_turns(void)
{
	return turns;
}

void restore_turns(struct turns kept)
{
	turns = kept;
	turn = own_stack();
}

/* A thread that makes no call of the stream's: its id, or why there is none. */
long start_helper(u64 flags, void (*begin)(void))
{
	u32 stack = free_stack();
	long tid = stack ? clone_onto(__NR_clone, flags, (u64)stacks[stack], begin) : (long)OVER_BOUND;

	if (tid > 0)
		turns.used |= 1U << stack;
	return tid;
}

/* A child in this memory, which calls `begin`: its process, or why there is none. */
long start_sharing(u64 flags, void (*begin)(void))
{
	u32 stack = free_stack();

	return stack ? clone_onto(__NR_clone, flags, (u64)stacks[stack], begin) : (long)OVER_BOUND;
}

__asm__("clone_onto:\n\tmov %rdi, %rax\n\tmov %rcx, %r9\n\tmov %rsi, %rdi\n\tmov %rdx, %rsi\n\txor %edx, %edx\n"
	"\txor %r10d, %r10d\n\txor %r8d, %r8d\n\tsyscall\n\ttest %rax, %rax\n\tjz 1f\n\tret\n1:\txor %ebp, %ebp\n"
	"\tcall *%r9\n\thlt\n");
