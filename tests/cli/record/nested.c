// SPDX-License-Identifier: GPL-2.0-or-later
// Memory calls from many depths of the stack, by one thread after another.
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

__attribute__((noinline)) static void *grow(int pages)
{
	char *at = mmap(0, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(at, 1, 1);
	return at;
}

__attribute__((noinline, noclone)) static int deeper(int depth)
{
	char room[40 + 8 * depth];
	memset(room, depth, sizeof(room));
	asm volatile("" : : "r"(room) : "memory");
	if (depth < 24)
		return deeper(depth + 1) + room[depth];
	void *at = grow(depth);
	mprotect(at, 4096, PROT_READ);
	munmap(at, depth * 4096);
	return room[1];
}

static void *work(void *from)
{
	for (long depth = (long)from; depth < 24; depth += 4)
		deeper(depth);
	return 0;
}

int main(void)
{
	for (long from = 0; from < 3; from++) {
		pthread_t thread;
		pthread_create(&thread, 0, work, (void *)from);
		pthread_join(thread, 0);
	}
	work((void *)1);
	return 0;
}
