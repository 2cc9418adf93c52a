/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads and processes that go before others: PR_SET_PDEATHSIG, the first thread gone, an exec. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int pipes[2];

static void *forks(void *unused)
{
	if (fork() == 0) {
		sigset_t set;
		int number = 0;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, 0);
		prctl(PR_SET_PDEATHSIG, SIGUSR1);
		write(pipes[1], "x", 1);
		sigwait(&set, &number);
		printf("parent's thread is gone: %d\n", number == SIGUSR1);
		fflush(stdout);
		_exit(0);
	}
	char byte;
	read(pipes[0], &byte, 1);
	return 0;
}

static void *executes(void *unused)
{
	execl("/bin/sh", "sh", "-c", "echo executed; exit 12", (char *)0);
	return 0;
}

static void *waits(void *unused)
{
	for (;;)
		pause();
}

int main(void)
{
	pthread_t thread;
	pipe(pipes);
	pthread_create(&thread, 0, forks, 0);
	pthread_join(thread, 0);
	wait(0);
	int status;
	if (fork() == 0) {
		pthread_create(&thread, 0, waits, 0);
		pthread_create(&thread, 0, executes, 0);
		waits(0);
	}
	wait(&status);
	printf("exec by a thread: %x\n", status);
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 4; i++)
			pthread_create(&thread, 0, waits, 0);
		write(pipes[1], "x", 1);
		pthread_exit(0);
	}
	char byte;
	read(pipes[0], &byte, 1);
	printf("not yet %d\n", waitpid(pid, &status, WNOHANG));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	printf("killed %x\n", status);
	fflush(stdout);
	pthread_create(&thread, 0, executes, 0);
	pthread_exit(0);
}
