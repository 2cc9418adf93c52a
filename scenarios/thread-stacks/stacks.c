/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server with a thread for each connection: makes threads that all wait, and tells how many VMAs
 * their stacks are.
 *
 * usage: stacks [THREADS [HOW]]
 * HOW: glibc    glibc makes the stacks, and a guard page below each by mprotect
 *      none     glibc makes the stacks, without guards
 *      madvise  the program makes them, with guards by MADV_GUARD_INSTALL (Linux 6.13)
 */

#include <pthread.h>
#include <sys/mman.h>

#include "../vmas.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define STACK (256 << 10)
#define GUARD 4096

static pthread_barrier_t ready;

static void *serve(void *unused)
{
	pthread_barrier_wait(&ready);
	pause();
	return unused;
}

/* A stack with its guard in the lowest page, as glibc lays it out. */
static char *make_stack(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
	char *low = mmap(NULL, STACK + GUARD, PROT_READ | PROT_WRITE, flags, -1, 0);

	must(low != MAP_FAILED, "mmap");
	must(madvise(low, GUARD, MADV_GUARD_INSTALL) == 0, "madvise(MADV_GUARD_INSTALL)");
	return low + GUARD;
}

int main(int argc, char **argv)
{
	int threads = number(argc > 1 ? argv[1] : NULL, 200), at;
	const char *how = argc > 2 ? argv[2] : "glibc";

	pthread_barrier_init(&ready, NULL, threads + 1);
	tell("at the start");
	for (at = 0; at < threads; at++) {
		pthread_attr_t attr;
		pthread_t thread;

		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, STACK);
		if (strcmp(how, "none") == 0)
			pthread_attr_setguardsize(&attr, 0);
		else if (strcmp(how, "madvise") == 0)
			pthread_attr_setstack(&attr, make_stack(), STACK);
		must(pthread_create(&thread, &attr, serve, NULL) == 0, "pthread_create");
	}
	pthread_barrier_wait(&ready);
	tell("all threads wait");
	return 0;
}
