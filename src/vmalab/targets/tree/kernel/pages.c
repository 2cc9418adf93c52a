// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * There are no pages and no page tables. What touching memory does to VMAs is here: an anon_vma for the first
 * write to private memory, a stack that grows, and the errors of what may not be touched.
 */
#include "tree.h"

static bool has_pages(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	unsigned long last;

	if (!vma->vm_file)
		return true;
	last = vma->vm_pgoff + ((end - 1 - vma->vm_start) >> PAGE_SHIFT);
	return last < DIV_ROUND_UP(i_size_read(file_inode(vma->vm_file)), PAGE_SIZE);
}

/* Faults of [start, end) of one VMA. */
static int fault_in(struct vm_area_struct *vma, unsigned long start, unsigned long end, bool write)
{
	if (write && !(vma->vm_flags & VM_SHARED) && anon_vma_prepare(vma))
		return -ENOMEM;
	if (vma->vm_ops && !has_pages(vma, start, end))
		return -EFAULT;
	return 0;
}

/* gup.c's check_vma_flags(), as far as it concerns populating. */
static int may_populate(struct vm_area_struct *vma, bool write, bool force)
{
	unsigned long flags = vma->vm_flags;

	if (flags & (VM_IO | VM_PFNMAP))
		return -EFAULT;
	if (write && !(flags & VM_WRITE))
		return -EFAULT;
	if (!write && !(flags & VM_READ) && (!force || !(flags & VM_MAYREAD)))
		return -EFAULT;
	return 0;
}

static long populate(struct vm_area_struct *vma, unsigned long start, unsigned long end, bool write, bool force)
{
	int error = may_populate(vma, write, force);

	if (!error)
		error = fault_in(vma, start, end, write);
	return error ? error : (end - start) >> PAGE_SHIFT;
}

#ifdef VMALAB_HAS_FAULTIN_MM
long faultin_page_range(struct mm_struct *mm, unsigned long start, unsigned long end, bool write, int *locked)
{
	struct vm_area_struct *vma;
	unsigned long at = start;

	while (at < end) {
		unsigned long stop;
		long done;

		vma = vma_lookup(mm, at);
		if (!vma)
			return at > start ? (at - start) >> PAGE_SHIFT : -ENOMEM;
		stop = min(end, vma->vm_end);
		/* Errors of VMAs are told apart from those of pages, for madvise. */
		done = may_populate(vma, write, false) ? -EINVAL : populate(vma, at, stop, write, false);
		if (done < 0)
			return at > start ? (at - start) >> PAGE_SHIFT : done;
		at = stop;
	}
	return (end - start) >> PAGE_SHIFT;
}
#else
#ifdef VMALAB_HAS_FAULTIN_VMA
#define faultin_page_range faultin_vma_page_range
#endif
long faultin_page_range(struct vm_area_struct *vma, unsigned long start, unsigned long end, bool write, int *locked)
{
	if (write && !(vma->vm_flags & VM_WRITE))
		return -EINVAL;
	if (may_populate(vma, write, false))
		return -EINVAL;
	return populate(vma, start, end, write, false);
}
#endif

long populate_vma_page_range(struct vm_area_struct *vma, unsigned long start, unsigned long end, int *locked)
{
	bool write = (vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;

	if (vma->vm_flags & VM_LOCKONFAULT)
		return (end - start) >> PAGE_SHIFT;
	return populate(vma, start, end, write, vma_is_accessible(vma));
}

static int populate_range(struct mm_struct *mm, unsigned long start, unsigned long len, int ignore_errors)
{
	unsigned long end = start + len, at = start;
	long done = 0;

	while (at < end) {
		struct vm_area_struct *vma = find_vma_intersection(mm, at, end);
		unsigned long stop;

		if (!vma)
			break;
		stop = min(end, vma->vm_end);
		at = max(at, vma->vm_start);
		if (!(vma->vm_flags & (VM_IO | VM_PFNMAP)))
			done = populate_vma_page_range(vma, at, stop, NULL);
		if (done < 0 && !ignore_errors)
			return done;
		at = stop;
	}
	return 0;
}

int __mm_populate(unsigned long start, unsigned long len, int ignore_errors)
{
	struct mm_struct *mm = current->mm;
	int error;

	mmap_read_lock(mm);
	error = populate_range(mm, start, len, ignore_errors);
	mmap_read_unlock(mm);
	return error;
}

static int fault_at(struct mm_struct *mm, unsigned long address, int write)
{
	struct vm_area_struct *vma;

	if (address >= TASK_SIZE)
		return -EFAULT;
	vma = find_vma(mm, address);
	if (!vma)
		return -EFAULT;
	if (address < vma->vm_start) {
		if (!(vma->vm_flags & VM_GROWSDOWN))
			return -EFAULT;
#ifdef VMALAB_HAS_EXPAND_STACK_LOCKED
		if (expand_stack_locked(vma, address VMALAB_WRITE_LOCKED))
			return -EFAULT;
#else
		if (expand_stack(vma, address))
			return -EFAULT;
#endif
	}
	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ | VM_WRITE | VM_EXEC)))
		return -EFAULT;
	return fault_in(vma, address & PAGE_MASK, (address & PAGE_MASK) + PAGE_SIZE, write);
}

/* A fault of the processor at an address. */
int vmalab_touch(struct mm_struct *mm, unsigned long address, int write)
{
	int error;

	mmap_write_lock(mm);
	error = fault_at(mm, address, write);
	mmap_write_unlock(mm);
	return error;
}

/* Page tables go together with the reverse map. */

static void unlink_from_file(struct vm_area_struct *vma)
{
#ifdef VMALAB_HAS_UNLINK_BATCH
	struct unlink_vma_file_batch batch;

	unlink_file_vma_batch_init(&batch);
	unlink_file_vma_batch_add(&batch, vma);
	unlink_file_vma_batch_final(&batch);
#else
	unlink_file_vma(vma);
#endif
}

#if defined(VMALAB_HAS_UNMAP_DESC)
void free_pgtables(struct mmu_gather *tlb, struct unmap_desc *desc)
{
	struct vm_area_struct *vma = desc->first;

	while (vma) {
		unlink_anon_vmas(vma);
		unlink_from_file(vma);
		vma = mas_find(desc->mas, desc->tree_end - 1);
	}
}
#elif defined(VMALAB_HAS_FREE_PGTABLES_MAS)
void free_pgtables(struct mmu_gather *tlb, struct ma_state *mas, struct vm_area_struct *vma, unsigned long floor,
		   unsigned long ceiling, bool mm_wr_locked)
{
	while (vma) {
		unlink_anon_vmas(vma);
		unlink_from_file(vma);
		vma = mas_find(mas, ceiling - 1);
	}
}
#else
void free_pgtables(struct mmu_gather *tlb, struct maple_tree *tree, struct vm_area_struct *vma, unsigned long floor,
		   unsigned long ceiling)
{
	MA_STATE(mas, tree, vma->vm_end, vma->vm_end);

	while (vma) {
		unlink_anon_vmas(vma);
		unlink_from_file(vma);
		vma = mas_find(&mas, ceiling - 1);
	}
}
#endif
