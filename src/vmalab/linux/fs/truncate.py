# SPDX-License-Identifier: GPL-2.0-or-later
"""Changing the size of a file, which takes pages out of its mappings.

Mirrors fs/open.c, mm/truncate.c and, for seals, mm/shmem.c (v6.18).
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.fs.hugetlbfs import (
    hugetlb_check_fallocate,
    hugetlb_check_setattr,
    hugetlb_vmtruncate,
)
from vmalab.linux.include.mm_flags import VM_UFFD_WP
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE
from vmalab.linux.include.uapi.errno import (
    EBADF,
    EFBIG,
    EINVAL,
    EISDIR,
    ENODEV,
    EOPNOTSUPP,
    EPERM,
    ESPIPE,
)
from vmalab.linux.include.uapi.fcntl import (
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    FALLOC_FL_COLLAPSE_RANGE,
    FALLOC_FL_INSERT_RANGE,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_UNSHARE_RANGE,
    FALLOC_FL_ZERO_RANGE,
)
from vmalab.linux.mm.filemap import truncate_inode_pages
from vmalab.linux.mm.page_tables import PTE_FILE, PTE_GUARD
from vmalab.linux.types.file import FMODE_WRITE, I_DIR, I_REG, File, Inode

# How the names of pipes begin, in /proc/PID/fd and by the call that makes them.
PIPES: Final = "pipe"
MAX_LFS_FILESIZE: Final = 0x7FFFFFFFFFFFFFFF
_MODES: Final = (
    FALLOC_FL_PUNCH_HOLE
    | FALLOC_FL_COLLAPSE_RANGE
    | FALLOC_FL_ZERO_RANGE
    | FALLOC_FL_INSERT_RANGE
    | FALLOC_FL_UNSHARE_RANGE
)


def unmap_mapping_pages(inode: Inode, first: i64, last: i64, even_cows: bool) -> None:
    """Take the pages `first` to `last` (page offsets, inclusive) of a file out of all mappings.

    Out of the page cache as well: all who call this drop them (`truncate_pagecache_range`).
    Private copies go too with `even_cows`; guard markers and anon_vmas always stay.
    Kernel: unmap_mapping_pages().
    """
    if last >= first:
        truncate_inode_pages(inode.i_mapping, first, last)
    for vma in inode.i_mapping.vmas_in(first, last):
        end_index = vma.vm_pgoff + ((vma.vm_end - vma.vm_start) >> PAGE_SHIFT) - 1
        low, high = max(first, vma.vm_pgoff), min(last, end_index)
        start = vma.vm_start + ((low - vma.vm_pgoff) << PAGE_SHIFT)
        end = vma.vm_start + ((high + 1 - vma.vm_pgoff) << PAGE_SHIFT)
        tables = vma.vm_mm.page_tables
        if vma.vm_flags & VM_UFFD_WP == 0:
            tables.unmark_pages(start, end)
        if even_cows:
            tables.zap_kind(start, end, PTE_GUARD, True)
        else:
            tables.zap_kind(start, end, PTE_FILE, False)


def do_truncate(inode: Inode, length: int) -> i64:
    """Set the size of a regular file, in bytes: 0, EPERM (a seal) or EINVAL (no whole huge page).

    Pages beyond the new size leave every mapping, private copies included.  Kernel:
    shmem_setattr(), truncate_setsize().
    """
    old = inode.size
    if inode.hugetlb is not None:
        err = hugetlb_check_setattr(inode, length)
        if err != 0:
            return err
        hugetlb_vmtruncate(inode, length)
    elif inode.seals > 0 and old >= 0:
        if length < old and inode.seals & F_SEAL_SHRINK != 0:
            return -EPERM
        if length > old and inode.seals & F_SEAL_GROW != 0:
            return -EPERM
    inode.size = length
    if old < 0 or length < old:
        first = (length + PAGE_SIZE - 1) >> PAGE_SHIFT
        unmap_mapping_pages(inode, first, MAX_LFS_FILESIZE >> PAGE_SHIFT, True)
    return 0


def ksys_ftruncate(file: File | None, length: int) -> i64:
    """ftruncate(2): 0 or -errno.  `length` is in bytes, unsigned 64-bit.

    Errors: EINVAL (negative, not a regular file, not open for writing, no
    whole number of huge pages, secret memory that has a size), EBADF, EPERM (append only,
    or a seal).
    """
    if length > MAX_LFS_FILESIZE:
        return -EINVAL
    if file is None:
        return -EBADF
    inode = file.inode
    if inode.kind != I_REG or file.f_mode & FMODE_WRITE == 0:
        return -EINVAL
    if inode.append:
        return -EPERM
    # Secret memory gets its size once.
    if file.f_op.is_secretmem and inode.size != 0:
        return -EINVAL
    return do_truncate(inode, length)


def check_fallocate(file: File, mode: int, offset: int, length: int) -> i64:
    """Return what is wrong with the arguments of fallocate: 0 or -errno.

    Kernel: vfs_fallocate().
    """
    if offset > MAX_LFS_FILESIZE or length > MAX_LFS_FILESIZE or length == 0:
        return -EINVAL
    if mode & ~(_MODES | FALLOC_FL_KEEP_SIZE) != 0:
        return -EOPNOTSUPP
    what = mode & _MODES
    keep = mode & FALLOC_FL_KEEP_SIZE != 0
    if what & (what - 1) != 0 or (what == FALLOC_FL_PUNCH_HOLE and not keep):
        return -EOPNOTSUPP
    if what in (FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE) and keep:
        return -EOPNOTSUPP
    if file.f_mode & FMODE_WRITE == 0:
        return -EBADF
    if file.inode.append and mode & ~FALLOC_FL_KEEP_SIZE != 0:
        return -EPERM
    if file.path.startswith(PIPES):
        return -ESPIPE
    if file.inode.kind == I_DIR:
        return -EISDIR
    if file.inode.kind != I_REG:
        return -ENODEV
    return -EFBIG if offset + length > MAX_LFS_FILESIZE else 0


def ksys_fallocate(file: File | None, mode: int, offset: int, length: int) -> i64:
    """fallocate(2): 0 or -errno.  `offset` and `length` are in bytes.

    A hole takes its whole pages out of the mappings, but not private copies.  What other file
    systems than shmem refuse is not known here.  Errors: EBADF, EINVAL, EOPNOTSUPP, EPERM (seals),
    EISDIR, ENODEV, EFBIG.
    """
    if file is None:
        return -EBADF
    err = check_fallocate(file, mode, offset, length)
    if err != 0:
        return err
    inode = file.inode
    if not file.f_op.can_fallocate:
        return -EOPNOTSUPP
    if inode.hugetlb is not None:
        err = hugetlb_check_fallocate(inode, mode, offset, length)
        if err != 0:
            return err
    if file.f_op.is_shmem and mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE) != 0:
        return -EOPNOTSUPP
    end = offset + length
    if mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) != 0:
        if inode.seals > 0 and inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0:
            return -EPERM
        unmap_mapping_pages(
            inode, (offset + PAGE_SIZE - 1) >> PAGE_SHIFT, (end >> PAGE_SHIFT) - 1, False
        )
    if mode & FALLOC_FL_PUNCH_HOLE != 0:
        return 0
    if mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE) != 0:
        unmap_mapping_pages(inode, offset >> PAGE_SHIFT, MAX_LFS_FILESIZE >> PAGE_SHIFT, True)
        if inode.size >= 0:
            inode.size += length if mode & FALLOC_FL_INSERT_RANGE != 0 else -length
        return 0
    if inode.seals > 0 and inode.seals & F_SEAL_GROW != 0 and end > inode.size:
        return -EPERM
    if mode & FALLOC_FL_KEEP_SIZE == 0 and 0 <= inode.size < end:
        inode.size = end
    return 0
