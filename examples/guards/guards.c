/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two ways to have many VMAs: fifty stacks with a guard page each, as thread libraries map them,
 * and twenty pieces of one mapping that are kept out of huge pages.
 *
 *   guards            guard pages without rights, and the advice
 *   guards regions    guard regions in the place of the pages
 *   guards plain      guard pages, and no advice
 *
 * Prints the number of its VMAs at the end.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { STACKS = 50, PIECES = 20, PAGE = 4096, STACK = 1 << 20, HEAP = 1 << 20, APART = 32768 };

static char *map(int prot)
{
	return mmap(NULL, STACK, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static int vmas(void)
{
	char line[512];
	int found = 0;
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof(line), maps))
		found += strstr(line, "[vsyscall]") == NULL;
	return found;
}

int main(int argc, char **argv)
{
	int regions = argc > 1 && !strcmp(argv[1], "regions");
	int plain = argc > 1 && !strcmp(argv[1], "plain");

	for (int i = 0; i < STACKS; i++) {
		char *stack = map(PROT_NONE);

		if (regions) {
			mprotect(stack, STACK, PROT_READ | PROT_WRITE);
			madvise(stack, PAGE, MADV_GUARD_INSTALL);
		} else {
			mprotect(stack + PAGE, STACK - PAGE, PROT_READ | PROT_WRITE);
		}
		memset(stack + PAGE, 1, 2 * PAGE);
	}
	char *heap = map(PROT_READ | PROT_WRITE);

	memset(heap, 1, HEAP);
	for (int i = 0; i < PIECES && !plain; i++)
		madvise(heap + i * APART, PAGE, MADV_NOHUGEPAGE);
	printf("%d\n", vmas());
	return 0;
}
