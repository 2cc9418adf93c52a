/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child that its pidfd says has ended can be waited for at once, without waiting. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int missed = 0;
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();
		if (!pid) {
			if (i % 3 == 0)
				pause();
			if (i % 3 == 1)
				abort();
			_exit(0);
		}
		if (i % 3 == 0)
			kill(pid, SIGKILL);
		struct pollfd poller = {syscall(SYS_pidfd_open, pid, 0), POLLIN};
		poll(&poller, 1, -1);
		int status;
		if (waitpid(pid, &status, WNOHANG) == 0) {
			missed++;
			waitpid(pid, &status, 0);
		}
		close(poller.fd);
	}
	printf("missed %d of 50\n", missed);
	return missed != 0;
}
