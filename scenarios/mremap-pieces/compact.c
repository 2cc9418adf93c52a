/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compacting heap: half of its blocks are dead, and the others are moved together without copying,
 * by mremap. Afterwards they lie side by side, with nothing between them.
 *
 * usage: compact [BLOCKS [HOW]]
 * HOW: mremap  moves the pages
 *      copy    copies into one new mapping
 */

#define _GNU_SOURCE
#include <sys/mman.h>

#include "../vmas.h"

#define BLOCK (4 << 10)

static char *map(size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *made = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);

	must(made != MAP_FAILED, "mmap");
	return made;
}

/* The kernel refuses: says how far it went. */
static void give_up(int moved)
{
	char line[80];

	snprintf(line, sizeof(line), "mremap refused after %d blocks", moved);
	must(0, line);
}

int main(int argc, char **argv)
{
	int blocks = number(argc > 1 ? argv[1] : NULL, 500), at;
	int copy = argc > 2 && strcmp(argv[2], "copy") == 0;
	size_t whole = (size_t)blocks * BLOCK;
	char *old = map(2 * whole), *compact;

	memset(old, 1, 2 * whole);
	tell("at the start");
	/* The place for them, apart from the heap. */
	compact = map(whole);
	for (at = 0; at < blocks; at++) {
		char *from = old + (size_t)(2 * at) * BLOCK, *to = compact + (size_t)at * BLOCK;

		if (copy)
			memcpy(to, from, BLOCK);
		else if (mremap(from, BLOCK, BLOCK, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
			give_up(at);
	}
	must(munmap(old, 2 * whole) == 0, "munmap");
	tell("compacted");
	return 0;
}
