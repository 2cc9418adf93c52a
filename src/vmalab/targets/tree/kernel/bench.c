// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bench: an address space that is built as a test case draws it, without asking the code under test what
 * would merge, and read back. A command is a line of words; the answers are lines of text.
 *
 * Files, anon_vmas, names and userfaultfd contexts have names, by which they are found again.
 */
#include "bench.h"

#define MAX_NAMED 64

struct named {
	char name[48];
	void *object;
	/* A VMA that is linked to the anon_vma. */
	struct vm_area_struct *holder;
};

static struct named files[MAX_NAMED], anon_vmas[MAX_NAMED], contexts[MAX_NAMED], names[MAX_NAMED];
static struct vm_area_struct *parents[MAX_NAMED];
static int parent_count;
static struct mm_struct *mm;
static long file_error;
static unsigned long file_adds;
#ifdef VMALAB_HAS_MMAP_PREPARE
/* The file that says beforehand what its mappings will be, and what it says. */
static char prepares[48];
static struct prepared {
	unsigned long flags, pgoff;
	char file[48];
	int operations, moved, hides;
	long objects, override;
} prepared;
#endif
struct mm_struct *bench_scratch;
const struct vm_operations_struct *bench_mapping;

/* Names. */

static struct named *find(struct named *table, const char *name)
{
	int i;

	for (i = 0; i < MAX_NAMED && table[i].name[0]; i++)
		if (bench_same(table[i].name, name))
			return &table[i];
	if (i == MAX_NAMED)
		vmalab_die("a case has more than %d objects of one kind", MAX_NAMED);
	vmalab_copy_text(table[i].name, name, sizeof(table[i].name));
	return &table[i];
}

static const char *name_of(struct named *table, const void *object, const char *unknown)
{
	int i;

	for (i = 0; i < MAX_NAMED && table[i].name[0]; i++)
		if (table[i].object == object)
			return table[i].name;
	return unknown;
}

/* Operations of VMAs, which note what they are told. */

static void note_open(struct vm_area_struct *vma)
{
	vmalab_print("log open %lx-%lx\n", vma->vm_start >> PAGE_SHIFT, vma->vm_end >> PAGE_SHIFT);
}

static void note_close(struct vm_area_struct *vma)
{
	vmalab_print("log close %lx-%lx\n", vma->vm_start >> PAGE_SHIFT, vma->vm_end >> PAGE_SHIFT);
}

static int refuse_split(struct vm_area_struct *vma, unsigned long address)
{
	return -EINVAL;
}

#ifdef VMALAB_HAS_MAPPED
static int note_mapped(unsigned long start, unsigned long end, pgoff_t pgoff, const struct file *file, void **data)
{
	vmalab_print("log mapped %lx-%lx\n", start >> PAGE_SHIFT, end >> PAGE_SHIFT);
	return prepared.objects;
}
#define MAPPED .mapped = note_mapped
#else
#define MAPPED .open = note_open
#endif

/* By their hooks: none, close, nosplit, both. */
static const struct vm_operations_struct operations[4] = {
	{ .open = note_open, MAPPED },
	{ .open = note_open, .close = note_close, MAPPED },
	{ .open = note_open, .may_split = refuse_split, MAPPED },
	{ .open = note_open, .close = note_close, .may_split = refuse_split, MAPPED },
};

static int mmap_case_file(struct file *file, struct vm_area_struct *vma)
{
	vmalab_print("log mmap %lx-%lx\n", vma->vm_start >> PAGE_SHIFT, vma->vm_end >> PAGE_SHIFT);
	if (file_error)
		return file_error;
	vmalab_set_flags(vma, vma->vm_flags | file_adds);
	vma->vm_ops = bench_mapping;
	return 0;
}

static const struct file_operations case_operations = { .mmap = mmap_case_file };

static struct file *file_of(const char *name);

#ifdef VMALAB_HAS_MMAP_PREPARE
static int prepare_case_file(struct vm_area_desc *desc)
{
	struct file *file = file_of(prepared.file);

	PREPARE_FLAGS(desc, prepared.flags);
	if (prepared.moved)
		desc->pgoff = prepared.pgoff;
	if (file)
		desc->vm_file = get_file(file);
	desc->vm_ops = prepared.operations < 0 ? NULL : &operations[prepared.operations];
#ifdef VMALAB_HAS_MMAP_ACTION
	desc->action.error_override = prepared.override;
	desc->action.hide_from_rmap_until_complete = prepared.hides;
#endif
	return 0;
}

static const struct file_operations preparing_operations = { .mmap_prepare = prepare_case_file };
#endif

static const struct file_operations *operations_of_file(const char *name)
{
#ifdef VMALAB_HAS_MMAP_PREPARE
	if (bench_same(name, prepares))
		return &preparing_operations;
#endif
	return &case_operations;
}

static struct file *file_of(const char *name)
{
	struct named *named;
	char path[48];
	int i;

	if (bench_same(name, "-"))
		return NULL;
	named = find(files, name);
	if (named->object)
		return named->object;
	named->object = vmalab_file(name, F_SEAL_SEAL, operations_of_file(name));
	/* No page lies beyond its end. */
	i_size_write(file_inode(named->object), MAX_LFS_FILESIZE);
	for (i = 0; name[i] && name[i] != '#'; i++)
		path[i] = name[i];
	path[i] = 0;
	if (name[i]) {
		/* Another open of the same file. */
		struct file *first = file_of(path), *file = named->object;

		file->f_inode = first->f_inode;
		file->f_mapping = first->f_mapping;
	}
	return named->object;
}

static struct vm_userfaultfd_ctx context_of(const char *name)
{
	struct vm_userfaultfd_ctx context = NULL_VM_UFFD_CTX;
	struct named *named;

	if (bench_same(name, "-"))
		return context;
	named = find(contexts, name);
	if (!named->object)
		named->object = vmalab_alloc(1024);
	context.ctx = named->object;
	return context;
}

static struct anon_vma_name *anon_name_of(const char *name)
{
	struct named *named;

	if (bench_same(name, "-"))
		return NULL;
	named = find(names, name);
	if (!named->object)
		named->object = anon_vma_name_alloc(name);
	return named->object;
}

/* Words of a kind from `at` on: file, name, userfaultfd, operations, flags. */
struct kind bench_kind(const struct command *command, int at)
{
	struct kind kind = {
		.flags = bench_flags(command->word[at + 4]),
		.file = file_of(command->word[at]),
		.uffd = context_of(command->word[at + 2]),
		.name = anon_name_of(command->word[at + 1]),
	};

	if (command->word[at + 3][0] != '-')
		kind.ops = &operations[command->word[at + 3][0] - '0'];
	bench_mapping = kind.ops;
	return kind;
}

/* Building. */

struct vm_area_struct *bench_new_vma(unsigned long start, unsigned long end, unsigned long pgoff, struct kind kind)
{
	struct vm_area_struct *vma = vm_area_alloc(mm);

	vma->vm_start = start;
	vma->vm_end = end;
	vma->vm_pgoff = pgoff;
#ifdef VMALAB_VMG_HAS_ANON_PGOFF
	vma_set_anon_pgoff(vma, kind.ops ? start >> PAGE_SHIFT : pgoff);
#endif
	vmalab_set_flags(vma, kind.flags);
	vma->vm_ops = kind.ops;
	vma->vm_userfaultfd_ctx = kind.uffd;
	if (kind.name)
		vma->anon_name = anon_vma_name_reuse(kind.name);
	if (kind.file)
		vma->vm_file = get_file(kind.file);
	return vma;
}

static int clone(struct vm_area_struct *vma, struct vm_area_struct *from)
{
#ifdef VMALAB_CLONE_TAKES_OPERATION
	return anon_vma_clone(vma, from, VMA_OP_SPLIT);
#else
	return anon_vma_clone(vma, from);
#endif
}

/* An anon_vma of its own, whatever the neighbours have. */
static void prepare_alone(struct vm_area_struct *vma)
{
	struct mm_struct *own = vma->vm_mm;
	MA_STATE(mas, &bench_scratch->mm_mt, vma->vm_start, vma->vm_end - 1);

	vma->vm_mm = bench_scratch;
	mas_store_gfp(&mas, vma, GFP_KERNEL);
	anon_vma_prepare(vma);
	mas_set_range(&mas, vma->vm_start, vma->vm_end - 1);
	mas_store_gfp(&mas, NULL, GFP_KERNEL);
	vma->vm_mm = own;
}

/* Links a VMA to the anon_vmas of a chain, `a2<a1`: its own first, then its ancestors'. */
static void chain(struct vm_area_struct *vma, const char *text)
{
	char own[16];
	struct named *named;
	int i;

	for (i = 0; text[i] && text[i] != '<' && i < 15; i++)
		own[i] = text[i];
	own[i] = 0;
	named = find(anon_vmas, own);
	if (named->holder) {
		vma->anon_vma = named->holder->anon_vma;
		clone(vma, named->holder);
		return;
	}
	if (text[i] == '<') {
		struct vm_area_struct *parent = vm_area_alloc(bench_scratch);

		parent->vm_start = vma->vm_start;
		parent->vm_end = vma->vm_end;
		parent->vm_pgoff = vma->vm_pgoff;
		parents[parent_count++] = parent;
		chain(parent, text + i + 1);
		anon_vma_fork(vma, parent);
	} else {
		prepare_alone(vma);
	}
	named->object = vma->anon_vma;
	named->holder = vma;
}

static void count_pages(unsigned long flags, long pages)
{
	vm_stat_account(mm, flags, pages);
	if (flags & VM_LOCKED)
		mm->locked_vm += pages;
}

/* Puts a VMA into the tree, and among the mappers of its file, as it is. */
static void link_vma(struct vm_area_struct *vma)
{
	MA_STATE(mas, &mm->mm_mt, vma->vm_start, vma->vm_end - 1);

	if (mas_store_gfp(&mas, vma, GFP_KERNEL))
		vmalab_die("the layout of a case cannot be built");
	if (vma->vm_file) {
		struct address_space *mapping = vma->vm_file->f_mapping;

		if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE))
			mapping_allow_writable(mapping);
#ifdef VMALAB_HAS_MAPPING_RMAP
		mapping_rmap_tree_insert(vma, mapping);
#else
		vma_interval_tree_insert(vma, &mapping->i_mmap);
#endif
	}
	mm->map_count++;
}

/* vma START END PGOFF CHAIN FILE NAME UFFD OPS FLAGS */
static void build_vma(const struct command *command)
{
	unsigned long start = bench_number(command->word[1]) << PAGE_SHIFT;
	unsigned long end = bench_number(command->word[2]) << PAGE_SHIFT;
	struct kind kind = bench_kind(command, 5);
	struct vm_area_struct *vma = bench_new_vma(start, end, bench_number(command->word[3]), kind);
	unsigned long account = kind.flags & VM_ACCOUNT;

	if (command->word[4][0] != '-')
		chain(vma, command->word[4]);
	/* Nobody is asked whether there is memory enough, and nobody chooses another offset. */
	link_vma(vma);
	if (account)
		vm_acct_memory((end - start) >> PAGE_SHIFT);
	count_pages(kind.flags, (end - start) >> PAGE_SHIFT);
}

/* Reading back. */

static void print_chain(struct vm_area_struct *vma)
{
	struct anon_vma_chain *link;
	const char *own = vma->anon_vma ? name_of(anon_vmas, vma->anon_vma, "a?") : "-";

	vmalab_print(" %s", own);
	list_for_each_entry(link, &vma->anon_vma_chain, same_vma)
		if (link->anon_vma != vma->anon_vma)
			vmalab_print("<%s", name_of(anon_vmas, link->anon_vma, "a?"));
}

static int operations_of(struct vm_area_struct *vma)
{
	int i;

	for (i = 0; i < 4; i++)
		if (vma->vm_ops == &operations[i])
			return '0' + i;
	return vma->vm_ops ? '0' : '-';
}

static void print_vmas(void)
{
	struct vm_area_struct *vma;
	VMA_ITERATOR(vmi, mm, 0);

	for_each_vma(vmi, vma) {
		vmalab_print("vma %lx %lx %lx", vma->vm_start >> PAGE_SHIFT, vma->vm_end >> PAGE_SHIFT, vma->vm_pgoff);
		print_chain(vma);
		vmalab_print(" %s %s %s %c ", vma->vm_file ? name_of(files, vma->vm_file, "?") : "-",
			     anon_vma_name(vma) ? anon_vma_name(vma)->name : "-",
			     vma->vm_userfaultfd_ctx.ctx ? name_of(contexts, vma->vm_userfaultfd_ctx.ctx, "?") : "-",
			     operations_of(vma));
		bench_print_flags(vma->vm_flags);
		vmalab_print("\n");
	}
	vmalab_print("count map_count %d\n", mm->map_count);
}

/* adopt START CHAIN FILE: names that stand for nothing yet name what was made there. */
static void adopt(const struct command *command)
{
	struct vm_area_struct *vma = find_vma(mm, bench_number(command->word[1]) << PAGE_SHIFT);
	struct named *named;

	if (!vma)
		return;
	if (command->word[2][0] != '-' && vma->anon_vma && *name_of(anon_vmas, vma->anon_vma, "") == 0) {
		named = find(anon_vmas, command->word[2]);
		named->object = named->object ? named->object : vma->anon_vma;
	}
	if (command->word[3][0] != '-' && vma->vm_file && *name_of(files, vma->vm_file, "") == 0) {
		named = find(files, command->word[3]);
		named->object = named->object ? named->object : vma->vm_file;
	}
}

/* Settings, and the end. */

void bench_set_mm_flag(struct mm_struct *mm, int flag)
{
	if (flag < 0) {
		vmalab_print("none-such\n");
		return;
	}
#ifdef VMALAB_HAS_MM_FLAGS
	mm_flags_set(flag, mm);
#else
	set_bit(flag, &mm->flags);
#endif
}

/* 0 when there is no such setting, or this tree's files cannot do it. */
static int set_prepared(const char *what, const char *value)
{
#ifdef VMALAB_HAS_MMAP_PREPARE
	if (bench_same(what, "prepares"))
		vmalab_copy_text(prepares, value, sizeof(prepares)), vmalab_copy_text(prepared.file, "-", 2);
	else if (bench_same(what, "prepared_flags"))
		prepared.flags = bench_flags(value);
	else if (bench_same(what, "prepared_pgoff"))
		prepared.pgoff = bench_number(value), prepared.moved = 1;
	else if (bench_same(what, "prepared_file"))
		vmalab_copy_text(prepared.file, value, sizeof(prepared.file));
	else if (bench_same(what, "prepared_operations"))
		prepared.operations = value[0] == '-' ? -1 : value[0] - '0';
#ifdef VMALAB_HAS_MAPPED
	else if (bench_same(what, "objects"))
		prepared.objects = -(long)bench_number(value);
#endif
#ifdef VMALAB_HAS_MMAP_ACTION
	else if (bench_same(what, "override"))
		prepared.override = -(long)bench_number(value);
	else if (bench_same(what, "hides"))
		prepared.hides = 1;
#endif
	else
		return 0;
	return 1;
#else
	return 0;
#endif
}

static void set(const char *what, const char *value)
{
	unsigned long number = bench_number(value);

	if (bench_same(what, "max_map_count"))
		sysctl_max_map_count = number;
	else if (bench_same(what, "stack_guard_gap"))
		stack_guard_gap = number << PAGE_SHIFT;
	else if (bench_same(what, "mmap_min_addr"))
		vmalab_set_min_addr(number << PAGE_SHIFT);
	else if (bench_same(what, "task_size"))
		task_size = mm->task_size = number << PAGE_SHIFT;
	else if (bench_same(what, "overcommit"))
		sysctl_overcommit_memory = number;
	else if (bench_same(what, "total_ram"))
		vmalab_set_memory(number);
	else if (bench_same(what, "commit_limit"))
		/* Half of memory, without reserves. */
		vmalab_set_memory(2 * number);
	else if (bench_same(what, "on") && bench_same(value, "ksm"))
		bench_set_mm_flag(mm, MMF_VM_MERGE_ANY);
	else if (bench_same(what, "on") && bench_same(value, "mdwe"))
		bench_set_mm_flag(mm, MMF_HAS_MDWE);
	else if (bench_same(what, "on") && bench_same(value, "stack_grows_up") && IS_ENABLED(CONFIG_STACK_GROWSUP))
		;
	else if (bench_same(what, "def_flags"))
		mm->def_flags = bench_flags(value);
	else if (bench_same(what, "adds"))
		file_adds = bench_flags(value);
	else if (bench_same(what, "refuses"))
		file_error = -(long)number;
	else if (!set_prepared(what, value))
		vmalab_print("none-such\n");
}

static void begin(void)
{
	mm = vmalab_empty_mm();
	bench_scratch = vmalab_new_mm();
	mmap_write_lock(bench_scratch);
	mmap_write_lock(mm);
}

static void print_cache(const char *name, long active)
{
	vmalab_print("cache %s %ld\n", name, active);
}

/* Everything is unmapped, and parents and names let go: what is left leaks. */
static void end(void)
{
	struct vm_area_struct *vma;
	VMA_ITERATOR(vmi, mm, 0);

	for_each_vma(vmi, vma)
		vmalab_set_flags(vma, vma->vm_flags & ~vmalab_sealed());
	task_size = mm->task_size = TOP;
	do_munmap(mm, 0, TASK_SIZE, NULL);
	while (parent_count) {
		unlink_anon_vmas(parents[--parent_count]);
		vm_area_free(parents[parent_count]);
	}
	mmap_write_unlock(mm);
	mmap_write_unlock(bench_scratch);
	vmalab_free_mm(bench_scratch);
	vmalab_drop_mm();
	vmalab_grace_period();
	vmalab_cache_counts(print_cache);
}

static void split(char *line, struct command *command)
{
	memset(command, 0, sizeof(*command));
	while (*line && command->count < WORDS) {
		command->word[command->count++] = line;
		while (*line && *line != ' ')
			line++;
		if (*line)
			*line++ = 0;
	}
	while (command->count < WORDS)
		command->word[command->count++] = "-";
}

static void run(const struct command *command)
{
	const char *what = command->word[0];

	if (process_command(command))
		return;
	if (bench_same(what, "begin"))
		begin();
	else if (bench_same(what, "set"))
		set(command->word[1], command->word[2]);
	else if (bench_same(what, "limit"))
		current->signal->rlim[bench_number(command->word[1])].rlim_cur = bench_number(command->word[2]);
	else if (bench_same(what, "vma"))
		build_vma(command);
	else if (bench_same(what, "fail"))
		vmalab_cache_fail(command->word[1], bench_number(command->word[2]));
	else if (bench_same(what, "words"))
		bench_print_flags(~0UL), vmalab_print("\n");
	else if (bench_same(what, "asked"))
		vmalab_print("asked %ld\n", vmalab_cache_asked()), vmalab_cache_fail("", 0);
	else if (bench_same(what, "vmas"))
		print_vmas();
	else if (bench_same(what, "mark"))
		vmalab_print("mark\n");
	else if (bench_same(what, "descriptor"))
		vmalab_install(get_file(file_of(command->word[1])));
	else if (bench_same(what, "mapping"))
		bench_kind(command, 1);
	else if (bench_same(what, "adopt"))
		adopt(command);
	else if (bench_same(what, "end"))
		end();
	else if (!bench_operation(mm, command))
		vmalab_print("none-such\n");
}

/* Lines of commands. */
void vmalab_bench(char *text)
{
	struct command command;

	while (*text) {
		char *line = text;

		while (*text && *text != '\n')
			text++;
		if (*text)
			*text++ = 0;
		split(line, &command);
		run(&command);
	}
}
