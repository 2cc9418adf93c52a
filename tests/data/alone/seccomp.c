/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each kind of seccomp, and what a call that it forbids becomes. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_trap(int number, siginfo_t *info, void *unused)
{
	dprintf(1, "trap %d %d call %d\n", number, info->si_code, info->si_syscall);
}

static int filter(unsigned action, int flags)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void calls(char *page)
{
	errno = 0;
	long result = syscall(SYS_mprotect, page, 4096, 1);
	dprintf(1, "mprotect %ld %d\n", result, errno);
	errno = 0;
	result = syscall(SYS_getppid);
	dprintf(1, "getppid %d %d\n", result == -1 || result == 77, errno);
}

static int notified(char *page)
{
	int listener = filter(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	pid_t pid = fork();
	if (pid == 0) {
		calls(page);
		_exit(3);
	}
	for (int i = 0; i < 2; i++) {
		struct seccomp_notif request = {0};
		struct seccomp_notif_resp response = {0};
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request))
			return 9;
		response.id = request.id;
		response.val = 77;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
	int status;
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

int main(int count, char **args)
{
	char *page = mmap(0, 4096, 3, 0x22, -1, 0);
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	sigaction(SIGSYS, &action, 0);
	if (!strcmp(args[1], "strict")) {
		dprintf(1, "strict %d\n", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
		syscall(SYS_mprotect, page, 4096, 1);
		dprintf(1, "not confined\n");
		syscall(SYS_exit, 1);
	}
	if (!strcmp(args[1], "notify"))
		return notified(page);
	unsigned what = SECCOMP_RET_ALLOW;
	if (!strcmp(args[1], "trace"))
		what = SECCOMP_RET_TRACE;
	if (!strcmp(args[1], "errno"))
		what = SECCOMP_RET_ERRNO | EDQUOT;
	if (!strcmp(args[1], "trap"))
		what = SECCOMP_RET_TRAP | 5;
	if (!strcmp(args[1], "kill"))
		what = SECCOMP_RET_KILL_PROCESS;
	dprintf(1, "filter %d\n", filter(what, 0));
	calls(page);
	return 4;
}
