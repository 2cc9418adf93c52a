/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children made with CLONE_UNTRACED, by clone and clone3: their calls work, and the flags that the
 * program gave are there afterwards, in both. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[65536];

static int child(void *unused)
{
	void *area = mmap(0, 4096, 3, 0x22, -1, 0);
	dprintf(1, "mmap %d mprotect %d\n", area != MAP_FAILED, mprotect(area, 4096, 1));
	return 5;
}

/* Returns what is in the register of the flags after the call, in parent and child. */
static long plain(unsigned long flags, long *pid)
{
	register unsigned long rdi __asm__("rdi") = flags;
	register unsigned long rsi __asm__("rsi") = 0, rdx __asm__("rdx") = 0;
	register unsigned long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0;
	__asm__ volatile("syscall"
			 : "=a"(*pid), "+r"(rdi)
			 : "a"(SYS_clone), "r"(rsi), "r"(rdx), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return rdi;
}

static void wait_for(long pid, const char *what)
{
	int status = -1;
	waitpid(pid, &status, __WALL);
	dprintf(1, "%s: %d\n", what, WEXITSTATUS(status));
}

int main(void)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED | SIGCHLD;
	wait_for(clone(child, stack + sizeof stack, flags, 0), "shared");

	long pid, left = plain(CLONE_UNTRACED | SIGCHLD, &pid);
	if (pid == 0) {
		dprintf(1, "child's register %lx\n", left);
		_exit(child(0));
	}
	wait_for(pid, "copied");
	dprintf(1, "register %lx\n", left);
	left = plain(CLONE_UNTRACED | CLONE_THREAD, &pid);
	dprintf(1, "refused %ld, register %lx\n", pid, left);

	struct clone_args args = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
	pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0) {
		dprintf(1, "child's flags %llx\n", args.flags);
		_exit(child(0));
	}
	wait_for(pid, "clone3");
	dprintf(1, "flags %llx\n", args.flags);
	args.flags |= CLONE_THREAD;
	pid = syscall(SYS_clone3, &args, sizeof args);
	dprintf(1, "refused %ld, flags %llx\n", pid, args.flags);

	struct clone_args *fixed = mmap(0, 4096, 3, 0x22, -1, 0);
	*fixed = (struct clone_args){.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
	mprotect(fixed, 4096, 1);
	pid = syscall(SYS_clone3, fixed, sizeof args);
	if (pid == 0)
		_exit(child(0));
	wait_for(pid, "from read-only memory");
	return 0;
}
