// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The operations of the VMA core that a test case can name. Each does what the kernel's callers do around it:
 * finds the neighbours, takes over the new property. The answer is a line: `r N` with a number or -errno,
 * `p START END` with the pages of a VMA, or `none`.
 */
#include "bench.h"

/* What a merge leaves set whatever the caller asked for. */
#ifdef VM_MAYBE_GUARD
#define STICKY (VM_SOFTDIRTY | VM_MAYBE_GUARD)
#else
#define STICKY VM_SOFTDIRTY
#endif
#define DATA_FLAGS (VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)
#define PAGES(word) (bench_number(word) << PAGE_SHIFT)

static int answer(long result)
{
	vmalab_print("r %ld\n", result);
	return 1;
}

static int answer_vma(struct vm_area_struct *vma)
{
	if (IS_ERR(vma))
		return answer(PTR_ERR(vma));
	if (!vma)
		vmalab_print("none\n");
	else
		vmalab_print("p %lx %lx\n", vma->vm_start >> PAGE_SHIFT, vma->vm_end >> PAGE_SHIFT);
	return 1;
}

/* system NR ARGUMENTS: the mmap lock is the call's own. */
static int call(struct mm_struct *mm, const struct command *c)
{
	unsigned long args[6];
	long result;
	int i;

	for (i = 0; i < 6; i++)
		args[i] = c->word[2 + i][0] == '-' ? 0 : bench_number(c->word[2 + i]);
	mmap_write_unlock(mm);
	result = vmalab_call(bench_number(c->word[1]), args);
	mmap_write_lock(mm);
	return answer(result);
}

static int map_region(const struct command *c)
{
	struct kind kind = bench_kind(c, 4);
	LIST_HEAD(uf);

	return answer(mmap_region(kind.file, PAGES(c->word[1]), PAGES(c->word[2]) - PAGES(c->word[1]),
				  REGION_FLAGS(kind.flags & ~VM_ACCOUNT), bench_number(c->word[3]), &uf));
}

static int unmap(struct mm_struct *mm, const struct command *c)
{
	return answer(do_munmap(mm, PAGES(c->word[1]), PAGES(c->word[2]) - PAGES(c->word[1]), NULL));
}

static int copy(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = PAGES(c->word[1]), end = PAGES(c->word[2]);
	struct vm_area_struct *vma = find_vma(mm, start), *source = vma, *new;
	unsigned long flags = vma->vm_flags;
	bool locks;

	new = copy_vma(&source, PAGES(c->word[3]), end - start, vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT),
#ifdef VMALAB_VMG_HAS_ANON_PGOFF
		       vma_start_anon_pgoff(vma) + ((start - vma->vm_start) >> PAGE_SHIFT),
#endif
		       &locks VMALAB_KEEP_SOURCE(c->word[4][0] == 'k'));
	if (!new)
		return answer(-ENOMEM);
	vm_stat_account(mm, flags, (end - start) >> PAGE_SHIFT);
	return answer_vma(new);
}

static int search(const struct command *c)
{
	struct vm_unmapped_area_info info = {
		.length = PAGES(c->word[1]),
		.low_limit = PAGES(c->word[2]),
		.high_limit = PAGES(c->word[3]),
		.flags = c->word[4][0] == 'h' ? VM_UNMAPPED_AREA_TOPDOWN : 0,
		.align_mask = c->word[5][0] == '-' ? 0 : (bench_number(c->word[5]) - 1) << PAGE_SHIFT,
		.align_offset = c->word[6][0] == '-' ? 0 : PAGES(c->word[6]),
	};

#ifdef VMALAB_HAS_START_GAP
	info.start_gap = c->word[7][0] == '-' ? 0 : PAGES(c->word[7]);
#else
	if (c->word[7][0] != '-')
		return 0;
#endif
	return answer(vm_unmapped_area(&info));
}

static int insert(struct mm_struct *mm, const struct command *c)
{
	struct kind kind = bench_kind(c, 4);
	struct vm_area_struct *vma = bench_new_vma(PAGES(c->word[1]), PAGES(c->word[2]), bench_number(c->word[3]), kind);
	long result = insert_vm_struct(mm, vma);

	if (!result) {
		vm_stat_account(mm, kind.flags, (vma->vm_end - vma->vm_start) >> PAGE_SHIFT);
	} else {
		if (vma->vm_file)
			fput(vma->vm_file);
		vm_area_free(vma);
	}
	return answer(result);
}

static int install_special(struct mm_struct *mm, const struct command *c)
{
	static const struct vm_special_mapping special = { .name = "[special]" };

	return answer_vma(_install_special_mapping(mm, PAGES(c->word[1]), PAGES(c->word[2]) - PAGES(c->word[1]),
						   bench_flags(c->word[8]), &special));
}

static int take_all_locks(struct mm_struct *mm)
{
	long result = mm_take_all_locks(mm);

	if (!result)
		mm_drop_all_locks(mm);
	return answer(result);
}

#ifdef VMALAB_HAS_VMG

static struct vma_merge_struct proposal(struct mm_struct *mm, struct vma_iterator *vmi, unsigned long start,
					unsigned long end, unsigned long flags, unsigned long pgoff)
{
	struct vma_merge_struct vmg = {
		.mm = mm,
		.vmi = vmi,
		.start = start,
		.end = end,
		.pgoff = pgoff,
		.state = VMA_MERGE_START,
	};

#ifdef VMALAB_VMG_HAS_VM_FLAGS
	vmg.vm_flags = flags;
#else
	vmg.flags = flags;
#endif
#ifdef VMALAB_VMG_HAS_ANON_PGOFF
	/* The callers' business: the place, or for anonymous memory the offset. */
	vmg.anon_pgoff = pgoff;
#endif
	return vmg;
}

static void just_expand(struct vma_merge_struct *vmg)
{
#ifdef VMALAB_VMG_HAS_MIDDLE
	vmg->just_expand = true;
#else
	vmg->merge_flags = VMG_FLAG_JUST_EXPAND;
#endif
}

static int merge_new(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = PAGES(c->word[1]), end = PAGES(c->word[2]);
	struct kind kind = bench_kind(c, 4);
	VMA_ITERATOR(vmi, mm, start);
	struct vma_merge_struct vmg = proposal(mm, &vmi, start, end, kind.flags, bench_number(c->word[3]));
	struct vm_area_struct *merged;

	vmg.next = vma_iter_next_rewind(&vmi, &vmg.prev);
	vmg.file = kind.file;
#ifdef VMALAB_VMG_HAS_ANON_PGOFF
	if (kind.ops)
		vmg.anon_pgoff = start >> PAGE_SHIFT;
#endif
	vmg.uffd_ctx = kind.uffd;
	vmg.anon_name = kind.name;
	if (bench_same(c->word[9], "just_expand")) {
		vma_prev(&vmi);
		just_expand(&vmg);
	}
	merged = vma_merge_new_range(&vmg);
	if (!merged && vmg_nomem(&vmg))
		return answer(-ENOMEM);
	if (merged)
		vm_stat_account(mm, kind.flags, (end - start) >> PAGE_SHIFT);
	return answer_vma(merged);
}

/* Local to its file, and made global. */
struct vm_area_struct *vma_merge_existing_range(struct vma_merge_struct *vmg);

/* Only the merge: nothing is split when there is none. */
static int merge_existing(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = PAGES(c->word[1]), end = PAGES(c->word[2]);
	struct kind kind = bench_kind(c, 4);
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma = vma_next(&vmi), *prev, *merged;
	unsigned long shift = (start - vma->vm_start) >> PAGE_SHIFT, old = vma->vm_flags;
	struct vma_merge_struct vmg = proposal(mm, &vmi, start, end, kind.flags, vma->vm_pgoff + shift);

	prev = vma_prev(&vmi);
	vma_iter_set(&vmi, start);
	vma_next(&vmi);
	vmg.prev = start > vma->vm_start ? vma : prev;
#ifdef VMALAB_VMG_HAS_MIDDLE
	vmg.middle = vma;
#else
	vmg.vma = vma;
#endif
#ifdef VMALAB_VMG_HAS_ANON_PGOFF
	vmg.anon_pgoff = vma_start_anon_pgoff(vma) + shift;
#endif
	vmg.file = vma->vm_file;
	vmg.anon_vma = vma->anon_vma;
	vmg.uffd_ctx = kind.uffd;
	vmg.anon_name = kind.name;
	vmg.give_up_on_oom = bench_same(c->word[9], "give_up_on_oom");
	merged = vma_merge_existing_range(&vmg);
	if (!merged && vmg_nomem(&vmg))
		return answer(-ENOMEM);
	if (merged) {
		vm_stat_account(mm, old, -(long)((end - start) >> PAGE_SHIFT));
		vm_stat_account(mm, merged->vm_flags, (end - start) >> PAGE_SHIFT);
	}
	return answer_vma(merged);
}

static unsigned long sticky_flags(struct vm_area_struct *vma, const struct command *c)
{
	return bench_same(c->word[0], "vma_modify_flags_uffd") ? vma->vm_flags & STICKY : 0;
}

static int modify(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = PAGES(c->word[1]), end = PAGES(c->word[2]);
	struct kind kind = bench_kind(c, 4);
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma = vma_next(&vmi), *prev, *result;
	unsigned long old = vma->vm_flags;
#ifdef VMALAB_MODIFY_TAKES_POINTER
	vma_flags_t flags = legacy_to_vma_flags(kind.flags);
#endif

	prev = vma_prev(&vmi);
	vma_iter_set(&vmi, start);
	vma_next(&vmi);
	if (start > vma->vm_start)
		prev = vma;
	if (bench_same(c->word[0], "vma_modify_flags_uffd"))
#ifdef VMALAB_MODIFY_TAKES_POINTER
		result = vma_modify_flags_uffd(&vmi, prev, vma, start, end, &flags, kind.uffd,
					       bench_same(c->word[9], "give_up_on_oom"));
#else
		result = vma_modify_flags_uffd(&vmi, prev, vma, start, end, kind.flags, kind.uffd,
					       bench_same(c->word[9], "give_up_on_oom"));
#endif
	else
#ifdef VMALAB_MODIFY_TAKES_POINTER
		/* It says which flags the caller is to set. */
		result = vma_modify_flags(&vmi, prev, vma, start, end, &flags), kind.flags = vma_flags_to_legacy(flags);
#else
		result = vma_modify_flags(&vmi, prev, vma, start, end, kind.flags);
#endif
	if (!IS_ERR(result)) {
		vma_start_write(result);
		vmalab_set_flags(result, kind.flags | sticky_flags(result, c));
		result->vm_userfaultfd_ctx = kind.uffd;
		vm_stat_account(mm, old, -(long)((end - start) >> PAGE_SHIFT));
		vm_stat_account(mm, kind.flags, (end - start) >> PAGE_SHIFT);
	}
	return answer_vma(result);
}

/* Gives [start, end) of one VMA other flags. */
static long change_flags(struct mm_struct *mm, unsigned long start, unsigned long end, unsigned long new)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma = vma_next(&vmi), *prev;
#ifdef VMALAB_MODIFY_TAKES_POINTER
	vma_flags_t flags = legacy_to_vma_flags(new);
#endif

	prev = vma_prev(&vmi);
	vma_iter_set(&vmi, start);
	vma_next(&vmi);
	if (start > vma->vm_start)
		prev = vma;
#ifdef VMALAB_MODIFY_TAKES_POINTER
	vma = vma_modify_flags(&vmi, prev, vma, start, end, &flags);
	new = vma_flags_to_legacy(flags);
#else
	vma = vma_modify_flags(&vmi, prev, vma, start, end, new);
#endif
	if (IS_ERR(vma))
		return PTR_ERR(vma);
	vma_start_write(vma);
	vmalab_set_flags(vma, new);
	return 0;
}

#ifdef VMALAB_HAS_MODIFY_NAME
static int rename(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = PAGES(c->word[1]), end = PAGES(c->word[2]);
	struct kind kind = bench_kind(c, 4);
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma = vma_next(&vmi), *prev;

	prev = vma_prev(&vmi);
	vma_iter_set(&vmi, start);
	vma_next(&vmi);
	if (start > vma->vm_start)
		prev = vma;
	vma = vma_modify_name(&vmi, prev, vma, start, end, kind.name);
	if (!IS_ERR(vma) && !anon_vma_name_eq(anon_vma_name(vma), kind.name)) {
		struct anon_vma_name *old = vma->anon_name;

		vma->anon_name = kind.name ? anon_vma_name_reuse(kind.name) : NULL;
		anon_vma_name_put(old);
	}
	return answer_vma(vma);
}
#endif

static int extend(struct mm_struct *mm, const struct command *c)
{
	VMA_ITERATOR(vmi, mm, PAGES(c->word[1]));
	struct vm_area_struct *vma = vma_next(&vmi), *merged;
	unsigned long flags = vma->vm_flags, delta = PAGES(c->word[2]) - vma->vm_end;

	merged = vma_merge_extend(&vmi, vma, delta);
	if (merged)
		vm_stat_account(mm, flags, delta >> PAGE_SHIFT);
	return answer_vma(merged);
}

static unsigned long mapped_pages(struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	unsigned long pages = 0;
	VMA_ITERATOR(vmi, mm, 0);

	for_each_vma(vmi, vma)
		pages += vma_pages(vma);
	return pages;
}

static int expand(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = PAGES(c->word[2]), end = PAGES(c->word[3]);
	struct vm_area_struct *vma = find_vma(mm, PAGES(c->word[1]));
	unsigned long before;
	long result;
	VMA_ITERATOR(vmi, mm, vma->vm_end);
	struct vma_merge_struct vmg = proposal(mm, &vmi, start, end, vma->vm_flags,
					       vma->vm_pgoff - ((vma->vm_start - start) >> PAGE_SHIFT));

	vmg.next = vma_next(&vmi);
	vma_iter_set(&vmi, start);
#ifdef VMALAB_VMG_HAS_MIDDLE
	vmg.target = vma;
#else
	vmg.vma = vma;
#endif
	before = mapped_pages(mm);
	result = vma_expand(&vmg);
	vm_stat_account(mm, vma->vm_flags, mapped_pages(mm) - before);
	return answer(result);
}

static int shrink(struct mm_struct *mm, const struct command *c)
{
	VMA_ITERATOR(vmi, mm, PAGES(c->word[1]));
	struct vm_area_struct *vma = vma_next(&vmi);

#ifdef VMALAB_SHRINK_TAKES_END
	return answer(vma_shrink(&vmi, vma, PAGES(c->word[2])));
#else
	return answer(vma_shrink(&vmi, vma, vma->vm_start, PAGES(c->word[2]), vma->vm_pgoff));
#endif
}

static int split(struct mm_struct *mm, const struct command *c)
{
	VMA_ITERATOR(vmi, mm, PAGES(c->word[1]));
	struct vm_area_struct *vma = vma_next(&vmi);

	return answer(split_vma(&vmi, vma, PAGES(c->word[1]), c->word[2][0] == 'b'));
}

static int grow_brk(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = PAGES(c->word[1]), length = PAGES(c->word[2]) - start;
	unsigned long extra = bench_flags(c->word[4]) & ~(DATA_FLAGS | VM_ACCOUNT);
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;
#ifndef VMALAB_HAS_BRK_FLAGS
	/* Local to its file, and made global. */
	extern int do_brk_flags(struct vma_iterator *vmi, struct vm_area_struct *vma, unsigned long address,
				unsigned long length, unsigned long flags);
#endif

	vma_iter_load(&vmi);
	vma = bench_same(c->word[3], "fresh") ? NULL : vma_prev(&vmi);
	return answer(do_brk_flags(&vmi, vma, start, length, BRK_FLAGS(extra)));
}

static int by_core(struct mm_struct *mm, const struct command *c)
{
	const char *name = c->word[0];

	if (bench_same(name, "vma_merge_new_range"))
		return merge_new(mm, c);
	if (bench_same(name, "vma_modify_flags") || bench_same(name, "vma_modify_flags_uffd"))
		return modify(mm, c);
	if (bench_same(name, "vma_merge_existing_range"))
		return merge_existing(mm, c);
#ifdef VMALAB_HAS_MODIFY_NAME
	if (bench_same(name, "vma_modify_name"))
		return rename(mm, c);
#endif
	if (bench_same(name, "vma_merge_extend"))
		return extend(mm, c);
	if (bench_same(name, "vma_expand"))
		return expand(mm, c);
	if (bench_same(name, "vma_shrink"))
		return shrink(mm, c);
	if (bench_same(name, "split_vma"))
		return split(mm, c);
	if (bench_same(name, "do_brk_flags"))
		return grow_brk(mm, c);
	if (bench_same(name, "relocate_vma_down")) {
		struct vm_area_struct *vma = find_vma(mm, PAGES(c->word[1]));

		return answer(relocate_vma_down(vma, vma->vm_start - PAGES(c->word[2])));
	}
	return 0;
}

#else

/* Local to its file, and made global. */
int do_brk_flags(struct ma_state *mas, struct vm_area_struct *vma, unsigned long address, unsigned long length,
		 unsigned long flags);

static int grow_brk(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = PAGES(c->word[1]), length = PAGES(c->word[2]) - start;
	unsigned long extra = bench_flags(c->word[4]) & ~(DATA_FLAGS | VM_ACCOUNT);
	MA_STATE(mas, &mm->mm_mt, start, start);
	struct vm_area_struct *vma = NULL;

	mas_walk(&mas);
	if (!bench_same(c->word[3], "fresh"))
		vma = mas_prev(&mas, 0);
	return answer(do_brk_flags(&mas, vma, start, length, extra));
}

/* Gives [start, end) of one VMA other flags: what the callers did before merges had a struct. */
static long change_flags(struct mm_struct *mm, unsigned long start, unsigned long end, unsigned long flags)
{
	struct vm_area_struct *prev = NULL, *vma = find_vma_prev(mm, start, &prev), *merged;
	int error = 0;

	if (start > vma->vm_start)
		prev = vma;
	merged = vma_merge(mm, prev, start, end, flags, vma->anon_vma, vma->vm_file,
			   vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT), vma_policy(vma),
			   vma->vm_userfaultfd_ctx, anon_vma_name(vma));
	if (merged)
		vma = merged;
	else if (start > vma->vm_start)
		error = split_vma(mm, vma, start, 1);
	if (!merged && !error && end < vma->vm_end)
		error = split_vma(mm, vma, end, 0);
	if (!error)
		vmalab_set_flags(vma, flags);
	return error;
}

/* What the callers do with vma_merge() and split_vma(). */
static int by_core(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = PAGES(c->word[1]), end = PAGES(c->word[2]);
	struct vm_area_struct *vma, *prev = NULL, *merged;
	struct kind kind;
	int error = 0;

	if (bench_same(c->word[0], "split_vma")) {
		vma = find_vma(mm, start);
		return answer(split_vma(mm, vma, start, c->word[2][0] == 'b'));
	}
	if (bench_same(c->word[0], "do_brk_flags"))
		return grow_brk(mm, c);
	kind = bench_kind(c, 4);
	vma = find_vma_prev(mm, start, &prev);
	if (bench_same(c->word[9], "just_expand"))
		return 0;
	if (bench_same(c->word[0], "vma_merge_new_range")) {
		merged = vma_merge(mm, prev, start, end, kind.flags, NULL, kind.file, bench_number(c->word[3]), NULL,
				   kind.uffd, kind.name);
		if (merged)
			vm_stat_account(mm, kind.flags, (end - start) >> PAGE_SHIFT);
		return answer_vma(merged);
	}
	if (!bench_same(c->word[0], "vma_modify_flags"))
		return 0;
	if (start > vma->vm_start)
		prev = vma;
	merged = vma_merge(mm, prev, start, end, kind.flags, vma->anon_vma, vma->vm_file,
			   vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT), vma_policy(vma),
			   vma->vm_userfaultfd_ctx, anon_vma_name(vma));
	if (merged)
		vma = merged;
	else if (start > vma->vm_start)
		error = split_vma(mm, vma, start, 1);
	if (!merged && !error && end < vma->vm_end)
		error = split_vma(mm, vma, end, 0);
	if (error)
		return answer(error);
	vmalab_set_flags(vma, kind.flags);
	return answer_vma(vma);
}

#endif

int bench_advise(struct mm_struct *mm, const struct command *c)
{
	unsigned long at = PAGES(c->word[1]), end = PAGES(c->word[2]);
	unsigned long set = bench_flags(c->word[3]), clear = bench_flags(c->word[4]);
	long error = 0;

	while (at < end && !error) {
		struct vm_area_struct *vma = find_vma(mm, at);
		unsigned long stop, flags;

		if (!vma || vma->vm_start >= end)
			break;
		at = max(at, vma->vm_start);
		stop = min(end, vma->vm_end);
		flags = (vma->vm_flags | set) & ~clear;
		if (flags != vma->vm_flags)
			error = change_flags(mm, at, stop, flags);
		at = stop;
	}
	return answer(error);
}

int bench_operation(struct mm_struct *mm, const struct command *c)
{
	const char *name = c->word[0];

	if (bench_same(name, "system"))
		return call(mm, c);
	if (bench_same(name, "mmap_region"))
		return map_region(c);
	if (bench_same(name, "do_vmi_munmap"))
		return unmap(mm, c);
	if (bench_same(name, "copy_vma"))
		return copy(mm, c);
	if (bench_same(name, "vm_unmapped_area"))
		return search(c);
	if (bench_same(name, "insert_vm_struct"))
		return insert(mm, c);
	if (bench_same(name, "install_special_mapping"))
		return install_special(mm, c);
	if (bench_same(name, "mm_take_all_locks"))
		return take_all_locks(mm);
	if (bench_same(name, "anon_vma_prepare"))
		return answer(anon_vma_prepare(find_vma(mm, PAGES(c->word[1]))));
	if (bench_same(name, "expand_downwards"))
		return answer(expand_downwards(find_vma(mm, PAGES(c->word[1])), PAGES(c->word[2]) + 0x123));
#ifdef CONFIG_STACK_GROWSUP
	if (bench_same(name, "expand_upwards"))
		return answer(expand_upwards(find_vma(mm, PAGES(c->word[1])), PAGES(c->word[2]) - 0x123));
#endif
	return by_core(mm, c);
}
