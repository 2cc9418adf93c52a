// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A recorded process: its address space is laid out VMA by VMA as the recording has it, without asking the code
 * under test what would merge; then its calls are made. Pages of a mapping are written in hexadecimal.
 *
 * Files have numbers, which stay theirs in copies of the process.
 */
#include "bench.h"

#define MAX_NUMBERS 65536

/* What a file gives its mappings. */
struct traits {
	char kind;
	unsigned long adds;
};

static struct file *files[MAX_NUMBERS];
/* Only compared with those that VMAs have: it may be gone. */
static const struct anon_vma *anon_vmas[MAX_NUMBERS];
static struct mm_struct *aside;

static vm_fault_t no_page(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static void closes(struct vm_area_struct *vma)
{
}

static const struct vm_operations_struct plain_operations = { .fault = no_page };
static const struct vm_operations_struct closed_operations = { .fault = no_page, .close = closes };

static const struct vm_operations_struct *operations_of(char kind)
{
	switch (kind) {
	case 's': return &vmalab_shmem_ops;
	case 'c': return &closed_operations;
	case 'f': return &plain_operations;
	}
	return NULL;
}

static int map_file(struct file *file, struct vm_area_struct *vma)
{
	const struct traits *traits = file->private_data;

	/* /dev/zero: shared memory of its own, or none. */
	if (traits->kind == 'z' && vma->vm_flags & VM_SHARED)
		return shmem_zero_setup(vma);
	if (traits->adds)
		vmalab_set_flags(vma, vma->vm_flags | traits->adds);
	vma->vm_ops = operations_of(traits->kind);
	return 0;
}

static const struct file_operations file_operations = { .mmap = map_file };

static struct file *file_of(const char *word)
{
	unsigned long number = bench_number(word);

	return word[0] == '-' || number >= MAX_NUMBERS ? NULL : files[number];
}

/* file NUMBER KIND MODE SIZE ADDS: makes a file known. */
static void make_file(const struct command *c)
{
	unsigned long number = bench_number(c->word[1]);
	struct traits *traits;
	struct file *file;

	if (number >= MAX_NUMBERS || files[number])
		return;
	file = vmalab_file(c->word[1], F_SEAL_SEAL, &file_operations);
	traits = vmalab_alloc(sizeof(*traits));
	*traits = (struct traits){ c->word[2][0], bench_flags(c->word[5]) };
	file->private_data = traits;
	file->f_mode = bench_number(c->word[3]) & (FMODE_READ | FMODE_WRITE);
	i_size_write(file_inode(file), bench_number(c->word[4]));
	files[number] = file;
}

static int hex(char digit)
{
	return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

/* A name is written as the numbers of its characters. */
static struct anon_vma_name *name_of(const char *word)
{
	char text[128];
	int i;

	if (word[0] == '-')
		return NULL;
	for (i = 0; word[2 * i] && word[2 * i + 1] && i < 127; i++)
		text[i] = hex(word[2 * i]) << 4 | hex(word[2 * i + 1]);
	text[i] = 0;
	return anon_vma_name_alloc(text);
}

static void clone(struct vm_area_struct *vma, struct vm_area_struct *from)
{
	vma->anon_vma = from->anon_vma;
#ifdef VMALAB_CLONE_TAKES_OPERATION
	anon_vma_clone(vma, from, VMA_OP_SPLIT);
#else
	anon_vma_clone(vma, from);
#endif
}

/* An anon_vma of its own, whatever the neighbours have: among them there are none elsewhere. */
static void prepare_alone(struct vm_area_struct *vma)
{
	struct mm_struct *own = vma->vm_mm;
	MA_STATE(mas, &aside->mm_mt, vma->vm_start, vma->vm_end - 1);

	mmap_write_lock(aside);
	vma->vm_mm = aside;
	mas_store_gfp(&mas, vma, GFP_KERNEL);
	anon_vma_prepare(vma);
	mas_set_range(&mas, vma->vm_start, vma->vm_end - 1);
	mas_store_gfp(&mas, NULL, GFP_KERNEL);
	vma->vm_mm = own;
	mmap_write_unlock(aside);
}

/* A VMA that is chained to that anon_vma alone, as the new one is to be. */
static struct vm_area_struct *holder_of(struct mm_struct *mm, const struct anon_vma *anon_vma)
{
	struct vm_area_struct *vma;
	VMA_ITERATOR(vmi, mm, 0);

	for_each_vma(vmi, vma)
		if (vma->anon_vma == anon_vma)
			return vma;
	return NULL;
}

/* The anon_vma of a number: that of a VMA which has it already, or one of its own. */
static void give_anon_vma(struct mm_struct *mm, struct vm_area_struct *vma, const char *word)
{
	unsigned long number = bench_number(word);
	struct vm_area_struct *holder = NULL;

	if (word[0] == '-' || number >= MAX_NUMBERS)
		return;
	if (anon_vmas[number])
		holder = holder_of(mm, anon_vmas[number]);
	if (holder)
		clone(vma, holder);
	else
		prepare_alone(vma);
	anon_vmas[number] = vma->anon_vma;
}

static void link_file(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma->vm_file->f_mapping;

	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE))
		mapping_allow_writable(mapping);
#ifdef VMALAB_HAS_MAPPING_RMAP
	mapping_rmap_tree_insert(vma, mapping);
#else
	vma_interval_tree_insert(vma, &mapping->i_mmap);
#endif
}

static void account(struct mm_struct *mm, struct vm_area_struct *vma)
{
	long pages = vma_pages(vma);

	if (vma->vm_flags & VM_ACCOUNT)
		vm_acct_memory(pages);
	if (vma->vm_flags & VM_LOCKED)
		mm->locked_vm += pages;
	vm_stat_account(mm, vma->vm_flags, pages);
	mm->map_count++;
}

/* A page of the kernel's own, whose operations only its own function gives. */
static void install_special(struct mm_struct *mm, unsigned long start, unsigned long end, unsigned long flags)
{
	static const struct vm_special_mapping special = { .name = "[special]" };
	struct vm_area_struct *vma = _install_special_mapping(mm, start, end - start, flags, &special);

	if (IS_ERR(vma))
		vmalab_die("the layout of a process cannot be built");
}

/* map START END PGOFF FLAGS KIND FILE NAME ANON_VMA ANON_PGOFF */
static void lay_out(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = bench_number(c->word[1]) << PAGE_SHIFT, end = bench_number(c->word[2]) << PAGE_SHIFT;
	unsigned long flags = bench_flags(c->word[4]);
	struct file *file = file_of(c->word[6]);
	struct vm_area_struct *vma;
	MA_STATE(mas, &mm->mm_mt, start, end - 1);

	if (c->word[5][0] == 'p') {
		install_special(mm, start, end, flags);
		return;
	}
	vma = vm_area_alloc(mm);
	vma->vm_start = start;
	vma->vm_end = end;
	vma->vm_pgoff = bench_number(c->word[3]);
#ifdef VMALAB_VMG_HAS_ANON_PGOFF
	vma_set_anon_pgoff(vma, bench_number(c->word[9]));
#endif
	vmalab_set_flags(vma, flags);
	vma->vm_ops = operations_of(c->word[5][0]);
	vma->anon_name = name_of(c->word[7]);
	give_anon_vma(mm, vma, c->word[8]);
	if (mas_store_gfp(&mas, vma, GFP_KERNEL))
		vmalab_die("the layout of a process cannot be built");
	if (file) {
		vma->vm_file = get_file(file);
		link_file(vma);
	}
	account(mm, vma);
}

/* unmap START END: whatever is there, sealed or not. */
static void clear(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = bench_number(c->word[1]) << PAGE_SHIFT, end = bench_number(c->word[2]) << PAGE_SHIFT;
	struct vm_area_struct *vma;
	int limit = sysctl_max_map_count;
	VMA_ITERATOR(vmi, mm, start);

	for_each_vma_range(vmi, vma, end)
		vmalab_set_flags(vma, vma->vm_flags & ~vmalab_sealed());
	sysctl_max_map_count = INT_MAX;
	do_munmap(mm, start, min(end, TASK_SIZE) - start, NULL);
	sysctl_max_map_count = limit;
}

static bool is_private(struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_SHARED | VM_MAYSHARE | VM_SPECIAL));
}

/* Another offset of anonymous memory: it was written to before it was moved, or was not. */
static void set_offset(struct vm_area_struct *vma, unsigned long pgoff)
{
	if (vma->vm_file || vma->vm_pgoff == pgoff)
		return;
	if (vma->anon_vma)
		unlink_anon_vmas(vma);
	vma->vm_pgoff = pgoff;
#ifdef VMALAB_VMG_HAS_ANON_PGOFF
	vma_set_anon_pgoff(vma, pgoff);
#endif
}

/* The VMA is to have just the anon_vma of that number, or none. */
static void mirror(struct mm_struct *mm, struct vm_area_struct *vma, const struct command *c)
{
	unsigned long number = bench_number(c->word[3]);

	set_offset(vma, bench_number(c->word[5]));
	if (c->word[3][0] == '-') {
		if (vma->anon_vma)
			unlink_anon_vmas(vma);
		return;
	}
	if (number >= MAX_NUMBERS)
		return;
	if (vma->anon_vma) {
		if (!anon_vmas[number] || !holder_of(mm, anon_vmas[number]))
			anon_vmas[number] = vma->anon_vma;
		if (anon_vmas[number] == vma->anon_vma || !list_is_singular(&vma->anon_vma_chain))
			return;
		unlink_anon_vmas(vma);
	}
	give_anon_vma(mm, vma, c->word[3]);
}

/*
 * written START END ANON_VMA APART PGOFF EXACT: what is known of writes to private memory. In step with the recorded
 * process, a VMA has what that one's has. Else the kernel chooses its anon_vma, unless it was apart from all others.
 */
static void write_to(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = bench_number(c->word[1]) << PAGE_SHIFT, end = bench_number(c->word[2]) << PAGE_SHIFT;
	unsigned long number = bench_number(c->word[3]);
	struct vm_area_struct *vma;
	VMA_ITERATOR(vmi, mm, start);

	for_each_vma_range(vmi, vma, end) {
		if (!is_private(vma))
			continue;
		if (c->word[6][0] == 'y' && vma->vm_start == start && vma->vm_end == end) {
			mirror(mm, vma, c);
		} else if (c->word[3][0] != '-' && !vma->anon_vma && number < MAX_NUMBERS) {
			if (c->word[4][0] == 'y')
				give_anon_vma(mm, vma, c->word[3]);
			else
				anon_vma_prepare(vma);
			anon_vmas[number] = vma->anon_vma;
		}
	}
}

/* stack START END: a page fault has made the stack that large. */
static void grow_stack(struct mm_struct *mm, const struct command *c)
{
	unsigned long start = bench_number(c->word[1]) << PAGE_SHIFT;
	struct vm_area_struct *vma = find_vma(mm, (bench_number(c->word[2]) << PAGE_SHIFT) - 1);

	if (vma && vma->vm_flags & VM_GROWSDOWN && start < vma->vm_start)
		expand_downwards(vma, start);
}

static void set_field(struct mm_struct *mm, const char *name, const char *word)
{
	unsigned long value = bench_number(word);

	if (bench_same(name, "start_brk"))
		mm->start_brk = value;
	else if (bench_same(name, "brk"))
		mm->brk = value;
	else if (bench_same(name, "start_data"))
		mm->start_data = value;
	else if (bench_same(name, "end_data"))
		mm->end_data = value;
	else if (bench_same(name, "start_stack"))
		mm->start_stack = value;
	else if (bench_same(name, "mmap_base"))
		mm->mmap_base = value;
	else if (bench_same(name, "task_size"))
		task_size = mm->task_size = value;
	else if (bench_same(name, "def_flags"))
		mm->def_flags = bench_flags(word);
	else if (bench_same(name, "max_map_count"))
		sysctl_max_map_count = value;
	else if (bench_same(name, "overcommit"))
		sysctl_overcommit_memory = value;
	else if (bench_same(name, "memory"))
		atomic_long_set(&_totalram_pages, value);
	else if (bench_same(name, "mmap_min_addr"))
		vmalab_set_min_addr(value);
	else if (bench_same(name, "capabilities"))
		vmalab_caps = value;
	else if (bench_same(name, "mdwe") && value)
		bench_set_mm_flag(mm, MMF_HAS_MDWE);
}

static void begin(void)
{
	vmalab_empty_mm();
	if (!aside)
		aside = vmalab_new_mm();
	memset(anon_vmas, 0, sizeof(anon_vmas));
}

/* descriptor FD FILE */
static void set_descriptor(const struct command *c)
{
	struct file *file = file_of(c->word[2]);

	if (file)
		vmalab_set_descriptor(bench_number(c->word[1]), get_file(file));
}

static int on_space(struct mm_struct *mm, const struct command *c)
{
	const char *what = c->word[0];

	if (bench_same(what, "map"))
		lay_out(mm, c);
	else if (bench_same(what, "unmap"))
		clear(mm, c);
	else if (bench_same(what, "written"))
		write_to(mm, c);
	else if (bench_same(what, "stack"))
		grow_stack(mm, c);
	else if (bench_same(what, "advise"))
		return bench_advise(mm, c);
	else
		return 0;
	return 1;
}

/* Carries out a command of a recorded process; 0 when it is none. */
int process_command(const struct command *c)
{
	struct mm_struct *mm;
	int known;

	if (bench_same(c->word[0], "process")) {
		begin();
		return 1;
	}
	if (!aside)
		return 0;
	mm = current->mm;
	if (bench_same(c->word[0], "file"))
		make_file(c);
	else if (bench_same(c->word[0], "descriptor"))
		set_descriptor(c);
	else if (bench_same(c->word[0], "field"))
		set_field(mm, c->word[1], c->word[2]);
	else {
		mmap_write_lock(mm);
		known = on_space(mm, c);
		mmap_write_unlock(mm);
		return known;
	}
	return 1;
}
