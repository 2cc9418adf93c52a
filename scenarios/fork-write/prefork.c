/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A preforking server: reserves an arena, warms every other chunk of it up, and forks a worker,
 * which takes the chunks between them into use.
 *
 * usage: prefork [CHUNKS [HOW]]
 * HOW: fork   a worker does
 *      alone  there is no worker: the process goes on by itself
 */

#include <sys/mman.h>
#include <sys/wait.h>

#include "../vmas.h"

#define CHUNK (64 << 10)

static char *arena;

/* Takes the chunks of one parity into use: makes them writable, and writes. */
static void take(int chunks, int parity)
{
	int at;

	for (at = parity; at < chunks; at += 2) {
		char *chunk = arena + (size_t)at * CHUNK;

		must(mprotect(chunk, CHUNK, PROT_READ | PROT_WRITE) == 0, "mprotect");
		memset(chunk, 1, CHUNK);
	}
}

int main(int argc, char **argv)
{
	int chunks = number(argc > 1 ? argv[1] : NULL, 600);
	int alone = argc > 2 && strcmp(argv[2], "alone") == 0;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	pid_t worker = 0;

	arena = mmap(NULL, (size_t)chunks * CHUNK, PROT_NONE, flags, -1, 0);
	must(arena != MAP_FAILED, "mmap");
	tell("at the start");
	take(chunks, 0);
	tell("every other chunk in use");
	if (!alone)
		worker = fork();
	must(worker >= 0, "fork");
	if (worker == 0) {
		take(chunks, 1);
		tell("every chunk in use");
		_exit(0);
	}
	must(waitpid(worker, NULL, 0) == worker, "waitpid");
	return 0;
}
