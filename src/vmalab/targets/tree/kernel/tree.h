/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the tree's side share. They are compiled with the tree's headers and flags; probed.h says
 * what this tree has, as found out by compiling.
 */
#ifndef VMALAB_TREE_H
#define VMALAB_TREE_H

#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mm_inline.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/mm.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/shmem_fs.h>
#include <linux/user_namespace.h>
#include <linux/rmap.h>
#include <linux/syscalls.h>
#include <linux/percpu_counter.h>
#include <linux/userfaultfd_k.h>
#include "internal.h"
#if __has_include("vma.h")
#include "vma.h"
#endif

#include "runtime.h"
#if __has_include("probed.h")
#include "probed.h"
#endif
#ifdef VMALAB_HAS_CONST_VMA
#define VMALAB_CONST const
#else
#define VMALAB_CONST
#endif
#ifdef VMALAB_MM_GET_UNMAPPED_TAKES_MM
#define VMALAB_CURRENT_MM current->mm,
#else
#define VMALAB_CURRENT_MM
#endif
#ifdef VMALAB_EXPAND_STACK_TAKES_LOCKED
#define VMALAB_WRITE_LOCKED , true
#else
#define VMALAB_WRITE_LOCKED
#endif

/* Where the address space of a stream has its parts; as x86 without randomisation. */
#define TOP ((1UL << 47) - PAGE_SIZE)
#define STACK_TOP_HERE (TOP)
#define HEAP_BEGIN 0x555555560000UL

extern struct task_struct *vmalab_current;
extern unsigned long vmalab_caps;

/* space.c */
struct mm_struct *vmalab_new_mm(void);
void vmalab_free_mm(struct mm_struct *mm);
/* The stream's address space, replaced by an empty one; given back. */
struct mm_struct *vmalab_empty_mm(void);
void vmalab_drop_mm(void);
void vmalab_set_min_addr(unsigned long address);
void vmalab_set_memory(unsigned long pages);
struct vm_area_struct *vmalab_map(struct mm_struct *mm, unsigned long start, unsigned long end, unsigned long flags,
				  unsigned long pgoff);

/* files.c */
struct file *vmalab_file(const char *name, unsigned int seals, const struct file_operations *ops);
struct file *vmalab_file_of(long fd);
long vmalab_close(long fd);
void vmalab_open_standard(void);
void vmalab_fork_files(void);
void vmalab_close_all(void);
int vmalab_install(struct file *file);
void vmalab_set_descriptor(unsigned int fd, struct file *file);
void vmalab_name_of(struct file *file, char *name, unsigned long *inode);
extern const struct vm_operations_struct vmalab_shmem_ops;

/* pages.c */
int vmalab_touch(struct mm_struct *mm, unsigned long address, int write);

static inline unsigned long vmalab_sealed(void)
{
#ifdef VM_SEALED
	return VM_SEALED;
#else
	return 0;
#endif
}

static inline void vmalab_set_flags(struct vm_area_struct *vma, unsigned long flags)
{
#ifdef VMALAB_HAS_VM_FLAGS_INIT
	vm_flags_init(vma, flags);
#else
	vma->vm_flags = flags;
#endif
}

#endif
