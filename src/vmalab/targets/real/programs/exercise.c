// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A program that does with its memory what programs do: for a recording on another kernel.
 *
 * Heap, stack, files, shared memory, advice, moves, threads, children, exec. What a kernel refuses is
 * refused: the recording has its answer, and nothing here depends on it. "child" as the argument is how
 * the program begins when it was executed by itself.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define THREADS 4
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define MADV_GUARD 102
#define NR_MSEAL 462

static char *self;

static char *map(unsigned long pages, int prot, int flags, int fd)
{
	return mmap(0, pages * PAGE, prot, flags, fd, 0);
}

static void touch(char *at, unsigned long pages)
{
	for (unsigned long page = 0; page < pages; page++)
		at[page * PAGE] = 1;
}

/* Deep enough for the stack to grow. */
static int __attribute__((noinline)) deep(int levels)
{
	volatile char frame[2048];

	frame[0] = levels;
	return levels ? deep(levels - 1) + frame[0] : 0;
}

static void heap(void)
{
	char *blocks[64];

	for (int i = 0; i < 64; i++)
		blocks[i] = memset(malloc(3000 * (i + 1)), i, 3000 * (i + 1));
	for (int i = 0; i < 64; i += 2)
		free(blocks[i]);
	memset(malloc(1 << 20), 1, 1 << 20);
	sbrk(5 * PAGE);
	sbrk(-3 * (long)PAGE);
}

static void pieces(void)
{
	char *at = map(64, PROT_READ | PROT_WRITE, ANON, -1);

	touch(at, 64);
	mprotect(at + 8 * PAGE, 8 * PAGE, PROT_READ);
	mprotect(at + 16 * PAGE, 4 * PAGE, PROT_NONE);
	madvise(at + 24 * PAGE, 4 * PAGE, MADV_DONTFORK);
	madvise(at + 30 * PAGE, 2 * PAGE, MADV_DONTNEED);
	madvise(at + 32 * PAGE, 2 * PAGE, MADV_GUARD);
	madvise(at + 34 * PAGE, 2 * PAGE, MADV_DONTDUMP);
	mlock(at + 40 * PAGE, 3 * PAGE);
	munmap(at + 50 * PAGE, PAGE);
	mprotect(at + 8 * PAGE, 12 * PAGE, PROT_READ | PROT_WRITE);
	munlock(at + 40 * PAGE, 3 * PAGE);
	prctl(PR_SET_VMA, 0, at + 60 * PAGE, 2 * PAGE, "exercise");
	syscall(NR_MSEAL, at + 63 * PAGE, PAGE, 0);
	munmap(at + 63 * PAGE, PAGE);
}

static void moves(void)
{
	char *at = map(8, PROT_READ | PROT_WRITE, ANON, -1);
	char *room = map(64, PROT_NONE, ANON | MAP_NORESERVE, -1);

	touch(at, 4);
	at = mremap(at, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
	mremap(at + 4 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 8 * PAGE);
	mremap(at, 4 * PAGE, 2 * PAGE, 0);
	mremap(at + 8 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	mmap(room, 4 * PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
	mmap(room + 32 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0);
}

static void files(void)
{
	int program = open(self, O_RDONLY);
	int file = open(".", O_RDWR | O_TMPFILE, 0600);
	int memory = memfd_create("exercise", MFD_ALLOW_SEALING);
	char *at;

	ftruncate(file, 32 * PAGE);
	ftruncate(memory, 32 * PAGE);
	map(4, PROT_READ, MAP_PRIVATE, program);
	at = map(16, PROT_READ | PROT_WRITE, MAP_PRIVATE, file);
	touch(at + 3 * PAGE, 2);
	mprotect(at + 2 * PAGE, 6 * PAGE, PROT_READ);
	at = map(16, PROT_READ | PROT_WRITE, MAP_SHARED, file);
	touch(at, 16);
	msync(at, 4 * PAGE, MS_SYNC);
	munmap(at + 4 * PAGE, 2 * PAGE);
	at = map(600, PROT_READ | PROT_WRITE, MAP_SHARED, memory);
	touch(at, 8);
	madvise(at, 8 * PAGE, MADV_REMOVE);
	fcntl(memory, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
	map(4, PROT_READ | PROT_WRITE, MAP_SHARED, memory);
	map(4, PROT_READ, MAP_SHARED, memory);
	close(program);
	close(file);
	close(memory);
}

static void segments(void)
{
	int id = shmget(IPC_PRIVATE, 8 * PAGE, IPC_CREAT | 0600);
	char *at = shmat(id, 0, 0);

	touch(at, 8);
	shmat(id, 0, SHM_RDONLY);
	shmctl(id, IPC_RMID, 0);
	shmdt(at);
	touch(map(4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1), 4);
}

static void watched(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	struct uffdio_zeropage zero = {};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	char *at = map(8, PROT_READ | PROT_WRITE, ANON, -1);

	ioctl(fd, UFFDIO_API, &api);
	range.range.start = (unsigned long)at + 2 * PAGE;
	range.range.len = 4 * PAGE;
	ioctl(fd, UFFDIO_REGISTER, &range);
	zero.range = range.range;
	ioctl(fd, UFFDIO_ZEROPAGE, &zero);
	touch(at, 8);
	close(fd);
}

static void *thread(void *number)
{
	unsigned long pages = 4 + (unsigned long)number;

	for (int round = 0; round < 4; round++) {
		char *at = map(pages, PROT_READ | PROT_WRITE, ANON, -1);

		touch(at, pages);
		mprotect(at, PAGE, PROT_NONE);
		free(memset(malloc(50000), 1, 50000));
		munmap(at + PAGE, PAGE);
	}
	deep(8);
	return 0;
}

/*
 * One after the other: when a page is first written to amid another thread's call, no recorder can tell
 * which came first.
 */
static void threads(void)
{
	pthread_t one;

	for (unsigned long i = 0; i < THREADS; i++)
		if (pthread_create(&one, 0, thread, (void *)i) == 0)
			pthread_join(one, 0);
}

static void children(void)
{
	char *at = map(16, PROT_READ | PROT_WRITE, ANON, -1);

	touch(at, 8);
	for (int i = 0; i < 3; i++) {
		pid_t child = i == 2 ? vfork() : fork();

		if (child == 0) {
			if (i == 0) {
				touch(at, 16);
				mprotect(at + 4 * PAGE, 4 * PAGE, PROT_READ);
				thread((void *)3);
				_exit(0);
			}
			execl(self, self, "child", (char *)0);
			_exit(127);
		}
		waitpid(child, 0, 0);
	}
	touch(at + 8 * PAGE, 8);
	mprotect(at + 6 * PAGE, 4 * PAGE, PROT_READ);
}

int main(int argc, char **argv)
{
	self = argv[0];
	heap();
	deep(100);
	pieces();
	if (argc > 1)
		return 0;
	moves();
	files();
	segments();
	watched();
	threads();
	children();
	mlockall(MCL_FUTURE);
	touch(map(4, PROT_READ | PROT_WRITE, ANON, -1), 2);
	munlockall();
	heap();
	return 0;
}
