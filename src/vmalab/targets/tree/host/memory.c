// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory for the tree's objects: slab caches that count, can be made to fail, and run constructors, and what
 * waits for a grace period. Each freed object is overwritten, so that its use afterwards shows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

#define MAX_CACHES 64
#define ALIGNMENT 256
#define NOFAIL 0x8000u
#define POISON 0x6b

struct vmalab_cache {
	char name[32];
	unsigned long size;
	void (*ctor)(void *);
	long active;
};

static struct vmalab_cache caches[MAX_CACHES];
static int cache_count;
static struct vmalab_cache *failing;
static long fail_at, asked;
/* What failed without waiting is asked for again, by a caller that may wait: the same allocation. */
static int fail_again;

/* In front of each object, so that whoever frees it need not know where it is from. */
struct origin {
	struct vmalab_cache *cache;
	unsigned long size, magic;
};

#define LIVE 0x766d616c61626f6bUL
#define DEAD 0x766d616c61626f6cUL
/* How far an address can be from the beginning of an object that it was meant for. */
#define NEAR (16 << 10)

static struct origin *origin_of(const void *object)
{
	struct origin *origin = (struct origin *)((char *)object - ALIGNMENT);

	if (origin->magic != LIVE)
		vmalab_die("%p is freed, which is not in use", object);
	return origin;
}

static void *allocate(struct vmalab_cache *cache, unsigned long size)
{
	unsigned long whole = (size + 2 * ALIGNMENT - 1) & -(unsigned long)ALIGNMENT;
	struct origin *origin = vmalab_take(ALIGNMENT, whole);

	if (!origin)
		vmalab_die("the host has no memory for %lu bytes", size);
	memset(origin, 0, whole);
	*origin = (struct origin){ cache, size, LIVE };
	vmalab_allow((char *)origin + ALIGNMENT, size);
	return (char *)origin + ALIGNMENT;
}

void *vmalab_alloc(unsigned long size)
{
	return allocate(0, size);
}

void vmalab_free(const void *object)
{
	struct origin *origin;

	/* NULL, and what stands for memory of no size. */
	if ((unsigned long)object <= 16)
		return;
	origin = origin_of(object);
	if (origin->cache)
		origin->cache->active--;
	origin->magic = DEAD;
	memset((void *)object, POISON, origin->size);
	vmalab_forbid((void *)object, origin->size);
	vmalab_give_back(origin);
}

const char *vmalab_cache_at(const void *address)
{
	unsigned long at = (unsigned long)address & -(unsigned long)ALIGNMENT;

	for (unsigned long far = 0; far < NEAR && far < at; far += ALIGNMENT) {
		const struct origin *origin = (const struct origin *)(at - far);

		if (origin->magic == LIVE || origin->magic == DEAD)
			return origin->cache ? origin->cache->name : "";
	}
	return "";
}

static struct vmalab_cache *find(const char *name)
{
	for (int i = 0; i < cache_count; i++)
		if (!strcmp(caches[i].name, name))
			return &caches[i];
	return 0;
}

struct vmalab_cache *vmalab_cache_create(const char *name, unsigned long size, void (*ctor)(void *))
{
	struct vmalab_cache *cache = &caches[cache_count];

	if (cache_count == MAX_CACHES)
		vmalab_die("more than %d slab caches", MAX_CACHES);
	cache_count++;
	strncpy(cache->name, name, sizeof(cache->name) - 1);
	cache->size = size;
	cache->ctor = ctor;
	return cache;
}

/* The nth allocation of a cache from now on fails; none does when nth is 0. */
void vmalab_cache_fail(const char *name, long nth)
{
	failing = nth ? find(name) : 0;
	fail_at = nth;
	asked = 0;
	fail_again = 0;
}

long vmalab_cache_asked(void)
{
	return asked;
}

void *vmalab_cache_alloc(struct vmalab_cache *cache, unsigned int gfp)
{
	void *object;

	if (cache == failing && fail_again) {
		fail_again = 0;
		return 0;
	}
	if (cache == failing && ++asked == fail_at) {
		fail_again = !(gfp & vmalab_may_wait);
		return 0;
	}
	object = allocate(cache, cache->size);
	if (cache->ctor)
		cache->ctor(object);
	cache->active++;
	return object;
}

void vmalab_cache_free(struct vmalab_cache *cache, void *object)
{
	if (object && origin_of(object)->cache != cache)
		vmalab_die("an object is freed into the cache %s, which is not its own", cache->name);
	vmalab_free(object);
}

void vmalab_cache_counts(void (*take)(const char *name, long active))
{
	for (int i = 0; i < cache_count; i++)
		take(caches[i].name, caches[i].active);
}

/* A tree's own definition goes before ours. */
#define BODY __attribute__((weak))

/* The kernel's own allocators, as far as their form is plain C; those with the kernel's types are bodies.c's. */

BODY void kmem_cache_free(struct vmalab_cache *cache, void *object)
{
	vmalab_cache_free(cache, object);
}

BODY void kmem_cache_free_bulk(struct vmalab_cache *cache, unsigned long count, void **objects)
{
	while (count)
		vmalab_cache_free(cache, objects[--count]);
}

BODY void *kmem_cache_alloc_noprof(struct vmalab_cache *cache, unsigned int gfp)
{
	return vmalab_cache_alloc(cache, gfp);
}

BODY void *kmem_cache_alloc(struct vmalab_cache *cache, unsigned int gfp)
{
	return vmalab_cache_alloc(cache, gfp);
}

BODY int kmem_cache_alloc_bulk_noprof(struct vmalab_cache *cache, unsigned int gfp, unsigned long count, void **objects)
{
	for (unsigned long i = 0; i < count; i++) {
		objects[i] = vmalab_cache_alloc(cache, gfp);
		if (!objects[i]) {
			kmem_cache_free_bulk(cache, i, objects);
			return 0;
		}
	}
	return count;
}

BODY int kmem_cache_alloc_bulk(struct vmalab_cache *cache, unsigned int gfp, unsigned long count, void **objects)
{
	return kmem_cache_alloc_bulk_noprof(cache, gfp, count, objects);
}

/* Sheaves: objects that were allocated ahead. */
struct sheaf {
	unsigned long size, room;
	void *objects[];
};

BODY struct sheaf *kmem_cache_prefill_sheaf(struct vmalab_cache *cache, unsigned int gfp, unsigned int count)
{
	struct sheaf *sheaf = vmalab_alloc(sizeof(*sheaf) + (count + 32) * sizeof(void *));

	sheaf->room = count + 32;
	while (sheaf->size < count) {
		void *object = vmalab_cache_alloc(cache, gfp);

		if (!object) {
			kmem_cache_free_bulk(cache, sheaf->size, sheaf->objects);
			vmalab_free(sheaf);
			return 0;
		}
		sheaf->objects[sheaf->size++] = object;
	}
	return sheaf;
}

BODY void kmem_cache_return_sheaf(struct vmalab_cache *cache, unsigned int gfp, struct sheaf *sheaf)
{
	(void)gfp;
	kmem_cache_free_bulk(cache, sheaf->size, sheaf->objects);
	vmalab_free(sheaf);
}

BODY int kmem_cache_refill_sheaf(struct vmalab_cache *cache, unsigned int gfp, struct sheaf **at, unsigned int count)
{
	struct sheaf *sheaf = *at;

	if (count > sheaf->room) {
		struct sheaf *larger = vmalab_alloc(sizeof(*larger) + (count + 32) * sizeof(void *));

		memcpy(larger, sheaf, sizeof(*sheaf) + sheaf->size * sizeof(void *));
		larger->room = count + 32;
		vmalab_free(sheaf);
		*at = sheaf = larger;
	}
	while (sheaf->size < count) {
		void *object = vmalab_cache_alloc(cache, gfp);

		if (!object)
			return -12;
		sheaf->objects[sheaf->size++] = object;
	}
	return 0;
}

BODY void *kmem_cache_alloc_from_sheaf_noprof(struct vmalab_cache *cache, unsigned int gfp, struct sheaf *sheaf)
{
	(void)cache, (void)gfp;
	return sheaf->size ? sheaf->objects[--sheaf->size] : 0;
}

BODY unsigned int kmem_cache_sheaf_size(struct sheaf *sheaf)
{
	return sheaf->size;
}

BODY void *__kmalloc_noprof(unsigned long size, unsigned int gfp)
{
	(void)gfp;
	return vmalab_alloc(size);
}

BODY void *__kmalloc(unsigned long size, unsigned int gfp)
{
	return __kmalloc_noprof(size, gfp);
}

BODY void *__kmalloc_cache_noprof(void *cache, unsigned int gfp, unsigned long size)
{
	(void)cache;
	return __kmalloc_noprof(size, gfp);
}

BODY void *kmalloc_trace(void *cache, unsigned int gfp, unsigned long size)
{
	return __kmalloc_cache_noprof(cache, gfp, size);
}

BODY void *__kmalloc_node_track_caller_noprof(unsigned long size, unsigned int gfp)
{
	return __kmalloc_noprof(size, gfp);
}

BODY void *__kmalloc_node_track_caller(unsigned long size, unsigned int gfp)
{
	return __kmalloc_noprof(size, gfp);
}

BODY void *__kvmalloc_node_noprof(unsigned long size, unsigned int gfp)
{
	return __kmalloc_noprof(size, gfp);
}

BODY void kfree(const void *memory)
{
	vmalab_free(memory);
}

BODY void kvfree(const void *memory)
{
	vmalab_free(memory);
}

/* Grace periods. */
struct head {
	struct head *next;
	void (*function)(struct head *);
};

struct waiting {
	struct waiting *next;
	void *memory;
};

static struct head *heads;
static struct waiting *memories;

BODY void *shmem_file_setup(const char *name, long size, unsigned long flags)
{
	(void)flags;
	return vmalab_shmem_file(name, size);
}

/* A device that writes nothing back: none of its capabilities. */
BODY void *inode_to_bdi(void *inode)
{
	static char device[4096];

	(void)inode;
	return device;
}

int __sw_hweight32(unsigned int bits);
int __sw_hweight64(unsigned long bits);

BODY int __sw_hweight32(unsigned int bits)
{
	return __builtin_popcount(bits);
}

BODY int __sw_hweight64(unsigned long bits)
{
	return __builtin_popcountl(bits);
}

BODY void call_rcu(struct head *head, void (*function)(struct head *))
{
	head->function = function;
	head->next = heads;
	heads = head;
}

/* Newer kernels hand over what is to be freed, older ones how far into it the head is. */
BODY void kvfree_call_rcu(char *head, void *memory)
{
	struct waiting *one = vmalab_alloc(sizeof(*one));

	one->memory = (unsigned long)memory < 4096 ? head - (unsigned long)memory : memory;
	one->next = memories;
	memories = one;
}

void vmalab_grace_period(void)
{
	while (heads) {
		struct head *head = heads;

		heads = head->next;
		head->function(head);
	}
	while (memories) {
		struct waiting *one = memories;

		memories = one->next;
		vmalab_free(one->memory);
		vmalab_free(one);
	}
}

void vmalab_copy_text(char *to, const char *from, unsigned long room)
{
	snprintf(to, room, "%s", from);
}

void vmalab_join_text(char *to, unsigned long room, const char *first, const char *second, const char *third)
{
	snprintf(to, room, "%s%s%s", first, second, third);
}
