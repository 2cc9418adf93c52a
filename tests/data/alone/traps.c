/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traps of its own: breakpoints, and single steps over plain instructions and calls. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int count, codes[16];

static void on_trap(int number, siginfo_t *info, void *context)
{
	count++;
	codes[info->si_code & 15]++;
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	sigaction(SIGTRAP, &action, 0);
	__asm__ volatile("int3");
	__asm__ volatile("int3");
	printf("breakpoints %d %d\n", count, codes[0] + codes[1]);
	long number = SYS_getppid;
	__asm__ volatile("pushf; orl $0x100, (%%rsp); popf\n\t"
			 "nop; nop; syscall; nop; nop\n\t"
			 "pushf; andl $~0x100, (%%rsp); popf"
			 : "+a"(number)
			 :
			 : "rcx", "r11", "memory");
	printf("steps %d: %d %d\n", count, codes[1], codes[2]);
	raise(SIGTRAP);
	printf("raised %d\n", count);
	fflush(stdout);
	signal(SIGTRAP, SIG_DFL);
	__asm__ volatile("int3");
	return 0;
}
