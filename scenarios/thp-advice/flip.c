/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A heap that knows which of its chunks are dense: asks for huge pages where they are, and forbids
 * them where it has given pages back. The chunks change places all the time.
 *
 * usage: flip [CHUNKS [HOW]]
 * HOW: advice    madvise(MADV_HUGEPAGE) and madvise(MADV_NOHUGEPAGE), chunk by chunk
 *      collapse  madvise(MADV_COLLAPSE) where it is dense, nothing where it is not
 */

#include <sys/mman.h>

#include "../vmas.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define CHUNK (2 << 20)
#define ROUNDS 3

static void advise(char *chunk, int advice)
{
	/* Collapsing is best effort: no huge page may be free. */
	must(madvise(chunk, CHUNK, advice) == 0 || advice == MADV_COLLAPSE, "madvise");
}

int main(int argc, char **argv)
{
	int chunks = number(argc > 1 ? argv[1] : NULL, 400), round, at;
	int collapse = argc > 2 && strcmp(argv[2], "collapse") == 0;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	char *heap = mmap(NULL, (size_t)(chunks + 1) * CHUNK, PROT_READ | PROT_WRITE, flags, -1, 0);
	unsigned int seed = 1;

	must(heap != MAP_FAILED, "mmap");
	heap += CHUNK - ((unsigned long)heap & (CHUNK - 1));
	tell("at the start");
	for (round = 0; round < ROUNDS; round++) {
		for (at = 0; at < chunks; at++) {
			char *chunk = heap + (size_t)at * CHUNK;
			int dense;

			seed = seed * 1103515245 + 12345;
			dense = seed >> 16 & 1;
			chunk[0] = 1;
			if (dense)
				advise(chunk, collapse ? MADV_COLLAPSE : MADV_HUGEPAGE);
			else if (!collapse)
				advise(chunk, MADV_NOHUGEPAGE);
		}
	}
	tell("after the last round");
	return 0;
}
