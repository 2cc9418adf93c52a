/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every scenario tells at its end: how many VMAs it has. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The lines of /proc/self/maps, the vsyscall page left out: the kernel does not count it. */
static int count_vmas(void)
{
	static char text[1 << 16];
	int lines = 0, fd = open("/proc/self/maps", O_RDONLY);
	ssize_t got, at;

	while ((got = read(fd, text, sizeof(text))) > 0)
		for (at = 0; at < got; at++)
			lines += text[at] == '\n';
	close(fd);
	return lines - 1;
}

/* "WHAT: N VMAs", by no call that changes the map. */
static void tell(const char *what)
{
	char line[80];

	int length = snprintf(line, sizeof(line), "%s: %d VMAs\n", what, count_vmas());
	if (write(1, line, length) != length)
		_exit(1);
}

/* The number behind an option, or the default. */
static int number(const char *text, int otherwise)
{
	return text ? atoi(text) : otherwise;
}

/* Ends the program when a call has failed. */
static void must(int held, const char *what)
{
	if (held)
		return;
	perror(what);
	_exit(1);
}
