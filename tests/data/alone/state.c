/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a program finds of itself when it begins. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **args)
{
	char line[256];
	FILE *file = fopen("/proc/self/status", "r");
	while (fgets(line, sizeof line, file))
		if (!strncmp(line, "Sig", 3) || !strncmp(line, "Shd", 3) || !strncmp(line, "Cap", 3) ||
		    !strncmp(line, "NoNew", 5) || !strncmp(line, "Seccomp", 7) || !strncmp(line, "Groups", 6))
			printf("%s", strncmp(line, "SigQ", 4) ? line : "");
	fclose(file);
	for (int number = 0; number < 64; number++)
		if (fcntl(number, F_GETFD) >= 0)
			printf("open %d\n", number);
	for (int which = 0; which < RLIM_NLIMITS; which++) {
		struct rlimit limit;
		getrlimit(which, &limit);
		printf("limit %d: %lx %lx\n", which, limit.rlim_cur, limit.rlim_max);
	}
	int signal_number = -1;
	prctl(PR_GET_PDEATHSIG, &signal_number);
	printf("dumpable %d, parent's death %d, umask %o, nice %d\n", prctl(PR_GET_DUMPABLE),
	       signal_number, umask(0), getpriority(PRIO_PROCESS, 0));
	printf("group %d, session %d\n", getpgrp() == getpid(), getsid(0) == getpid());
	errno = 0;
	long result = syscall(0x40000000 | SYS_getpid);
	printf("x32 %d %d\n", result > 0, errno);
	errno = 0;
	printf("no such call %ld %d\n", syscall(0x3fff), errno);
	printf("%d arguments:", count);
	for (int i = 1; i < count; i++)
		printf(" %s", args[i]);
	printf("\n");
	return read(0, line, 1) < 0 ? 40 + errno : 0;
}
