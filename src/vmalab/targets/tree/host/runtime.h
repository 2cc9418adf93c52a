/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two sides of the program say to each other: the host side, plain C with a C library, and the
 * tree's side, compiled with the tree's own headers and flags. No header is included here, since the two
 * have none in common.
 */
#ifndef VMALAB_RUNTIME_H
#define VMALAB_RUNTIME_H

/* memory.c: slab caches, by name; each counts what is in use, and one of them can be made to fail. */
struct vmalab_cache;
struct vmalab_cache *vmalab_cache_create(const char *name, unsigned long size, void (*ctor)(void *));
void *vmalab_cache_alloc(struct vmalab_cache *cache, unsigned int gfp);
void vmalab_cache_free(struct vmalab_cache *cache, void *object);
void vmalab_cache_fail(const char *name, long nth);
long vmalab_cache_asked(void);
void vmalab_cache_counts(void (*take)(const char *name, long active));
void *vmalab_alloc(unsigned long size);
void vmalab_free(const void *memory);
/* At most `room` bytes of text, the last of them 0. */
void vmalab_copy_text(char *to, const char *from, unsigned long room);
void vmalab_join_text(char *to, unsigned long room, const char *first, const char *second, const char *third);
/* What waits for a grace period, run between two calls. */
void vmalab_grace_period(void);

/* The name of the cache that an object near an address is of, "" for none. */
const char *vmalab_cache_at(const void *address);

/* checks.c: memory from the host, and which of it the tree's code may use. */
void *vmalab_take(unsigned long alignment, unsigned long size);
void vmalab_give_back(void *memory);
void vmalab_allow(void *object, unsigned long size);
void vmalab_forbid(void *object, unsigned long size);

/* serve.c: text that becomes part of the answer; the end of the stream, with its reason. */
void vmalab_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void vmalab_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Memory of the program that a call's pointers lead to; all other addresses are the address space's. */
int vmalab_is_scratch(unsigned long address, unsigned long size);

/* The tree's side. The flag of allocations whose caller may wait for memory. */
extern const unsigned int vmalab_may_wait;
void vmalab_boot(void);
void vmalab_begin(unsigned long uid, unsigned long caps, unsigned long limits[][3], int count);
long vmalab_call(unsigned long nr, const unsigned long *args);
void vmalab_exit_child(void);
void vmalab_end(void);
void *vmalab_shmem_file(const char *name, long size);
void vmalab_show(void);
void vmalab_show_status(void);
unsigned long vmalab_brk(void);
/* VMAs, and pages that they have. */
void vmalab_counts(unsigned long counts[2]);
/* A field of /proc/PID/stat by its number there. */
unsigned long vmalab_stat(int field);
int vmalab_setting(const char *name, long *value, int write);

/* Lines of commands for the bench; what they answer is printed. */
void vmalab_bench(char *text);

#endif
