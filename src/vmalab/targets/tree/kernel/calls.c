// SPDX-License-Identifier: GPL-2.0-or-later
/* System calls by their numbers on x86-64, as far as the linked files have them. */
#include <uapi/linux/fcntl.h>
#include <uapi/linux/prctl.h>
#include "tree.h"
#include <linux/memfd.h>

extern long vmalab_fork(void);
long __weak sys_mseal(unsigned long start, size_t len, unsigned long flags);
long __weak sys_userfaultfd(int flags);

/* Numbers of x86-64. */
enum {
	NR_mmap = 9, NR_mprotect = 10, NR_munmap = 11, NR_brk = 12, NR_ioctl = 16, NR_mremap = 25, NR_msync = 26,
	NR_madvise = 28, NR_close = 3, NR_clone = 56, NR_fork = 57, NR_fcntl = 72, NR_ftruncate = 77, NR_getrlimit = 97,
	NR_mlock = 149, NR_munlock = 150, NR_mlockall = 151, NR_munlockall = 152, NR_prctl = 157, NR_setrlimit = 160,
	NR_remap_file_pages = 216, NR_prlimit64 = 302, NR_memfd_create = 319, NR_userfaultfd = 323,
	NR_mlock2 = 325, NR_mseal = 462,
};

static long truncate_file(long fd, long size)
{
	struct file *file = vmalab_file_of(fd);
	struct inode *inode;
	unsigned int seals;

	if (size < 0)
		return -EINVAL;
	if (!file)
		return -EBADF;
	if (!shmem_mapping(file->f_mapping))
		return -EINVAL;
	inode = file_inode(file);
	seals = SHMEM_I(inode)->seals;
	if ((size < i_size_read(inode) && seals & F_SEAL_SHRINK) || (size > i_size_read(inode) && seals & F_SEAL_GROW))
		return -EPERM;
	i_size_write(inode, size);
	return 0;
}

static long control_file(long fd, unsigned int command, unsigned long argument)
{
	struct file *file = vmalab_file_of(fd);

	if (!file)
		return -EBADF;
	if (command != F_ADD_SEALS && command != F_GET_SEALS)
		return -EINVAL;
	return memfd_fcntl(file, command, argument);
}

static long control_device(long fd, unsigned int command, unsigned long argument)
{
	struct file *file = vmalab_file_of(fd);

	if (!file)
		return -EBADF;
	if (!file->f_op->unlocked_ioctl)
		return -ENOTTY;
	return file->f_op->unlocked_ioctl(file, command, argument);
}

long vmalab_call(unsigned long nr, const unsigned long *a)
{
	switch (nr) {
	case NR_mmap:
		if (a[5] & ~PAGE_MASK)
			return -EINVAL;
		return ksys_mmap_pgoff(a[0], a[1], a[2], a[3], a[4], a[5] >> PAGE_SHIFT);
	case NR_mprotect: return sys_mprotect(a[0], a[1], a[2]);
	case NR_munmap: return sys_munmap(a[0], a[1]);
	case NR_brk: return sys_brk(a[0]);
	case NR_mremap: return sys_mremap(a[0], a[1], a[2], a[3], a[4]);
	case NR_msync: return sys_msync(a[0], a[1], a[2]);
	case NR_madvise: return sys_madvise(a[0], a[1], a[2]);
	case NR_mlock: return sys_mlock(a[0], a[1]);
	case NR_mlock2: return sys_mlock2(a[0], a[1], a[2]);
	case NR_munlock: return sys_munlock(a[0], a[1]);
	case NR_mlockall: return sys_mlockall(a[0]);
	case NR_munlockall: return sys_munlockall();
	case NR_mseal: return sys_mseal ? sys_mseal(a[0], a[1], a[2]) : -ENOSYS;
	case NR_remap_file_pages: return sys_remap_file_pages(a[0], a[1], a[2], a[3], a[4]);
	case NR_prctl: return a[0] == PR_SET_MM ? -EINVAL : sys_prctl(a[0], a[1], a[2], a[3], a[4]);
	case NR_getrlimit: return sys_getrlimit(a[0], (struct rlimit *)a[1]);
	case NR_setrlimit: return sys_setrlimit(a[0], (struct rlimit *)a[1]);
	case NR_prlimit64: return sys_prlimit64(a[0], a[1], (struct rlimit64 *)a[2], (struct rlimit64 *)a[3]);
	case NR_memfd_create: return sys_memfd_create((const char *)a[0], a[1]);
	case NR_ftruncate: return truncate_file(a[0], a[1]);
	case NR_fcntl: return control_file(a[0], a[1], a[2]);
	case NR_ioctl: return control_device(a[0], a[1], a[2]);
	case NR_userfaultfd: return sys_userfaultfd ? sys_userfaultfd(a[0]) : -ENOSYS;
	case NR_close: return vmalab_close(a[0]);
	case NR_clone:
	case NR_fork: return vmalab_fork();
	}
	return -ENOSYS;
}
