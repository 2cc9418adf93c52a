/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tracer of its own children: asked for, attached, seized; single steps, calls and registers. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void ends(const char *what, pid_t pid)
{
	int status = -1;
	long found = waitpid(pid, &status, __WALL);
	printf("%s: %d %x\n", what, found == pid, status);
}

static void asked_for(void)
{
	int status, calls = 0;
	pid_t pid = fork();
	if (pid == 0) {
		printf("traceme %ld\n", ptrace(PTRACE_TRACEME, 0, 0, 0));
		fflush(stdout);
		raise(SIGSTOP);
		for (int i = 0; i < 10; i++)
			mmap(0, 4096, 3, 0x22, -1, 0);
		_exit(6);
	}
	waitpid(pid, &status, 0);
	printf("stopped %x\n", status);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	for (;;) {
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, &status, 0);
		if (!WIFSTOPPED(status))
			break;
		struct user_regs_struct regs;
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		calls += WSTOPSIG(status) == (SIGTRAP | 0x80) && regs.orig_rax == SYS_mmap;
	}
	printf("calls %d, end %x\n", calls, status);
}

static void *sleeps(void *unused)
{
	for (;;)
		pause();
}

static void attached(int request, const char *what)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t thread;
		pthread_create(&thread, 0, sleeps, 0);
		sleeps(0);
	}
	errno = 0;
	printf("%s %ld %d\n", what, ptrace(request, pid, 0, 0), errno);
	if (request == PTRACE_SEIZE)
		ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	pid_t found = waitpid(pid, &status, __WALL);
	printf("stopped %d %x\n", found == pid, status);
	ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	kill(pid, SIGKILL);
	ends("killed", pid);
}

int main(void)
{
	setvbuf(stdout, 0, _IONBF, 0);
	asked_for();
	attached(PTRACE_ATTACH, "attach");
	attached(PTRACE_SEIZE, "seize");
	errno = 0;
	printf("nobody %ld %d\n", ptrace(PTRACE_ATTACH, 0x7fffffff, 0, 0), errno);
	errno = 0;
	printf("self %ld %d\n", ptrace(PTRACE_ATTACH, getpid(), 0, 0), errno);
	return 0;
}
