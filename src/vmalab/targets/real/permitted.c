// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which calls a worker makes, with which arguments: a table, and the seccomp filter made of it.
 *
 * The filter holds even for a worker whose own memory a stream has overwritten. What a filter cannot
 * see, the names of files and the descriptors of the executor's own, is looked at before each call.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "executor.h"

/* A call may be made when the argument, masked, lies in [low, high]; rows of one call are alternatives. */
struct rule {
	u16 nr;
	u16 argument;
	u32 mask, low, high;
};

#define ANY(nr) { nr, 0, 0, 0, 0 }
#define ONE(nr, argument, value) { nr, argument, ~0U, value, value }
#define RANGE(nr, argument, low, high) { nr, argument, ~0U, low, high }

static const struct rule rules[] = {
	ANY(__NR_mmap), ANY(__NR_mprotect), ANY(__NR_munmap), ANY(__NR_brk), ANY(__NR_mremap), ANY(__NR_msync),
	ANY(__NR_mincore), ANY(__NR_shmget), ANY(__NR_shmat), ANY(__NR_shmctl), ANY(__NR_shmdt), ANY(__NR_dup),
	ANY(__NR_dup2), ANY(__NR_dup3), ANY(__NR_ftruncate), ANY(__NR_fallocate), ANY(__NR_close),
	ANY(__NR_close_range), ANY(__NR_getrlimit), ANY(__NR_setrlimit), ANY(__NR_personality), ANY(__NR_mlock),
	ANY(__NR_mlock2), ANY(__NR_munlock), ANY(__NR_mlockall), ANY(__NR_munlockall),
	ANY(__NR_remap_file_pages), ANY(__NR_mbind), ANY(__NR_set_mempolicy), ANY(__NR_get_mempolicy),
	ANY(__NR_memfd_create), ANY(__NR_userfaultfd), ANY(__NR_pkey_mprotect), ANY(__NR_pkey_alloc),
	ANY(__NR_pkey_free), ANY(__NR_io_destroy), ANY(__NR_fork),
	ANY(__NR_pipe2),
	/* memfd_secret, set_mempolicy_home_node, cachestat, map_shadow_stack, mseal: newer than some headers. */
	ANY(447), ANY(450), ANY(451), ANY(453), ANY(462),
	/* Not 100 and 101, which would take pages away from the machine for good. */
	RANGE(__NR_madvise, 2, 0, 99), RANGE(__NR_madvise, 2, 102, ~0U),
	/* SET_MM, SET/GET_THP_DISABLE, SET/GET_MDWE and SET/GET_MEMORY_MERGE, SET_VMA. */
	ONE(__NR_prctl, 0, 35), RANGE(__NR_prctl, 0, 41, 42), RANGE(__NR_prctl, 0, 65, 68),
	ONE(__NR_prctl, 0, 0x53564d41),
	/* GET/SET_KEEPCAPS, CAPBSET_READ/DROP, GET/SET_SECUREBITS, CAP_AMBIENT: none gives a right. */
	RANGE(__NR_prctl, 0, 7, 8), RANGE(__NR_prctl, 0, 23, 24), RANGE(__NR_prctl, 0, 27, 28),
	ONE(__NR_prctl, 0, 47),
	/* One byte, to clear_refs of a guest's, or to a file of the stream's. */
	ONE(__NR_write, 2, 1),
	/* Who the worker is: 0, nobody, or as before (see has_known_ids). */
	ANY(__NR_setuid), ANY(__NR_setgid), ANY(__NR_setreuid), ANY(__NR_setregid), ANY(__NR_setresuid),
	ANY(__NR_setresgid), ANY(__NR_setfsuid), ANY(__NR_setfsgid), ANY(__NR_capset),
	/* Those of shadow stacks. */
	RANGE(__NR_arch_prctl, 0, 0x5001, 0x5005),
	/* Those of userfaultfd. */
	{ __NR_ioctl, 1, 0xff00, 0xaa00, 0xaa00 },
	/* Of this process only. */
	ONE(__NR_prlimit64, 0, 0), ONE(__NR_migrate_pages, 0, 0),
	/* Duplicates, flags, seals: no signals to others, no leases. */
	RANGE(__NR_fcntl, 1, 0, 4), ONE(__NR_fcntl, 1, 1030), RANGE(__NR_fcntl, 1, 1033, 1034),
	/* A plain fork, and one that shares its memory: see do_fork. */
	{ __NR_clone, 0, ~0x01204100U, 17, 17 },
	/* A thread, with its descriptors shared or not. */
	{ __NR_clone, 0, ~0x400U, 0x50b00, 0x50b00 },
	/* All processes of a machine share one number of these. */
	RANGE(__NR_io_setup, 0, 0, 4096),
};

/*
 * The same of calls that come by int 0x80: numbers of i386, what they are here, and which argument must
 * lie where. Their arguments have 32 bits.
 */
static const struct { struct rule rule; u16 nr; } rules_32[] = {
	{ ANY(192), __NR_mmap }, { ANY(91), __NR_munmap }, { ANY(125), __NR_mprotect },
	{ ANY(163), __NR_mremap }, { ANY(45), __NR_brk }, { ANY(144), __NR_msync }, { ANY(150), __NR_mlock },
	{ ANY(151), __NR_munlock }, { ANY(376), __NR_mlock2 }, { ANY(153), __NR_munlockall },
	{ ANY(136), __NR_personality }, { ANY(257), __NR_remap_file_pages },
	{ RANGE(219, 2, 0, 99), __NR_madvise }, { RANGE(219, 2, 102, ~0U), __NR_madvise },
	{ ANY(397), __NR_shmat }, { ANY(398), __NR_shmdt },
};

/* What the worker itself needs besides, as long as it lives; streams have no call of these. */
static const struct rule own[] = {
	ANY(__NR_read), ONE(__NR_write, 0, OUT_FD), ONE(__NR_pread64, 0, MEMORY_FD),
	ONE(__NR_pwrite64, 0, MEMORY_FD), ANY(__NR_openat2), ONE(__NR_unlinkat, 0, PLACE_FD),
	ANY(__NR_exit_group), ANY(__NR_wait4), ANY(__NR_alarm), ANY(__NR_clock_gettime),
	ANY(__NR_rt_sigreturn), ANY(__NR_restart_syscall), ONE(__NR_prctl, 0, 1),
	/* To take turns, and to see that a thread is gone. */
	ANY(__NR_epoll_create1), ANY(__NR_epoll_ctl), ANY(__NR_epoll_wait),
	ANY(__NR_futex), ANY(__NR_sched_yield), ANY(__NR_gettid), ANY(__NR_exit), ONE(__NR_tkill, 1, 0),
};

#define COUNT(table) (sizeof(table) / sizeof(*table))

/* Descriptors. */

static int is_own_fd(u32 fd)
{
	return fd >= IN_FD && fd <= LAST_OWN_FD;
}

static int keeps_own_fds(u64 nr, const u64 *a)
{
	switch (nr) {
	case __NR_close:
	case __NR_ftruncate:
	case __NR_fallocate:
	case __NR_dup:
	case __NR_write:
	case __NR_fcntl:
	case __NR_ioctl:
	case __NR_openat:
		return !is_own_fd((u32)a[0]);
	case __NR_dup2:
	case __NR_dup3:
		return !is_own_fd((u32)a[0]) && !is_own_fd((u32)a[1]);
	case __NR_close_range:
		return (u32)a[0] > LAST_OWN_FD || (u32)a[1] < IN_FD;
	case __NR_mmap:
		/* The memory that a guest shares is that of its machine. */
		return a[3] & 0x20 || (u32)a[4] != MEMORY_FD;
	}
	return 1;
}

/* Names of files. */

#define IN_GOLD "/dev/shm/gold/"
/* openat ignores what it does not know, openat2 refuses it. */
#define VALID_FLAGS 037777703UL
#define PATH_FLAGS 012600000UL
#define MAKING_FLAGS 020000100UL
#define LARGE_FILE 0100000UL

int is_scratch(u64 address)
{
	return address - (u64)scratch < SCRATCH_SIZE;
}

/* Whether it names something right in the worker's folder, or is an address that nothing can be at. */
static int is_own_name(u64 address)
{
	const char *path = (const char *)address;
	u64 i;

	if (!is_scratch(address))
		return address < 65536 || address >> 47;
	if (starts_with(path, IN_GOLD))
		path += sizeof(IN_GOLD) - 1;
	for (i = 0; path[i]; i++)
		if (path[i] == '/')
			return 0;
	return !(path[0] == '.' && path[1] == '.');
}

/* The same name without its folders. */
static const char *name_in_place(u64 address)
{
	int is_long = is_scratch(address) && starts_with((const char *)address, IN_GOLD);

	return (const char *)address + (is_long ? sizeof(IN_GOLD) - 1 : 0);
}

static int is_zero_device(u64 address)
{
	const char *path = (const char *)address;

	return is_scratch(address) && starts_with(path, "/dev/zero") && !path[9];
}

#define CLEAR_REFS "/proc/self/clear_refs"
#define FD_LINK "/proc/self/fd/"

/* The link to a descriptor that is none of the executor's own: what it leads to is open already. */
static int is_fd_link(u64 address)
{
	const char *path = (const char *)address;
	u32 fd = 0, digits = 0;

	if (!is_scratch(address) || !starts_with(path, FD_LINK))
		return 0;
	for (path += sizeof(FD_LINK) - 1; *path >= '0' && *path <= '9' && digits < 4; path++, digits++)
		fd = fd * 10 + *path - '0';
	return !*path && digits && fd > 2 && fd < IN_FD;
}

/* Only a guest's /proc can be written to. */
static int is_clear_refs(u64 address)
{
	const char *path = (const char *)address;

	return abilities & IS_INIT && is_scratch(address) && starts_with(path, CLEAR_REFS) &&
	       !path[sizeof(CLEAR_REFS) - 1];
}

/* openat as openat2, which lets nothing lead out of the folder. */
static long open_in_place(const u64 *a)
{
	u64 flags = ((u32)a[2] & VALID_FLAGS) | LARGE_FILE, mode = 0;

	if (flags & PATH_ONLY)
		flags &= PATH_FLAGS;
	else if (flags & MAKING_FLAGS)
		mode = a[3] & 07777;
	if (is_zero_device(a[1]))
		return open_below_root("/dev/zero", flags);
	if (is_clear_refs(a[1]))
		return open_below_root(CLEAR_REFS, flags & ~MAKING_FLAGS);
	if (is_fd_link(a[1]))
		return open_link((const char *)a[1], flags & ~MAKING_FLAGS);
	return open_beneath((int)a[0] == AT_CWD ? PLACE_FD : (int)a[0], name_in_place(a[1]), flags, mode);
}

/* Who the worker is. */

#define NOBODY 65534U

static int sets_ids(u64 nr)
{
	switch (nr) {
	case __NR_setuid:
	case __NR_setgid:
	case __NR_setfsuid:
	case __NR_setfsgid:
		return 1;
	case __NR_setreuid:
	case __NR_setregid:
		return 2;
	case __NR_setresuid:
	case __NR_setresgid:
		return 3;
	}
	return 0;
}

/* No other user of the machine's is ever taken for the worker. */
static int has_known_ids(u64 nr, const u64 *a)
{
	int i, n = sets_ids(nr);

	for (i = 0; i < n; i++)
		if ((u32)a[i] != 0 && (u32)a[i] != NOBODY && (u32)a[i] != ~0U)
			return 0;
	return 1;
}

/* All of it. */

static int is_in_table(u64 nr, const u64 *a)
{
	u32 i;

	for (i = 0; i < COUNT(rules); i++) {
		const struct rule *rule = rules + i;
		u32 value = (u32)a[rule->argument] & rule->mask;

		if (rule->nr == nr && value >= rule->low && value <= rule->high)
			return 1;
	}
	return 0;
}

int is_permitted(u64 nr, const u64 *a)
{
	if (!keeps_own_fds(nr, a) || !has_known_ids(nr, a))
		return 0;
	switch (nr) {
	case __NR_openat:
		return is_zero_device(a[1]) || is_own_name(a[1]) || is_fd_link(a[1]) || is_clear_refs(a[1]);
	case __NR_write:
		return abilities & IS_INIT && is_scratch(a[1]) && a[2] == 1;
	case __NR_unlink:
		return is_own_name(a[0]);
	case __NR_pipe2:
		/* Nothing but what a stream has sent is written over. */
		return is_scratch(a[0]) || a[0] < 65536 || a[0] >> 47;
	case __NR_shmget:
	case __NR_shmat:
	case __NR_shmctl:
		/* Those of a machine are not ours; those of a guest are. */
		return (abilities & (CAN_IPC | IS_INIT)) != 0;
	case __NR_clone:
		if (a[1])
			return 0;
	}
	return is_in_table(nr, a);
}

/* One call by int 0x80, its answer with the sign of an error. */
long make_call_32(u64 number, const u64 *a)
{
	u64 b[6], i, nr;
	long result;

	for (i = 0; i < COUNT(rules_32); i++) {
		const struct rule *rule = &rules_32[i].rule;
		u32 value = (u32)a[rule->argument] & rule->mask;

		if (rule->nr == number && value >= rule->low && value <= rule->high)
			break;
	}
	if (i == COUNT(rules_32))
		return DENIED;
	nr = rules_32[i].nr;
	for (i = 0; i < 6; i++)
		b[i] = (u32)a[i];
	if (nr == __NR_mmap)
		b[5] <<= 12;
	if (!is_permitted(nr, b))
		return DENIED;
	if (is_over_bound(nr, b))
		return OVER_BOUND;
	result = int_0x80(number, a);
	return (u32)result > -4096U ? (int)result : (long)(u32)result;
}

long make_call(u64 nr, const u64 *a)
{
	long result;

	if (nr == __NR_openat)
		return open_in_place(a);
	if (nr == __NR_unlink)
		return sys(__NR_unlinkat, PLACE_FD, name_in_place(a[0]), 0, 0, 0);
	result = call6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (sets_ids(nr) || nr == __NR_capset)
		/* A change of rights may take it back. */
		end_with_parent();
	return result;
}

/* The filter. */

static struct sock_filter code[1024];
static u32 length;

static void emit(u16 what, u32 value, u8 if_true, u8 if_false)
{
	code[length++] = (struct sock_filter){ what, if_true, if_false, value };
}

static void emit_rule(const struct rule *rule)
{
	int is_simple = !rule->mask;

	emit(BPF_JMP | BPF_JEQ | BPF_K, rule->nr, 0, is_simple ? 1 : 6);
	if (!is_simple) {
		emit(BPF_LD | BPF_W | BPF_ABS, 16 + 8 * rule->argument, 0, 0);
		emit(BPF_ALU | BPF_AND | BPF_K, rule->mask, 0, 0);
		emit(BPF_JMP | BPF_JGE | BPF_K, rule->low, 0, 2);
		emit(BPF_JMP | BPF_JGT | BPF_K, rule->high, 1, 0);
	}
	emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	if (!is_simple)
		emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0);
}

void install_filter(void)
{
	struct sock_fprog program;
	long err;
	u32 i, other;

	length = 0;
	emit(BPF_LD | BPF_W | BPF_ABS, 4, 0, 0);
	emit(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	/* To what follows for i386, once it is known where. */
	other = length;
	emit(BPF_JMP | BPF_JA, 0, 0, 0);
	emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0);
	for (i = 0; i < COUNT(own); i++)
		emit_rule(own + i);
	for (i = 0; i < COUNT(rules); i++)
		if (rules[i].nr != __NR_write || abilities & IS_INIT)
			emit_rule(rules + i);
	emit(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	code[other].k = length - other - 1;
	emit(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 1, 0);
	emit(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0);
	for (i = 0; i < COUNT(rules_32); i++)
		emit_rule(&rules_32[i].rule);
	emit(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	program.len = length;
	program.filter = code;
	err = sys(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program, 0, 0);
	if (err) {
		/* Without privilege a filter needs that no new ones can be gained. */
		must("prctl(PR_SET_NO_NEW_PRIVS)", sys(__NR_prctl, 38, 1, 0, 0, 0));
		err = sys(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program, 0, 0);
	}
	must("seccomp", err);
}
