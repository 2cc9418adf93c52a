// SPDX-License-Identifier: GPL-2.0-or-later
/* For trees that copy address spaces in kernel/fork.c, where the function is local: that file and a way in. */
#include VMALAB_FORK_C

int vmalab_dup_mmap(struct mm_struct *mm, struct mm_struct *old);
void vmalab_fork_boot(void);

int vmalab_dup_mmap(struct mm_struct *mm, struct mm_struct *old)
{
	return dup_mmap(mm, old);
}

void vmalab_fork_boot(void)
{
	vm_area_cachep = (void *)kmem_cache_create("vm_area_struct", sizeof(struct vm_area_struct), 0, 0, NULL);
}
