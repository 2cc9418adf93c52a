// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Takes away what the executor could do harm with, and makes the place that its workers work in.
 *
 * Each step is checked. Where one fails nothing is run, and its name and errno are reported.
 *
 * On a machine the executor gets namespaces of its own (mounts, processes, System V objects, network,
 * and users, unless it is privileged) and a root file system that holds nothing but /proc of its own
 * processes, /dev/zero, and the folder /dev/shm/gold: the machine's files have no name there. For each
 * stream a new tmpfs is mounted on that folder. A guest of QEMU is a machine of its own; there only the
 * folder is made.
 */
#include <linux/capability.h>
#include <linux/mount.h>

#include "executor.h"

#define NEW_MOUNTS 0x00020000UL
#define NEW_IPC 0x08000000UL
#define NEW_USERS 0x10000000UL
#define NEW_PROCESSES 0x20000000UL
#define NEW_NETWORK 0x40000000UL

/* Of openat. */
#define CREATE_NEW 0302

/* Of openat2: what a name must not lead through. */
#define NO_CROSSING 1
#define NO_MAGIC_LINKS 2
#define NO_LINKS 4
#define BENEATH 8

#define MNT_DETACH 2

/* Its inode's number. */
#define FIRST_USER_NAMESPACE 0xeffffffdUL

/* Of a user namespace. */
#define MAX_PROCESSES 256

#define GOLD "/dev/shm/gold"

/* openat2 below a folder, which neither links nor `..` lead out of. */
long open_beneath(int folder, const char *path, u64 flags, u64 mode)
{
	u64 how[3] = { flags, mode, BENEATH | NO_LINKS | NO_MAGIC_LINKS | NO_CROSSING };

	return sys(__NR_openat2, folder, path, how, sizeof(how), 0);
}

/* A file of the executor's own root, such as its /proc. */
long open_below_root(const char *path, u64 flags)
{
	u64 how[3] = { flags, 0, NO_MAGIC_LINKS };

	return sys(__NR_openat2, AT_CWD, path, how, sizeof(how), 0);
}

/* What a link of /proc leads to: the caller knows which. */
long open_link(const char *path, u64 flags)
{
	u64 how[3] = { flags, 0, 0 };

	return sys(__NR_openat2, AT_CWD, path, how, sizeof(how), 0);
}

void write_text(const char *step, int folder, const char *path, const char *text)
{
	long fd = must(step, sys(__NR_openat, folder, path, 1 | CLOSE_ON_EXEC, 0, 0));
	u64 length = length_of(text);
	long put = must(step, sys(__NR_write, fd, text, length, 0, 0));

	sys(__NR_close, fd, 0, 0, 0, 0);
	if ((u64)put != length)
		refuse(step, -5);
}

/* "0 ID 1": this user, or group, is 0, and nobody else exists. */
static void map_to_root(const char *path, u64 id)
{
	char text[32] = "0 ";
	u64 n = 2, power = 1;

	while (id / power >= 10)
		power *= 10;
	for (; power; power /= 10)
		text[n++] = '0' + id / power % 10;
	text[n++] = ' ';
	text[n++] = '1';
	text[n] = 0;
	write_text(path, AT_CWD, path, text);
}

static void enter_user_namespace(void)
{
	u64 uid = sys(__NR_geteuid, 0, 0, 0, 0, 0), gid = sys(__NR_getegid, 0, 0, 0, 0, 0);
	u64 limit[2], few[2] = { MAX_PROCESSES, MAX_PROCESSES };

	must("prlimit64(RLIMIT_NPROC)", sys(__NR_prlimit64, 0, 6, 0, limit, 0));
	if (limit[1] < MAX_PROCESSES)
		few[0] = few[1] = limit[1];
	/* Processes of a namespace are counted by themselves, from Linux 5.14 on. */
	must("prlimit64(RLIMIT_NPROC)", sys(__NR_prlimit64, 0, 6, few, 0, 0));
	must("unshare(CLONE_NEWUSER)", sys(__NR_unshare, NEW_USERS, 0, 0, 0, 0));
	write_text("/proc/self/setgroups", AT_CWD, "/proc/self/setgroups", "deny");
	map_to_root("/proc/self/uid_map", uid);
	map_to_root("/proc/self/gid_map", gid);
	abilities |= IN_USER_NAMESPACE;
}

void end_with_parent(void)
{
	must("prctl(PR_SET_PDEATHSIG)", sys(__NR_prctl, 1, 9, 0, 0, 0));
}

/* The process that goes on is number 1 of its namespace: whatever it began ends with it. */
static void become_first_process(void)
{
	int status = 0;
	long pid = must("fork", sys(__NR_fork, 0, 0, 0, 0, 0));

	end_with_parent();
	if (pid == 0)
		return;
	while (sys(__NR_wait4, pid, &status, 0, 0, 0) == ERR_INTR)
		;
	quit(status >> 8);
}

static void make_folder(const char *path)
{
	must(path, sys(__NR_mkdir, path, 0755, 0, 0, 0));
}

static void mount_on(const char *step, const char *what, const char *where, const char *type, u64 flags,
		     const char *options)
{
	must(step, sys(__NR_mount, what, where, type, flags, options));
}

static void keep_open(const char *path, u64 flags, int kept)
{
	long fd = must(path, sys(__NR_openat, AT_CWD, path, flags | CLOSE_ON_EXEC, 0, 0));

	must("dup3", sys(__NR_dup3, fd, kept, CLOSE_ON_EXEC, 0, 0));
	must("close", sys(__NR_close, fd, 0, 0, 0, 0));
}

/* From here on "/" is a file system of our own, and the machine's is out of reach. */
static void enter_own_root(void)
{
	u64 quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	mount_on("mount(/, MS_PRIVATE)", "none", "/", 0, MS_REC | MS_PRIVATE, 0);
	keep_open("/dev/zero", PATH_ONLY, ZERO_FD);
	mount_on("mount(tmpfs)", "tmpfs", "/dev", "tmpfs", quiet, "mode=755,size=64k,nr_inodes=64");
	must("chdir(/dev)", sys(__NR_chdir, "/dev", 0, 0, 0, 0));
	make_folder("proc");
	make_folder("dev");
	make_folder("dev/shm");
	make_folder("dev/shm/gold");
	must("creat(dev/zero)", sys(__NR_mknod, "dev/zero", 0100666, 0, 0, 0));
	mount_on("mount(proc)", "proc", "proc", "proc", quiet | MS_RDONLY, "subset=pid");
	mount_on("mount(/dev/zero)", "/proc/self/fd/204", "dev/zero", 0, MS_BIND, 0);
	must("close", sys(__NR_close, ZERO_FD, 0, 0, 0, 0));
	must("pivot_root", sys(__NR_pivot_root, ".", ".", 0, 0, 0));
	/* The machine's root lies over ours now. */
	must("umount2(old root)", sys(__NR_umount2, ".", MNT_DETACH, 0, 0, 0));
	must("chdir(/)", sys(__NR_chdir, "/", 0, 0, 0, 0));
	mount_on("mount(/, MS_RDONLY)", 0, "/", 0, MS_REMOUNT | MS_BIND | MS_RDONLY | quiet, 0);
}

static void mount_for_guest(const char *type, const char *where)
{
	/* A kernel without them is asked for nothing that needs them; the folder may be there already. */
	sys(__NR_mkdir, where, 0755, 0, 0, 0);
	sys(__NR_mount, type, where, type, 0, 0);
}

/* The user namespace of a container makes its root no root of the machine's. */
static void look_at_user_namespace(void)
{
	u64 found[18] = { 0 };

	must("/proc/self/ns/user", sys(__NR_newfstatat, AT_CWD, "/proc/self/ns/user", found, 0, 0));
	if (found[1] != FIRST_USER_NAMESPACE)
		abilities |= IN_USER_NAMESPACE;
}

static void enter_namespaces(void)
{
	u64 spaces = NEW_MOUNTS | NEW_IPC | NEW_PROCESSES | NEW_NETWORK;
	long err = sys(__NR_unshare, spaces, 0, 0, 0, 0);

	if (err == ERR_PERM) {
		enter_user_namespace();
		err = sys(__NR_unshare, spaces, 0, 0, 0, 0);
	}
	must("unshare(CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET)", err);
	become_first_process();
}

void enter_confinement(void)
{
	/* No dump of a worker that dies: 1 stops the programs of core_pattern too. */
	u64 no_core[2] = { 1, 1 };

	must("prlimit64(RLIMIT_CORE)", sys(__NR_prlimit64, 0, 4, no_core, 0, 0));
	sys(__NR_umask, 0, 0, 0, 0, 0);
	if (abilities & IS_INIT) {
		mount_for_guest("proc", "/proc");
		mount_for_guest("sysfs", "/sys");
		mount_for_guest("devtmpfs", "/dev");
		make_folder("/dev/shm");
		make_folder(GOLD);
	}
	/* When memory is short, a worker is the first to go. */
	write_text("/proc/self/oom_score_adj", AT_CWD, "/proc/self/oom_score_adj", "1000");
	/* No name is resolved without it. */
	must("close", sys(__NR_close, must("openat2", open_below_root("/", PATH_ONLY)), 0, 0, 0, 0));
	keep_open("/dev/null", 2, QUIET_FD);
	if (!(abilities & IS_INIT)) {
		look_at_user_namespace();
		enter_namespaces();
		enter_own_root();
		abilities |= CAN_NAMESPACES | CAN_IPC;
	} else {
		abilities |= CAN_NAMESPACES;
		if (sys(__NR_unshare, NEW_IPC, 0, 0, 0, 0) == 0)
			abilities |= CAN_IPC;
	}
}

static void make_file(const char *name, u64 size)
{
	long fd = must(name, open_beneath(PLACE_FD, name, CREATE_NEW, 0666));

	must("ftruncate", sys(__NR_ftruncate, fd, size, 0, 0, 0));
	must("close", sys(__NR_close, fd, 0, 0, 0, 0));
}

/* What a stream's folder is: see PLACES of settings.py. */
enum { PLAIN, NOT_EXECUTABLE, HUGE_ALWAYS, HUGE_WITHIN_SIZE, UNSIZED, LAYERED };

static u64 append(char *text, u64 n, const char *more)
{
	while (*more)
		text[n++] = *more++;
	text[n] = 0;
	return n;
}

static void unmount_place(void)
{
	must("umount2(" GOLD ")", sys(__NR_umount2, GOLD, MNT_DETACH, 0, 0, 0));
}

/* Over the folder lies one file system made of it, as in a container. */
static void mount_layers(void)
{
	make_folder(GOLD "/lower");
	make_folder(GOLD "/upper");
	make_folder(GOLD "/work");
	must("chmod(upper)", sys(__NR_chmod, GOLD "/upper", 0777, 0, 0, 0));
	mount_on("mount(overlay)", "overlay", GOLD, "overlay", MS_NOSUID | MS_NODEV,
		 "lowerdir=" GOLD "/lower,upperdir=" GOLD "/upper,workdir=" GOLD "/work");
}

static void mount_place(u64 size, u64 kind)
{
	char options[96] = "mode=777,nr_inodes=1k,size=";
	u64 n = length_of(options), power = 1, flags = MS_NOSUID | MS_NODEV;

	for (size >>= 10; size / power >= 10;)
		power *= 10;
	for (; power; power /= 10)
		options[n++] = '0' + size / power % 10;
	n = append(options, n, "k");
	if (kind == HUGE_ALWAYS)
		append(options, n, ",huge=always");
	if (kind == HUGE_WITHIN_SIZE)
		append(options, n, ",huge=within_size");
	if (kind == NOT_EXECUTABLE)
		flags |= MS_NOEXEC;
	if (kind == UNSIZED)
		/* What its files may take, the ledger bounds. */
		mount_on("mount(" GOLD ")", "ramfs", GOLD, "ramfs", flags, "mode=777");
	else
		mount_on("mount(" GOLD ")", "tmpfs", GOLD, "tmpfs", flags, options);
	if (kind == LAYERED)
		mount_layers();
}

/* The folder of one stream, with its two files; that of the stream before goes with all it holds. */
void make_place(u64 size, u64 kind)
{
	static int mounts;
	long fd;

	if (mounts)
		sys(__NR_close, PLACE_FD, 0, 0, 0, 0);
	for (; mounts; mounts--)
		unmount_place();
	mount_place(size, kind);
	mounts = kind == LAYERED ? 2 : 1;
	fd = must(GOLD, open_below_root(GOLD, PATH_ONLY | DIRECTORY | NO_FOLLOW));
	must("dup2", sys(__NR_dup2, fd, PLACE_FD, 0, 0, 0));
	sys(__NR_close, fd, 0, 0, 0, 0);
	make_file("f0", 131072);
	make_file("f1", 65536);
}

void drop_rights(u64 uid, u64 caps)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (abilities & CAN_IPC)
		must("unshare(CLONE_NEWIPC)", sys(__NR_unshare, NEW_IPC, 0, 0, 0, 0));
	if (uid) {
		must("setgroups", sys(__NR_setgroups, 0, 0, 0, 0, 0));
		must("setresgid", sys(__NR_setresgid, uid, uid, uid, 0, 0));
		must("setresuid", sys(__NR_setresuid, uid, uid, uid, 0, 0));
	}
	must("capget", sys(__NR_capget, &header, data, 0, 0, 0));
	data[0].effective &= caps;
	data[1].effective &= caps >> 32;
	data[0].permitted &= caps;
	data[1].permitted &= caps >> 32;
	data[0].inheritable = data[1].inheritable = 0;
	must("capset", sys(__NR_capset, &header, data, 0, 0, 0));
	/* A change of rights may take it back. */
	end_with_parent();
}
