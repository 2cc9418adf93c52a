/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program whose leak check stops the threads of its own process at the end. */
#include <pthread.h>
#include <unistd.h>

static void *sleeps(void *unused)
{
	pause();
	return 0;
}

int main(void)
{
	pthread_t thread;
	for (int i = 0; i < 3; i++)
		pthread_create(&thread, 0, sleeps, 0);
	return 0;
}
