// SPDX-License-Identifier: GPL-2.0-or-later
// A process that is never still, for the tests of attaching: threads that map and unmap, each with a
// counter in a shared file that shows it making progress, and what else the arguments ask for.
//
// busy FILE THREADS [fault|populate|read|vfork|churn|exec]

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile unsigned long *counters;
static int watched = -1;
static char *area;

static void *works(void *number)
{
	long own = (long)number;
	unsigned seed = own;
	void *kept[20] = {0};

	for (;;) {
		int at = (seed = seed * 1103515245 + 12345) >> 8 & 15;

		if (kept[at]) {
			mprotect(kept[at], 4096, PROT_READ);
			munmap(kept[at], 65536);
			kept[at] = 0;
		} else {
			kept[at] = mmap(0, 65536, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (seed & 64)
				memset(kept[at], 1, 65536);
		}
		counters[own]++;
		if (seed & 0x8000)
			usleep(100);
	}
}

// Faults that nobody serves: in user mode, for the kernel's own look-up of pages, in a copy.
static void *faults(void *unused)
{
	*(volatile char *)area = 1;
	return 0;
}

static void *populates(void *unused)
{
	madvise(area, 4096, 23 /* MADV_POPULATE_WRITE */);
	return 0;
}

static void *reads(void *unused)
{
	int fd = open("/dev/zero", O_RDONLY);

	read(fd, area, 4096);
	return 0;
}

static void *forks(void *unused)
{
	for (;;) {
		pid_t child = vfork();

		if (child == 0) {
			usleep(20000);
			_exit(0);
		}
		waitpid(child, 0, 0);
		counters[0]++;
	}
}

static void *ends(void *unused)
{
	return 0;
}

static void *churns(void *unused)
{
	for (;;) {
		pthread_t thread;

		if (pthread_create(&thread, 0, ends, 0) == 0)
			pthread_join(thread, 0);
		counters[0]++;
	}
}

static void *executes(void *words)
{
	usleep(30000 + getpid() % 7 * 10000);
	execv("/proc/self/exe", words);
	return 0;
}

static void watch(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};

	area = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (unsigned long)area;
	range.range.len = 4096;
	watched = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (watched < 0 || ioctl(watched, UFFDIO_API, &api) ||
	    ioctl(watched, UFFDIO_REGISTER, &range))
		exit(77);
}

int main(int count, char **words)
{
	int fd = open(words[1], O_RDWR | O_CREAT, 0600), threads = atoi(words[2]);
	char *extra = count > 3 ? words[3] : "";
	void *(*does)(void *) = 0;
	pthread_t thread;

	ftruncate(fd, 4096);
	counters = mmap(0, 4096, 3, MAP_SHARED, fd, 0);
	if (!strcmp(extra, "fault") || !strcmp(extra, "populate") || !strcmp(extra, "read"))
		watch();
	for (long at = 1; at <= threads; at++)
		if (pthread_create(&thread, 0, works, (void *)at))
			return 78;
	does = !strcmp(extra, "fault") ? faults : !strcmp(extra, "populate") ? populates :
	       !strcmp(extra, "read") ? reads : !strcmp(extra, "vfork") ? forks :
	       !strcmp(extra, "churn") ? churns : !strcmp(extra, "exec") ? executes : 0;
	if (does)
		pthread_create(&thread, 0, does, words);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
