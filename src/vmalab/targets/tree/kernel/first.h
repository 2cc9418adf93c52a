/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Included before everything else of the tree. `current` is a variable: user mode finds it below its own stack
 * pointer, or in a table for each processor; here there is one task. And data is not executable, as on x86.
 */
#ifndef __ASSEMBLY__
#define __ASM_GENERIC_CURRENT_H
#define __ASM_CURRENT_H
struct task_struct;
extern struct task_struct *vmalab_current;
#define get_current() (vmalab_current)
#define current get_current()
#define VM_DATA_DEFAULT_FLAGS VM_DATA_FLAGS_TSK_EXEC
#define VMA_DATA_DEFAULT_FLAGS VMA_DATA_FLAGS_TSK_EXEC
#endif
