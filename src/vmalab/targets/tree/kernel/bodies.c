// SPDX-License-Identifier: GPL-2.0-or-later
/* Bodies for what the linked files call elsewhere, where a plain 0 would not do: rights, messages, memory, copies. */
#include <linux/slab.h>
#include "tree.h"

/*
 * Locks for one task: what would wait would wait for ever. The tree's own assertions see who holds them.
 */
#define WRITER 1
#define READER 256

void __init_rwsem(struct rw_semaphore *sem, const char *name, struct lock_class_key *key)
{
	atomic_long_set(&sem->count, 0);
}

static int take(struct rw_semaphore *sem, long how, const char *what, unsigned long caller)
{
	long count = atomic_long_read(&sem->count);

	if (count & WRITER || (how == WRITER && count))
		vmalab_die("a deadlock: %s of a lock that is held [0x%lx]", what, caller);
	atomic_long_set(&sem->count, count + how);
	return 0;
}

static void leave(struct rw_semaphore *sem, long how, const char *what, unsigned long caller)
{
	long count = atomic_long_read(&sem->count);

	if (count < how || (how == WRITER && count != WRITER))
		vmalab_die("%s of a lock that is not held [0x%lx]", what, caller);
	atomic_long_set(&sem->count, count - how);
}

void down_write(struct rw_semaphore *sem)
{
	take(sem, WRITER, "down_write", _RET_IP_);
}

int down_write_killable(struct rw_semaphore *sem)
{
	return take(sem, WRITER, "down_write_killable", _RET_IP_);
}

void down_read(struct rw_semaphore *sem)
{
	take(sem, READER, "down_read", _RET_IP_);
}

int down_read_killable(struct rw_semaphore *sem)
{
	return take(sem, READER, "down_read_killable", _RET_IP_);
}

int down_write_trylock(struct rw_semaphore *sem)
{
	return !atomic_long_read(&sem->count) && !take(sem, WRITER, "", 0);
}

int down_read_trylock(struct rw_semaphore *sem)
{
	return !(atomic_long_read(&sem->count) & WRITER) && !take(sem, READER, "", 0);
}

void up_write(struct rw_semaphore *sem)
{
	leave(sem, WRITER, "up_write", _RET_IP_);
}

void up_read(struct rw_semaphore *sem)
{
	leave(sem, READER, "up_read", _RET_IP_);
}

void downgrade_write(struct rw_semaphore *sem)
{
	leave(sem, WRITER, "downgrade_write", _RET_IP_);
	take(sem, READER, "downgrade_write", _RET_IP_);
}

bool capable(int cap)
{
	return vmalab_caps >> cap & 1;
}

bool ns_capable(struct user_namespace *ns, int cap)
{
	return capable(cap);
}

int cap_vm_enough_memory(struct mm_struct *mm, long pages)
{
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

int cap_mmap_addr(unsigned long address)
{
	return address < mmap_min_addr && !capable(CAP_SYS_RAWIO) ? -EPERM : 0;
}

int cap_task_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	return -ENOSYS;
}

int cap_capable(const struct cred *cred, struct user_namespace *ns, int cap, unsigned int options)
{
	return capable(cap) ? 0 : -EPERM;
}

void mutex_lock(struct mutex *lock)
{
	if (atomic_long_read(&lock->owner))
		vmalab_die("a deadlock: mutex_lock of a mutex that is held [0x%lx]", _RET_IP_);
	atomic_long_set(&lock->owner, 1);
}

void mutex_unlock(struct mutex *lock)
{
	atomic_long_set(&lock->owner, 0);
}

bool mutex_is_locked(struct mutex *lock)
{
	return atomic_long_read(&lock->owner) != 0;
}

void __init_waitqueue_head(struct wait_queue_head *queue, const char *name, struct lock_class_key *key)
{
	INIT_LIST_HEAD(&queue->head);
}

/* What the tree complains of is the end of the stream. */

void panic(const char *format, ...)
{
	vmalab_die("panic: %.200s", format);
}

void vpanic(const char *format, va_list args)
{
	vmalab_die("panic: %.200s", format);
}

void warn_slowpath_fmt(const char *file, int line, unsigned int taint, const char *format, ...)
{
	vmalab_die("WARNING at %s:%d %s", file, line, format ? format : "");
}

void __warn_printk(const char *format, ...)
{
	vmalab_die("WARNING: %s", format);
}

void refcount_warn_saturate(struct refcount_struct *count, enum refcount_saturation_type kind)
{
	vmalab_die("a reference count is wrong (kind %d)", kind);
}

void __weak mmput(struct mm_struct *mm)
{
	atomic_dec(&mm->mm_users);
}

/* Slab caches and memory. */

const unsigned int vmalab_may_wait = (__force unsigned int)__GFP_DIRECT_RECLAIM;

#ifdef VMALAB_HAS_CACHE_ARGS
struct kmem_cache *__kmem_cache_create_args(const char *name, unsigned int size, struct kmem_cache_args *args,
					    slab_flags_t flags)
{
	return (void *)vmalab_cache_create(name, size, args->ctor);
}
#else
struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align, slab_flags_t flags,
				     void (*ctor)(void *))
{
	return (void *)vmalab_cache_create(name, size, ctor);
}

struct kmem_cache *kmem_cache_create_usercopy(const char *name, unsigned int size, unsigned int align,
					      slab_flags_t flags, unsigned int offset, unsigned int usersize,
					      void (*ctor)(void *))
{
	return (void *)vmalab_cache_create(name, size, ctor);
}
#endif

/* Copies between the program's memory and the address space. */

unsigned long raw_copy_from_user(void *to, const void __user *from, unsigned long n)
{
	if (!vmalab_is_scratch((unsigned long)from, n))
		return n;
	memcpy(to, from, n);
	return 0;
}

unsigned long raw_copy_to_user(void __user *to, const void *from, unsigned long n)
{
	if (vmalab_is_scratch((unsigned long)to, n)) {
		memcpy(to, from, n);
		return 0;
	}
	return vmalab_touch(current->mm, (unsigned long)to, 1) ? n : 0;
}

long strnlen_user(const char __user *text, long n)
{
	if (!vmalab_is_scratch((unsigned long)text, 1))
		return 0;
	return strnlen(text, n) + 1;
}

long strncpy_from_user(char *to, const char __user *from, long n)
{
	long length;

	if (!vmalab_is_scratch((unsigned long)from, 1))
		return -EFAULT;
	length = strnlen(from, n);
	memcpy(to, from, min(length + 1, n));
	return length;
}
