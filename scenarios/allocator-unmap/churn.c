/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server's day in short: fills a cache with blocks of all sizes from 64 to 256 KiB, then drops
 * every other one. What that does to the map is the allocator's affair.
 *
 * usage: churn [BLOCKS]
 */

#include "../vmas.h"

int main(int argc, char **argv)
{
	int blocks = number(argc > 1 ? argv[1] : NULL, 1000);
	char **block = calloc(blocks, sizeof(*block));
	unsigned int seed = 1;
	int at;

	tell("at the start");
	for (at = 0; at < blocks; at++) {
		size_t size;

		seed = seed * 1103515245 + 12345;
		size = 65536 + (seed >> 8) % 196609;
		block[at] = malloc(size);
		must(block[at] != NULL, "malloc");
		memset(block[at], 1, size);
	}
	tell("cache full");
	for (at = 0; at < blocks; at += 2)
		free(block[at]);
	tell("every other block dropped");
	return 0;
}
