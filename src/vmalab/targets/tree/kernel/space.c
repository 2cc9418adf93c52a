// SPDX-License-Identifier: GPL-2.0-or-later
/* The one task, its address spaces, fork and exit: what kernel/fork.c and exec do around the VMA core. */
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include "tree.h"

#define MAX_DEPTH 16

struct task_struct *vmalab_current;
unsigned long vmalab_caps;
static struct task_struct *task;
static struct signal_struct *signals;
static struct cred *cred;
static struct user_namespace *namespace;
static struct mm_struct *stack[MAX_DEPTH];
static struct rlimit rlimits[MAX_DEPTH][RLIM_NLIMITS];
static int depth;

/* Symbols of files that are not linked. */
unsigned long task_size = TOP;
unsigned long max_mapnr = 1 << 20;
unsigned long mmap_min_addr = 65536;
atomic_long_t _totalram_pages = ATOMIC_LONG_INIT(4 << 20);
long total_swap_pages;
struct user_namespace init_user_ns;
struct mm_struct init_mm;

int __weak vma_state_dummy;
void __weak vma_state_init(void);
int __weak userfaultfd_init(void);
int __weak ksm_init(void);
void __weak maple_tree_init(void);
int __weak init_admin_reserve(void);
int __weak init_user_reserve(void);
void __weak vmalab_fork_boot(void);

void vmalab_boot(void)
{
	int i;

	task = vmalab_alloc(sizeof(*task) + 4096);
	task->stack = vmalab_alloc(2 * THREAD_SIZE);
	signals = vmalab_alloc(sizeof(*signals));
	cred = vmalab_alloc(sizeof(*cred));
	namespace = vmalab_alloc(sizeof(*namespace));
	vmalab_current = task;
	for (i = 0; i < RLIM_NLIMITS; i++)
		signals->rlim[i].rlim_cur = signals->rlim[i].rlim_max = RLIM_INFINITY;
	refcount_set(&task->usage, 1);
	task->signal = signals;
	task->group_leader = task;
	task->pid = task->tgid = 20000;
	task->thread_pid = vmalab_alloc(sizeof(struct pid) + sizeof(struct upid));
	task->thread_pid->numbers[0].ns = vmalab_alloc(sizeof(struct pid_namespace));
	INIT_LIST_HEAD(&task->tasks);
	INIT_LIST_HEAD(&task->thread_node);
	cred->user_ns = namespace;
	rcu_assign_pointer(task->cred, cred);
	rcu_assign_pointer(task->real_cred, cred);
	if (maple_tree_init)
		maple_tree_init();
	if (vma_state_init)
		vma_state_init();
	if (vmalab_fork_boot)
		vmalab_fork_boot();
	anon_vma_init();
	if (userfaultfd_init)
		userfaultfd_init();
	if (ksm_init)
		ksm_init();
	sysctl_overcommit_memory = OVERCOMMIT_GUESS;
	sysctl_user_reserve_kbytes = 131072;
	sysctl_admin_reserve_kbytes = 8192;
}

static void init_mm_fields(struct mm_struct *mm)
{
	mt_init_flags(&mm->mm_mt, MM_MT_FLAGS);
	mt_set_external_lock(&mm->mm_mt, &mm->mmap_lock);
	atomic_set(&mm->mm_users, 1);
	atomic_set(&mm->mm_count, 1);
	init_rwsem(&mm->mmap_lock);
	INIT_LIST_HEAD(&mm->mmlist);
	mm->map_count = 0;
	mm->locked_vm = 0;
	atomic64_set(&mm->pinned_vm, 0);
	memset(&mm->rss_stat, 0, sizeof(mm->rss_stat));
	spin_lock_init(&mm->page_table_lock);
	spin_lock_init(&mm->arg_lock);
	mm->pgd = vmalab_alloc(PAGE_SIZE);
}

struct mm_struct *vmalab_new_mm(void)
{
	struct mm_struct *mm = vmalab_alloc(sizeof(*mm) + PAGE_SIZE);

	init_mm_fields(mm);
	mm->task_size = TASK_SIZE;
#if defined(VMALAB_HAS_MM_FLAGS)
	mm_flags_set(MMF_TOPDOWN, mm);
#elif defined(MMF_TOPDOWN)
	set_bit(MMF_TOPDOWN, &mm->flags);
#else
	mm->get_unmapped_area = arch_get_unmapped_area_topdown;
#endif
	return mm;
}

void vmalab_free_mm(struct mm_struct *mm)
{
	exit_mmap(mm);
	vmalab_free(mm->pgd);
	vmalab_free(mm);
}

/* Maps anonymous memory as exec does, without asking anybody. */
struct vm_area_struct *vmalab_map(struct mm_struct *mm, unsigned long start, unsigned long end, unsigned long flags,
				  unsigned long pgoff)
{
	struct vm_area_struct *vma = vm_area_alloc(mm);

	vma->vm_start = start;
	vma->vm_end = end;
	vma->vm_pgoff = pgoff;
	vmalab_set_flags(vma, flags);
	vma_set_anonymous(vma);
	if (insert_vm_struct(mm, vma))
		vmalab_die("the first mapping cannot be made");
	return vma;
}

void vmalab_begin(unsigned long uid, unsigned long caps, unsigned long limits[][3], int count)
{
	unsigned long gap = 8 << 20;
	struct vm_area_struct *vma;
	struct mm_struct *mm = vmalab_new_mm();
	int i;

	vmalab_caps = uid ? 0 : caps;
	cred->uid = cred->euid = cred->fsuid = KUIDT_INIT(uid);
	for (i = 0; i < count; i++) {
		signals->rlim[limits[i][0]].rlim_cur = limits[i][1];
		signals->rlim[limits[i][0]].rlim_max = limits[i][2];
		if (limits[i][0] == RLIMIT_STACK)
			gap = limits[i][1];
	}
	if (gap + stack_guard_gap > gap)
		gap += stack_guard_gap;
	gap = clamp(gap, 128UL << 20, TOP / 6 * 5);
	mm->mmap_base = PAGE_ALIGN(TOP - gap);
#ifdef HAVE_ARCH_COMPAT_MMAP_BASES
	mm->mmap_legacy_base = PAGE_ALIGN(TOP / 3);
#endif
	mm->start_brk = mm->brk = HEAP_BEGIN;
	mm->start_stack = STACK_TOP_HERE - 4096;
	task->mm = task->active_mm = mm;
	mmap_write_lock(mm);
	vma = vmalab_map(mm, STACK_TOP_HERE - 33 * PAGE_SIZE, STACK_TOP_HERE, VM_STACK_FLAGS | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC,
			 (STACK_TOP_HERE >> PAGE_SHIFT) - 33);
	anon_vma_prepare(vma);
	vm_stat_account(mm, vma->vm_flags, 33);
	mmap_write_unlock(mm);
	depth = 0;
	stack[0] = mm;
	vmalab_open_standard();
}

struct mm_struct *vmalab_empty_mm(void)
{
	vmalab_free_mm(stack[0]);
	stack[0] = vmalab_new_mm();
	task->mm = task->active_mm = stack[0];
	return stack[0];
}

void vmalab_drop_mm(void)
{
	vmalab_empty_mm();
}

void vmalab_set_min_addr(unsigned long address)
{
	mmap_min_addr = address;
}

void vmalab_set_memory(unsigned long pages)
{
	atomic_long_set(&_totalram_pages, pages);
	sysctl_user_reserve_kbytes = sysctl_admin_reserve_kbytes = 0;
}

static int copy_mappings(struct mm_struct *mm, struct mm_struct *old)
{
#ifdef VMALAB_HAS_DUP_MMAP
	return dup_mmap(mm, old);
#else
	extern int vmalab_dup_mmap(struct mm_struct *mm, struct mm_struct *old);

	return vmalab_dup_mmap(mm, old);
#endif
}

/* fork: the child carries the stream on. */
long vmalab_fork(void)
{
	struct mm_struct *old = task->mm, *mm;
	int error;

	if (depth + 1 == MAX_DEPTH)
		return -EAGAIN;
	mm = vmalab_alloc(sizeof(*mm) + PAGE_SIZE);
	memcpy(mm, old, sizeof(*mm));
	init_mm_fields(mm);
	mm->def_flags = old->def_flags & VM_INIT_DEF_MASK;
	error = copy_mappings(mm, old);
	if (error) {
		vmalab_free_mm(mm);
		return error;
	}
	vmalab_fork_files();
	memcpy(rlimits[depth], signals->rlim, sizeof(signals->rlim));
	stack[++depth] = mm;
	task->mm = task->active_mm = mm;
	return 1;
}

void vmalab_exit_child(void)
{
	if (!depth)
		return;
	vmalab_free_mm(stack[depth]);
	vmalab_close_all();
	task->mm = task->active_mm = stack[--depth];
	memcpy(signals->rlim, rlimits[depth], sizeof(signals->rlim));
}

static void check_cache(const char *name, long active)
{
	if (active && (!strcmp(name, "vm_area_struct") || !strncmp(name, "anon_vma", 8) || !strcmp(name, "maple_node")))
		vmalab_die("%ld objects of %s leak", active, name);
}

/* The end of a stream: all is given back, or it leaks. */
void vmalab_end(void)
{
	while (depth)
		vmalab_exit_child();
	vmalab_free_mm(stack[0]);
	vmalab_close_all();
	vmalab_grace_period();
	vmalab_cache_counts(check_cache);
}

unsigned long vmalab_brk(void)
{
	return task->mm->brk;
}

void vmalab_counts(unsigned long counts[2])
{
	counts[0] = task->mm->map_count;
	counts[1] = task->mm->total_vm;
}

unsigned long vmalab_stat(int field)
{
	return field == 28 ? task->mm->start_stack : 0;
}

int vmalab_setting(const char *name, long *value, int write)
{
	int *number = 0;

	if (!strcmp(name, "vm/max_map_count"))
		number = &sysctl_max_map_count;
	else if (!strcmp(name, "vm/overcommit_memory"))
		number = &sysctl_overcommit_memory;
	if (number && write)
		*number = *value;
	if (number)
		return *value = *number, 1;
	if (!strcmp(name, "vm/mmap_min_addr"))
		return *value = mmap_min_addr, 1;
	if (!strcmp(name, "vm/user_reserve_kbytes"))
		return *value = sysctl_user_reserve_kbytes, 1;
	if (!strcmp(name, "vm/admin_reserve_kbytes"))
		return *value = sysctl_admin_reserve_kbytes, 1;
	if (!strcmp(name, "vm/overcommit_ratio"))
		return *value = 50, 1;
	if (!strcmp(name, "vm/legacy_va_layout") || !strcmp(name, "vm/memfd_noexec") ||
	    !strcmp(name, "vm/unprivileged_userfaultfd"))
		return *value = 0, 1;
	return 0;
}
