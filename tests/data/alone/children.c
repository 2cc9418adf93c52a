/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children that end, stop and go on in every way, as their parent sees it. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int told, codes[8];
static sigset_t go_on;

static void on_child(int number, siginfo_t *info, void *unused)
{
	told++;
	codes[info->si_code & 7]++;
}

static void *ends(void *unused)
{
	usleep(2000);
	exit(9);
}

static void child(int way)
{
	pthread_t thread;
	int number;
	switch (way) {
	case 0:
		_exit(0);
	case 1:
		_exit(200);
	case 2:
		abort();
	case 3:
		raise(SIGTERM);
		break;
	case 4:
		kill(getpid(), SIGKILL);
		break;
	case 5:
		*(volatile int *)8 = 1;
		break;
	case 6:
		raise(SIGSTOP);
		sigwait(&go_on, &number);
		_exit(7);
	case 7:
		pthread_create(&thread, 0, ends, 0);
		pthread_exit(0);
	case 8:
		execl("/bin/sh", "sh", "-c", "exit 8", (char *)0);
		break;
	}
	pause();
}

int main(void)
{
	setvbuf(stdout, 0, _IONBF, 0);
	struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(SIGCHLD, &action, 0);
	sigemptyset(&go_on);
	sigaddset(&go_on, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go_on, 0);
	for (int way = 0; way < 9; way++) {
		int status = -1;
		/* Only what ends at once, or becomes another program, may borrow its parent's memory. */
		pid_t pid = way == 0 || way == 8 ? vfork() : fork();
		if (pid == 0)
			child(way);
		if (way == 6) {
			waitpid(pid, &status, WUNTRACED);
			printf("stopped %d %x\n", WIFSTOPPED(status), status);
			printf("none yet %d\n", waitpid(pid, &status, WNOHANG));
			kill(pid, SIGCONT);
			/* Two signals of one kind that are both waiting are one: let the first come. */
			while (!codes[6])
				usleep(1000);
			kill(pid, SIGUSR1);
		}
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		printf("way %d: %x\n", way, status);
	}
	printf("told %d: %d %d %d %d %d\n", told, codes[1], codes[2], codes[3], codes[5], codes[6]);
	pid_t pid = fork();
	if (pid == 0)
		_exit(3);
	siginfo_t info = {0};
	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	printf("kept %d %d\n", info.si_status, info.si_code);
	info.si_pid = 0;
	waitid(P_PID, pid, &info, WEXITED | WNOHANG);
	int left = wait(0), error = errno;
	printf("reaped %d, none left %d %d\n", info.si_pid == pid, left, error);
	return 0;
}
