// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory whose accesses are checked, where that is asked for: the compiler calls a function of this file before each
 * access of the tree's code. Objects lie in an arena; a byte of shadow says of each eight bytes of it how many may be
 * used. No object's place is used again, so that a use after free shows however late it comes.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime.h"

typedef unsigned long u64;
typedef unsigned char u8;

#ifdef VMALAB_SANITIZE

#define ARENA_SIZE (8UL << 30)
#define AROUND 0xff
#define FREED 0xfd

static u8 *arena, *shadow;
static u64 used;

static void set_up(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	arena = mmap(0, ARENA_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
	shadow = mmap(0, ARENA_SIZE / 8, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (arena == MAP_FAILED || shadow == MAP_FAILED)
		vmalab_die("the host has no room for checked memory");
}

static void mark(u64 at, u64 size, u8 value)
{
	u64 from = (at - (u64)arena) >> 3;

	memset(shadow + from, value, (size + 7) >> 3);
}

void *vmalab_take(u64 alignment, u64 size)
{
	u64 at;

	if (!arena)
		set_up();
	at = (used + alignment - 1) & -alignment;
	if (at + size > ARENA_SIZE)
		vmalab_die("checked memory is used up: each object has a place of its own");
	used = at + size;
	mark((u64)arena + at, size, AROUND);
	return arena + at;
}

void vmalab_give_back(void *memory)
{
	(void)memory;
}

void vmalab_allow(void *object, u64 size)
{
	mark((u64)object, size, 0);
	if (size & 7)
		shadow[((u64)object + size - (u64)arena) >> 3] = size & 7;
}

void vmalab_forbid(void *object, u64 size)
{
	mark((u64)object, size, FREED);
}

static void report(u64 at, u64 size, const char *what, u8 found, u64 ip)
{
	const char *cache = vmalab_cache_at((const void *)at);

	vmalab_die("%s: %s of %lu bytes%s%s [0x%lx]", found == FREED ? "use after free" : "out of bounds", what, size,
		   *cache ? ", cache " : "", cache, ip);
}

static inline void check(u64 at, u64 size, const char *what, u64 ip)
{
	u64 offset = at - (u64)arena, last = offset + size - 1;

	if (!size || offset >= ARENA_SIZE || last >= ARENA_SIZE)
		return;
	for (u64 granule = offset >> 3; granule <= last >> 3; granule++) {
		u8 usable = shadow[granule];
		u64 end = granule == last >> 3 ? (last & 7) + 1 : 8;

		if (usable && (usable > 8 || end > usable))
			report(at, size, what, usable, ip);
	}
}

#define IP ((u64)__builtin_return_address(0))
#define ACCESS(size) \
	void __asan_load##size##_noabort(u64 at); \
	void __asan_load##size##_noabort(u64 at) { check(at, size, "a read", IP); } \
	void __asan_store##size##_noabort(u64 at); \
	void __asan_store##size##_noabort(u64 at) { check(at, size, "a write", IP); }

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __asan_loadN_noabort(u64 at, u64 size);
void __asan_storeN_noabort(u64 at, u64 size);
void __asan_handle_no_return(void);

void __asan_loadN_noabort(u64 at, u64 size)
{
	check(at, size, "a read", IP);
}

void __asan_storeN_noabort(u64 at, u64 size)
{
	check(at, size, "a write", IP);
}

void __asan_handle_no_return(void)
{
}

/* What each description of undefined behaviour begins with. */
struct place {
	const char *file;
	unsigned int line, column;
};

#define UNDEFINED(name, what) \
	void __ubsan_handle_##name(const struct place *place); \
	void __ubsan_handle_##name(const struct place *place) \
	{ \
		vmalab_die("undefined behaviour at %s:%u: %s [0x%lx]", place->file, place->line, what, IP); \
	}

UNDEFINED(out_of_bounds, "an index out of bounds")
UNDEFINED(shift_out_of_bounds, "a shift by too many bits")
UNDEFINED(load_invalid_value, "a value that its type does not have")
UNDEFINED(divrem_overflow, "a division by 0")

#else

void *vmalab_take(u64 alignment, u64 size)
{
	return aligned_alloc(alignment, size);
}

void vmalab_give_back(void *memory)
{
	free(memory);
}

void vmalab_allow(void *object, u64 size)
{
	(void)object, (void)size;
}

void vmalab_forbid(void *object, u64 size)
{
	(void)object, (void)size;
}

#endif
