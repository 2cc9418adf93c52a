/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the bench's files share: objects by their names, VMAs by kind, and the operations on them. */
#ifndef VMALAB_KERNEL_BENCH_H
#define VMALAB_KERNEL_BENCH_H

#include "tree.h"

#define WORDS 16

/* What a letter of a drawing stands for. */
struct kind {
	unsigned long flags;
	struct file *file;
	struct vm_userfaultfd_ctx uffd;
	struct anon_vma_name *name;
	const struct vm_operations_struct *ops;
};

/* One command, split into words. */
struct command {
	int count;
	const char *word[WORDS];
};

/* words.c */
unsigned long bench_flags(const char *words);
void bench_print_flags(unsigned long flags);
unsigned long bench_number(const char *word);
int bench_same(const char *one, const char *other);

#ifndef MMF_VM_MERGE_ANY
#define MMF_VM_MERGE_ANY -1
#endif
#ifndef MMF_HAS_MDWE
#define MMF_HAS_MDWE -1
#endif

/* bench.c */
void bench_set_mm_flag(struct mm_struct *mm, int flag);
extern struct mm_struct *bench_scratch;
/* The operations that the file which is being mapped gives its VMAs. */
extern const struct vm_operations_struct *bench_mapping;
struct kind bench_kind(const struct command *command, int at);
struct vm_area_struct *bench_new_vma(unsigned long start, unsigned long end, unsigned long pgoff, struct kind kind);

/* operations.c: prints the answer; 0 when there is no such operation on this tree. */
int bench_operation(struct mm_struct *mm, const struct command *command);
/* advise START END SET CLEAR: gives VMAs flags and takes others, as madvise does. */
int bench_advise(struct mm_struct *mm, const struct command *command);

/* process.c: 0 when it is no command of a recorded process. */
int process_command(const struct command *command);

#if defined(VMALAB_COPY_KEEPS_SOURCE) || defined(VMALAB_VMG_HAS_ANON_PGOFF)
#define VMALAB_KEEP_SOURCE(keep) , keep
#else
#define VMALAB_KEEP_SOURCE(keep)
#endif

/* Flags as functions of this tree take them. */
#ifdef VMALAB_HAS_FLAGS_STRUCT
#define FLAGS_OF(flags) legacy_to_vma_flags(flags)
#else
#define FLAGS_OF(flags) (flags)
#endif
/* What a file gives a mapping before there is a VMA. */
#ifdef VMALAB_HAS_FLAGS_STRUCT
#define PREPARE_FLAGS(desc, flags) vma_desc_set_flags_mask(desc, FLAGS_OF(flags))
#else
#define PREPARE_FLAGS(desc, flags) ((desc)->vm_flags |= (flags))
#endif
#ifdef VMALAB_MMAP_REGION_TAKES_STRUCT
#define REGION_FLAGS(flags) FLAGS_OF(flags)
#else
#define REGION_FLAGS(flags) (flags)
#endif
#ifdef VMALAB_BRK_TAKES_STRUCT
#define BRK_FLAGS(flags) FLAGS_OF(flags)
#else
#define BRK_FLAGS(flags) (flags)
#endif

#endif
