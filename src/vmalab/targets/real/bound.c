// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bounds the memory that a stream's calls may take: a ledger, kept before each call.
 *
 * Each call is taken to bring as many pages as it possibly can. When that is more than what is left, the
 * kernel is asked how much there really is: pages that have gone are free again. Those of memfds, segments
 * and shared mappings may stay when no map shows them; once a stream has such things, what it may have
 * brought counts until it ends. From the first call over the bound on, none is made.
 */
#include "executor.h"

#define MAP_SHARED_BIT 0x1
#define MAP_LOCKED 0x2000
#define MAP_POPULATE 0x8000
#define MAP_HUGETLB 0x40000
#define SHM_HUGETLB 04000
#define ONFAULT 1
#define MCL_CURRENT 1
#define MCL_FUTURE 2
#define MCL_ONFAULT 4
#define PUNCH_HOLE 2
#define POPULATE_READ 22
#define POPULATE_WRITE 23
#define COLLAPSE 25
#define UFFDIO_COPY_NR 3
#define UFFDIO_ZEROPAGE_NR 4
#define PAGE 4096UL
/* No mapping is as large. */
#define END_OF_USERS ((1UL << 47) - PAGE)
#define HUGE_PAGE (2UL << 20)
/* What any call may touch on its way: what it reads and writes of the caller's. */
#define TOUCHED HUGE_PAGE
#define EVERYTHING (1UL << 62)
#define MAX_DEPTH 64

static struct {
	u64 bound;
	/* Bytes that may still come before the kernel is asked. */
	u64 left;
	/* Of the processes that wait for this one, and of things that outlive their mappings. */
	u64 inherited, kept;
	/* Of the address space, when the kernel was asked last. */
	u64 mapped, resident;
	u64 start_brk, largest_segment;
	u32 depth;
	/* Pages may stay without a mapping; something is locked; what is mapped will be locked. */
	u8 keeps, locks, locks_future, is_over;
} ledger;

void begin_ledger(u64 bytes)
{
	ledger.bound = bytes;
	ledger.start_brk = sys(__NR_brk, 0, 0, 0, 0, 0);
}

static u64 decimal(const char **at)
{
	u64 value = 0;

	while (**at >= '0' && **at <= '9')
		value = value * 10 + *(*at)++ - '0';
	while (**at == ' ')
		++*at;
	return value;
}

/* Pages as /proc shows them; when it cannot be read, nothing has gone. */
static void ask_kernel(void)
{
	char text[128];
	const char *at = text;
	long fd = open_below_root("/proc/self/statm", 0), got;

	if (fd < 0)
		return;
	got = sys(__NR_read, fd, text, sizeof(text) - 1, 0, 0);
	sys(__NR_close, fd, 0, 0, 0, 0);
	if (got <= 0)
		return;
	text[got] = 0;
	ledger.mapped = decimal(&at) * PAGE;
	ledger.resident = decimal(&at) * PAGE;
}

/* Bytes of all VMAs that can be accessed: no other is ever populated. */
static u64 accessible_bytes(void)
{
	long fd = open_below_root("/proc/self/maps", 0), got, i;
	u64 total = 0, bounds[2] = { 0, 0 };
	/* Which part of a line it is: start, end, permissions, the rest. */
	u32 part = 0;

	if (fd < 0)
		return EVERYTHING;
	while ((got = sys(__NR_read, fd, line_buffer, LINE_BUFFER_SIZE, 0, 0)) > 0)
		for (i = 0; i < got; i++) {
			u8 letter = line_buffer[i];

			if (letter == '\n') {
				part = 0;
				bounds[0] = bounds[1] = 0;
			} else if (part < 2 && (letter == '-' || letter == ' ')) {
				part++;
			} else if (part < 2) {
				bounds[part] = bounds[part] << 4 | (letter <= '9' ? letter - '0' : letter - 'a' + 10);
			} else if (part == 2 && (letter == 'r' || letter == 'w' || letter == 'x')) {
				total += bounds[1] - bounds[0];
				part = 3;
			} else if (part == 2 && letter == ' ') {
				part = 3;
			}
		}
	sys(__NR_close, fd, 0, 0, 0, 0);
	return total;
}

/* Bytes of a userfaultfd's request; all of them when its argument is not where the stream's are. */
static u64 brought_by_ioctl(const u64 *a)
{
	const u64 *argument = (const u64 *)a[2];
	u32 number = a[1] & 0xff;

	if (number != UFFDIO_COPY_NR && number != UFFDIO_ZEROPAGE_NR)
		return 0;
	if (a[2] - (u64)scratch > SCRATCH_SIZE - 5 * sizeof(u64))
		return a[2] < 65536 || a[2] >> 47 ? 0 : EVERYTHING;
	return number == UFFDIO_COPY_NR ? argument[2] : argument[1];
}

/* Bytes that a call may bring of pages that are mapped already; the map bounds them. */
static u64 brought_to_mappings(u64 nr, const u64 *a)
{
	switch (nr) {
	case __NR_mlock:
		return a[1] + PAGE;
	case __NR_mlock2:
		return a[2] & ONFAULT ? 0 : a[1] + PAGE;
	case __NR_mlockall:
		return (a[0] & (MCL_CURRENT | MCL_ONFAULT)) == MCL_CURRENT ? EVERYTHING : 0;
	case __NR_mprotect:
	case __NR_pkey_mprotect:
		return ledger.locks ? a[1] : 0;
	case __NR_remap_file_pages:
		return a[1];
	case __NR_madvise:
		if (a[2] == COLLAPSE)
			return a[1] + HUGE_PAGE;
		return a[2] == POPULATE_READ || a[2] == POPULATE_WRITE ? a[1] : 0;
	case __NR_ioctl:
		return brought_by_ioctl(a);
	}
	return 0;
}

/* Bytes of huge pages: those of a guest's pool have been taken already. */
static u64 brought_of_pool(u64 bytes)
{
	return abilities & IS_INIT ? 0 : bytes;
}

/* Bytes that a call may bring together with a mapping or a size of its own. */
static u64 brought_anew(u64 nr, const u64 *a)
{
	switch (nr) {
	case __NR_mmap:
		if (a[3] & MAP_HUGETLB)
			return brought_of_pool(a[1]);
		/* What cannot be accessed is not populated either. */
		return a[2] && (ledger.locks_future || a[3] & (MAP_POPULATE | MAP_LOCKED)) ? a[1] : 0;
	case __NR_mremap:
		return ledger.locks ? a[2] : 0;
	case __NR_brk:
		return ledger.locks_future && a[0] > ledger.start_brk ? a[0] - ledger.start_brk : 0;
	case __NR_shmat:
		return ledger.locks_future ? ledger.largest_segment : 0;
	case __NR_shmget:
		return a[2] & SHM_HUGETLB ? brought_of_pool(a[1]) : 0;
	case __NR_fallocate:
		return a[1] & PUNCH_HOLE ? 0 : a[3];
	case __NR_io_setup:
		return a[0] * 64;
	}
	return 0;
}

static void note(u64 nr, const u64 *a)
{
	switch (nr) {
	case __NR_mmap:
		ledger.keeps |= a[3] & MAP_SHARED_BIT;
		ledger.locks |= (a[3] & MAP_LOCKED) != 0;
		break;
	case __NR_shmget:
		if (a[1] > ledger.largest_segment && a[1] < END_OF_USERS)
			ledger.largest_segment = a[1];
		ledger.keeps = 1;
		break;
	case __NR_memfd_create:
	case __NR_openat:
	case 447:
		ledger.keeps = 1;
		break;
	case __NR_mlock:
	case __NR_mlock2:
		ledger.locks = 1;
		break;
	case __NR_mlockall:
		ledger.locks = 1;
		ledger.locks_future |= (a[0] & MCL_FUTURE) != 0;
		break;
	}
}

/* Whether the call may take more memory than there is for the stream; from then on all are. */
int is_over_bound(u64 nr, const u64 *a)
{
	u64 mapped = brought_to_mappings(nr, a), anew = brought_anew(nr, a), used;

	if (ledger.is_over)
		return 1;
	if ((nr == __NR_clone || nr == __NR_fork) && ledger.depth >= MAX_DEPTH)
		ledger.is_over = 1;
	note(nr, a);
	if (anew >= END_OF_USERS)
		/* No address space is as large: it will fail. */
		anew = 0;
	if (mapped + anew + TOUCHED > ledger.left) {
		ask_kernel();
		if (mapped > ledger.mapped)
			mapped = ledger.mapped;
		used = ledger.inherited + ledger.kept + ledger.resident;
		ledger.left = used < ledger.bound ? ledger.bound - used : 0;
	}
	if (mapped + anew + TOUCHED > ledger.left && mapped) {
		u64 most = accessible_bytes();

		mapped = mapped < most ? mapped : most;
	}
	if (mapped + anew + TOUCHED > ledger.left)
		ledger.is_over = 1;
	if (ledger.is_over)
		return 1;
	ledger.left -= mapped + anew + TOUCHED;
	if (ledger.keeps)
		ledger.kept += mapped + anew;
	return 0;
}

/* A child has the pages of its parent, and may bring as many again. */
void enter_child_ledger(void)
{
	ask_kernel();
	ledger.inherited += ledger.resident;
	ledger.left = 0;
	ledger.depth++;
}
