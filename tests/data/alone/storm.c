/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that make threads and children in every way, stopped and killed at random moments.
 *
 * Arguments: a seed, and how many processes one after another.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[32768];

static int maps(void *unused)
{
	munmap(mmap(0, 4096, 3, 0x22, -1, 0), 4096);
	return 1;
}

static void *thread(void *unused)
{
	maps(0);
	return 0;
}

static void *makes(void *way)
{
	for (;;) {
		pthread_t made;
		pid_t pid = 0;
		maps(0);
		switch ((long)way) {
		case 0:
			pid = fork();
			break;
		case 1:
			pid = vfork();
			break;
		case 2:
			pid = clone(maps, stack + sizeof stack, CLONE_VM | CLONE_UNTRACED | SIGCHLD, 0);
			break;
		case 3:
			pthread_create(&made, 0, thread, 0);
			pthread_join(made, 0);
			continue;
		case 4:
			pid = vfork();
			if (pid == 0)
				execl("/bin/true", "true", (char *)0);
		}
		if (pid == 0)
			_exit(0);
		waitpid(pid, 0, __WALL);
	}
}

int main(int count, char **args)
{
	int rounds = atoi(args[2]), wrong = 0, status;
	srand(atoi(args[1]));
	while (rounds--) {
		pid_t pid = fork();
		if (pid == 0) {
			pthread_t made;
			setsid();
			for (long way = 0; way < 5; way++)
				pthread_create(&made, 0, makes, (void *)way);
			pause();
		}
		usleep(rand() % 60000);
		if (rand() % 3 == 0) {
			kill(pid, SIGSTOP);
			usleep(rand() % 3000);
		}
		if (rand() % 2)
			kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		kill(pid, SIGKILL);
		wrong += waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status);
	}
	printf("wrong %d\n", wrong);
	return 0;
}
