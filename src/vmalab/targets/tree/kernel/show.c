// SPDX-License-Identifier: GPL-2.0-or-later
/* The address space as text, in the form of /proc/PID/smaps and status. */
#include "tree.h"

static const struct {
	unsigned long flag;
	char word[3];
} words[] = {
#include "flag_words.h"
};

static void show_name(struct mm_struct *mm, struct vm_area_struct *vma, const char *file)
{
	if (vma->vm_file && !anon_vma_name(vma)) {
		vmalab_print(" %s\n", file);
		return;
	}
	if (vma->vm_start <= mm->brk && vma->vm_end >= mm->start_brk)
		vmalab_print(" [heap]\n");
	else if (vma->vm_start <= mm->start_stack && vma->vm_end >= mm->start_stack)
		vmalab_print(" [stack]\n");
	else if (anon_vma_name(vma))
		vmalab_print(vma->vm_file ? " [anon_shmem:%s]\n" : " [anon:%s]\n", anon_vma_name(vma)->name);
	else
		vmalab_print("\n");
}

static void show_vma(struct mm_struct *mm, struct vm_area_struct *vma)
{
	unsigned long flags = vma->vm_flags, inode = 0;
	char file[64] = "";
	int i;

	if (vma->vm_file)
		vmalab_name_of(vma->vm_file, file, &inode);
	vmalab_print("%08lx-%08lx %c%c%c%c %08lx 00:%02x %lu", vma->vm_start, vma->vm_end,
		     flags & VM_READ ? 'r' : '-', flags & VM_WRITE ? 'w' : '-', flags & VM_EXEC ? 'x' : '-',
		     flags & VM_MAYSHARE ? 's' : 'p',
		     vma->vm_file ? vma->vm_pgoff << PAGE_SHIFT : 0, inode ? 1 : 0, inode);
	show_name(mm, vma, file);
	vmalab_print("VmFlags:");
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (flags & words[i].flag)
			vmalab_print(" %s", words[i].word);
	vmalab_print("\n");
}

void vmalab_show(void)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int count = 0;
	VMA_ITERATOR(vmi, mm, 0);

	mmap_read_lock(mm);
	for_each_vma(vmi, vma) {
		show_vma(mm, vma);
		count++;
	}
	mmap_read_unlock(mm);
	if (count != mm->map_count)
		vmalab_die("map_count is %d, there are %d VMAs", mm->map_count, count);
}

void vmalab_show_status(void)
{
	struct mm_struct *mm = current->mm;

	vmalab_print("VmPeak: %lu kB\nVmSize: %lu kB\nVmLck: %lu kB\nVmData: %lu kB\nVmStk: %lu kB\n", mm->total_vm * 4,
		     mm->total_vm * 4, (unsigned long)mm->locked_vm * 4, mm->data_vm * 4, mm->stack_vm * 4);
}
