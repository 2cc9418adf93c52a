/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sleeping calls, while signals come that the program ignores, and some that it handles.
 *
 * With an argument: all of them at once, each in a thread, for so many milliseconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int handled;
static long limit = 400;

static void on_signal(int number)
{
	handled++;
}

/* A child sends the signal three times while its parent sleeps, then ends. */
static void report(const char *what, int number, long (*sleeps)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 3; i++) {
			usleep(20000);
			kill(getppid(), number);
		}
		_exit(0);
	}
	errno = 0;
	int had = handled;
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	long result = sleeps();
	int error = errno;
	clock_gettime(CLOCK_MONOTONIC, &after);
	double took = after.tv_sec - before.tv_sec + (after.tv_nsec - before.tv_nsec) / 1e9;
	const char *how = error == EINTR ? "woken" : took > 0.39 ? "slept" : "too short";
	printf("%s: %ld %d %s, %s\n", what, result, error, how, handled > had ? "handled" : "ignored");
	while (waitpid(pid, 0, 0) < 0 && errno == EINTR)
		;
}

static long by_nanosleep(void)
{
	struct timespec time = {limit / 1000, limit % 1000 * 1000000};
	return nanosleep(&time, 0);
}

static long by_poll(void)
{
	return poll(0, 0, limit);
}

static long by_select(void)
{
	struct timeval time = {limit / 1000, limit % 1000 * 1000};
	return select(0, 0, 0, 0, &time);
}

static long by_epoll(void)
{
	struct epoll_event event;
	int fd = epoll_create1(0);
	return epoll_wait(fd, &event, 1, limit);
}

static long by_semaphore(void)
{
	int id = semget(IPC_PRIVATE, 1, 0600);
	struct sembuf buffer = {0, -1, 0};
	struct timespec time = {limit / 1000, limit % 1000 * 1000000};
	long result = semtimedop(id, &buffer, 1, &time);
	int error = errno;
	semctl(id, 0, IPC_RMID);
	errno = error;
	return result;
}

static long by_socket(void)
{
	int pair[2];
	char byte;
	struct timeval time = {limit / 1000, limit % 1000 * 1000};
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	return recv(pair[0], &byte, 1, 0);
}

static long by_sigtimedwait(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	struct timespec time = {limit / 1000, limit % 1000 * 1000000};
	return sigtimedwait(&set, 0, &time);
}

static const struct {
	const char *name;
	long (*sleeps)(void);
} ways[] = {
	{"nanosleep", by_nanosleep}, {"poll", by_poll},
	{"select", by_select},       {"epoll_wait", by_epoll},
	{"semtimedop", by_semaphore}, {"recv", by_socket},
	{"sigtimedwait", by_sigtimedwait},
};

static char answers[8][80];

static void *one(void *index)
{
	long i = (long)index, result = ways[i].sleeps();
	snprintf(answers[i], sizeof answers[i], "%s: %ld %d", ways[i].name, result, errno);
	return 0;
}

int main(int count, char **args)
{
	pthread_t threads[8];
	long all = sizeof ways / sizeof *ways;
	setvbuf(stdout, 0, _IONBF, 0);
	if (count > 1) {
		limit = atol(args[1]);
		printf("ready\n");
		for (long i = 0; i < all; i++)
			pthread_create(&threads[i], 0, one, (void *)i);
		for (long i = 0; i < all; i++) {
			pthread_join(threads[i], 0);
			printf("%s\n", answers[i]);
		}
		return 0;
	}
	for (long i = 0; i < all; i++) {
		report(ways[i].name, SIGCHLD, ways[i].sleeps);
		signal(SIGUSR1, SIG_IGN);
		report(ways[i].name, SIGUSR1, ways[i].sleeps);
		signal(SIGUSR1, on_signal);
		report(ways[i].name, SIGUSR1, ways[i].sleeps);
	}
	return 0;
}
