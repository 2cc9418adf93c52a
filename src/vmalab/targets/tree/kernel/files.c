// SPDX-License-Identifier: GPL-2.0-or-later
/* Files without pages: descriptors, and shared memory with the operations that mm/shmem.c gives it. */
#include "tree.h"
#include <linux/mount.h>
#include <linux/security.h>
#include <linux/dcache.h>

#define MAX_FILES 256
#define MAX_TABLES 16

struct named_file {
	struct file file;
	struct shmem_inode_info info;
	unsigned long number, charged;
	char name[32];
};

/* Descriptors of the current process, and of those that wait for its end. */
static struct file **table;
static struct file *tables[MAX_TABLES][MAX_FILES];
static int process;
static unsigned long numbers = 1;
static struct super_block super_block;
static struct vfsmount mount;
static struct dentry dentry;

const struct vm_operations_struct vma_dummy_vm_ops;

static vm_fault_t fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

#ifdef VMALAB_HAS_UFFD_OPS
static bool can_userfault(struct vm_area_struct *vma, vm_flags_t flags)
{
	return true;
}

static const struct vm_uffd_ops uffd_operations = { .can_userfault = can_userfault };
#endif

const struct vm_operations_struct vmalab_shmem_ops = {
	.fault = fault,
#ifdef VMALAB_HAS_UFFD_OPS
	.uffd_ops = &uffd_operations,
#endif
};

#ifdef VMALAB_HAS_MMAP_PREPARE
static int mmap_shmem(struct vm_area_desc *desc)
{
	desc->vm_ops = &vmalab_shmem_ops;
	return 0;
}
#else
static int mmap_shmem(struct file *file, struct vm_area_struct *vma)
{
#if defined(VMALAB_HAS_SEAL_CHECK_FUTURE)
	int error = seal_check_future_write(SHMEM_I(file_inode(file))->seals, vma);

	if (error)
		return error;
#elif defined(VMALAB_HAS_SEAL_CHECK)
	int error = seal_check_write(SHMEM_I(file_inode(file))->seals, vma);

	if (error)
		return error;
#endif
	vma->vm_ops = &vmalab_shmem_ops;
	return 0;
}
#endif

static const struct file_operations shmem_operations = {
#ifdef VMALAB_HAS_MMAP_PREPARE
	.mmap_prepare = mmap_shmem,
#else
	.mmap = mmap_shmem,
#endif
};

struct file *vmalab_file(const char *name, unsigned int seals, const struct file_operations *ops)
{
	struct named_file *named = vmalab_alloc(sizeof(*named));
	struct file *file = &named->file;
	struct inode *inode = &named->info.vfs_inode;

	vmalab_copy_text(named->name, name, sizeof(named->name));
	named->number = numbers++;
	named->info.seals = seals;
	inode->i_mode = S_IFREG | 0600;
	inode->i_sb = &super_block;
	inode->i_mapping = &inode->i_data;
	inode->i_data.host = inode;
	inode->i_data.i_mmap = RB_ROOT_CACHED;
	xa_init_flags(&inode->i_data.i_pages, XA_FLAGS_LOCK_IRQ);
	init_rwsem(&inode->i_data.i_mmap_rwsem);
	file->f_inode = inode;
	file->f_mapping = &inode->i_data;
	((struct path *)&file->f_path)->mnt = &mount;
	((struct path *)&file->f_path)->dentry = &dentry;
#ifdef VMALAB_HAS_SHMEM_AOPS
	inode->i_data.a_ops = ops ? NULL : &shmem_aops;
#endif
	file->f_op = ops ? ops : &shmem_operations;
	file->f_mode = FMODE_READ | FMODE_WRITE | FMODE_CAN_READ | FMODE_CAN_WRITE;
#ifdef VMALAB_HAS_FILE_REF
	file_ref_init(&file->f_ref, 1);
#else
	atomic_long_set(&file->f_count, 1);
#endif
	return file;
}

void fput(struct file *file)
{
#ifdef VMALAB_HAS_FILE_REF
	/* The count is that of references beside the first. */
	bool last = atomic_long_dec_return(&file->f_ref.refcnt) < 0;
#else
	bool last = atomic_long_dec_and_test(&file->f_count);
#endif
	if (!last)
		return;
	if (file->f_op->release)
		file->f_op->release(file_inode(file), file);
	vm_unacct_memory(container_of(file, struct named_file, file)->charged);
	vmalab_free(container_of(file, struct named_file, file));
}

void vmalab_name_of(struct file *file, char *name, unsigned long *inode)
{
	struct named_file *named = container_of(file, struct named_file, file);

	vmalab_copy_text(name, named->name, 64);
	*inode = named->number;
}

/* Descriptors. */

static const struct file_operations terminal_operations = { };

void vmalab_open_standard(void)
{
	int fd;

	table = tables[process = 0];
	for (fd = 0; fd < 3; fd++) {
		table[fd] = vmalab_file("/dev/pts/0", 0, &terminal_operations);
		file_inode(table[fd])->i_mode = S_IFCHR | 0600;
	}
}

/* A child has its parent's descriptors. */
void vmalab_fork_files(void)
{
	int fd;

	for (fd = 0; fd < MAX_FILES; fd++)
		tables[process + 1][fd] = table[fd] ? get_file(table[fd]) : NULL;
	table = tables[++process];
}

void vmalab_close_all(void)
{
	int fd;

	for (fd = 0; fd < MAX_FILES; fd++)
		vmalab_close(fd);
	if (process)
		table = tables[--process];
}

int vmalab_install(struct file *file)
{
	int fd;

	for (fd = 0; fd < MAX_FILES; fd++)
		if (!table[fd]) {
			table[fd] = file;
			return fd;
		}
	fput(file);
	return -EMFILE;
}

void vmalab_set_descriptor(unsigned int fd, struct file *file)
{
	vmalab_close(fd);
	if (fd < MAX_FILES)
		table[fd] = file;
	else
		fput(file);
}

struct file *vmalab_file_of(long fd)
{
	return fd < 0 || fd >= MAX_FILES ? NULL : table[fd];
}

struct file *fget(unsigned int fd)
{
	struct file *file = vmalab_file_of(fd);

	return file ? get_file(file) : NULL;
}

long vmalab_close(long fd)
{
	struct file *file = vmalab_file_of(fd);

	if (!file)
		return -EBADF;
	table[fd] = NULL;
	fput(file);
	return 0;
}

/* shmem_file_setup(), whose type differs from tree to tree. */
void *vmalab_shmem_file(const char *name, long size)
{
	char text[64];
	struct file *file;

	vmalab_join_text(text, sizeof(text), "/", name, " (deleted)");
	file = vmalab_file(text, F_SEAL_SEAL, NULL);
	i_size_write(file_inode(file), size);
	return file;
}

int get_unused_fd_flags(unsigned int flags)
{
	int fd;

	for (fd = 0; fd < MAX_FILES; fd++)
		if (!table[fd])
			return fd;
	return -EMFILE;
}

void fd_install(unsigned int fd, struct file *file)
{
	table[fd] = file;
}

static struct file *anonymous_file(const struct file_operations *ops, void *data)
{
	struct file *file = vmalab_file("anon_inode:[userfaultfd]", 0, ops);

	/* Of no kind: it has no size that an offset could exceed. */
	file_inode(file)->i_mode = 0600;
	file->private_data = data;
	return file;
}

struct file *anon_inode_create_getfile(const char *name, const struct file_operations *ops, void *data, int flags,
				       const struct inode *context)
{
	return anonymous_file(ops, data);
}

int anon_inode_create_getfd(const char *name, const struct file_operations *ops, void *data, int flags,
			    const struct inode *context)
{
	return vmalab_install(anonymous_file(ops, data));
}

struct file *anon_inode_getfile_secure(const char *name, const struct file_operations *ops, void *data, int flags,
				       const struct inode *context)
{
	return anonymous_file(ops, data);
}

int anon_inode_getfd_secure(const char *name, const struct file_operations *ops, void *data, int flags,
			    const struct inode *context)
{
	return vmalab_install(anonymous_file(ops, data));
}

/* mm/shmem.c */

#ifdef VMALAB_HAS_SHMEM_AOPS
/* The header knows a file of shared memory by its operations. */
const struct address_space_operations shmem_aops;
#else
bool shmem_mapping(VMALAB_CONST struct address_space *mapping)
{
	struct inode *inode = mapping->host;
	struct named_file *named = container_of(inode, struct named_file, info.vfs_inode);

	return named->file.f_op == &shmem_operations;
}
#endif

#ifndef vma_is_shmem
bool vma_is_shmem(VMALAB_CONST struct vm_area_struct *vma)
{
	return vma->vm_ops == &vmalab_shmem_ops;
}

bool vma_is_anon_shmem(VMALAB_CONST struct vm_area_struct *vma)
{
	return vma->vm_ops == &vmalab_shmem_ops;
}
#endif

unsigned long shmem_get_unmapped_area(struct file *file, unsigned long address, unsigned long length,
				      unsigned long pgoff, unsigned long flags)
{
#ifdef VMALAB_HAS_MM_GET_UNMAPPED
	return mm_get_unmapped_area(VMALAB_CURRENT_MM file, address, length, pgoff, flags);
#else
	return current->mm->get_unmapped_area(file, address, length, pgoff, flags);
#endif
}

/* Shared anonymous memory is charged as a whole when it is made. */
static struct file *zero_file(unsigned long size, bool charge)
{
	struct file *file;

	if (charge && security_vm_enough_memory_mm(current->mm, size >> PAGE_SHIFT))
		return ERR_PTR(-ENOMEM);
	file = vmalab_file("/dev/zero (deleted)", F_SEAL_SEAL, NULL);
	if (charge)
		container_of(file, struct named_file, file)->charged = size >> PAGE_SHIFT;
	i_size_write(file_inode(file), size);
	return file;
}

int shmem_zero_setup(struct vm_area_struct *vma)
{
	struct file *file = zero_file(vma->vm_end - vma->vm_start, !(vma->vm_flags & VM_NORESERVE));

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (vma->vm_file)
		fput(vma->vm_file);
	vma->vm_file = file;
	vma->vm_ops = &vmalab_shmem_ops;
	return 0;
}

#ifdef VMALAB_HAS_MMAP_PREPARE
int shmem_zero_setup_desc(struct vm_area_desc *desc)
{
	struct file *file = zero_file(desc->end - desc->start, !vma_desc_test(desc, VMA_NORESERVE_BIT));

	if (IS_ERR(file))
		return PTR_ERR(file);
	desc->vm_file = file;
	desc->vm_ops = &vmalab_shmem_ops;
	return 0;
}
#endif
