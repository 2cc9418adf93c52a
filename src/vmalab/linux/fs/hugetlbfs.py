# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of huge pages: anonymous ones, memfds, System V segments, and those of a hugetlbfs.

Mirrors fs/hugetlbfs/inode.c (v6.18).  What can be mapped is what the pools have (mm/hugetlb.py);
one with MAP_NORESERVE can always be made, and only touching it may fail.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_DONTEXPAND, VM_HUGETLB, VM_NORESERVE, VM_WRITE
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.linux.include.uapi.errno import EINVAL, ENODEV, ENOSPC, EOPNOTSUPP, EPERM
from vmalab.linux.include.uapi.fcntl import (
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
)
from vmalab.linux.mm.hugetlb import (
    HugetlbVmOps,
    hugetlb_add_to_page_cache,
    hugetlb_reserve_pages,
    hugetlb_unreserve_pages,
    hugetlb_vmdelete_list,
    remove_inode_hugepages,
)
from vmalab.linux.mm.hugetlb_pool import LAST_INDEX, HState, HugetlbInode
from vmalab.linux.mm.memfd import seal_check_write
from vmalab.linux.types.file import (
    FMODE_READ,
    FMODE_WRITE,
    I_REG,
    PLACE_HUGETLB,
    File,
    FileOps,
    Inode,
)
from vmalab.linux.types.mm_types import Vma, VmOps
from vmalab.linux.types.task import Task


class HugetlbFileOps(FileOps):
    """file_operations of hugetlbfs."""

    def __init__(self) -> None:
        super().__init__()
        self.placement = PLACE_HUGETLB
        self.is_hugetlb = True
        self.vm_ops: VmOps = HugetlbVmOps()

    def mmap(self, file: File, vma: Vma) -> i64:
        """0, EPERM (sealed), EINVAL (offset not of a huge page) or ENOMEM (no pages).

        A writable mapping, private ones too, makes the file as large as it reaches.
        Kernel: hugetlbfs_file_mmap().
        """
        inode = file.inode
        info = inode.hugetlb
        if info is None:
            return -EINVAL
        err = seal_check_write(inode, vma)
        if err != 0:
            return err
        per_page = info.h.size >> PAGE_SHIFT
        if vma.vm_pgoff & (per_page - 1) != 0:
            return vma.vm_mm.refusal.blame(EINVAL, "offset", "not a multiple of the huge page size")
        end = vma.vm_pgoff + ((vma.vm_end - vma.vm_start) >> PAGE_SHIFT)
        flags = vma.vm_flags | (VM_NORESERVE if info.is_shm else 0)
        err = hugetlb_reserve_pages(info, vma.vm_pgoff // per_page, end // per_page, vma, flags)
        if err != 0:
            return err
        vma.vm_flags |= VM_HUGETLB | VM_DONTEXPAND
        vma.vm_ops = self.vm_ops
        if vma.vm_flags & VM_WRITE != 0 and inode.size < end << PAGE_SHIFT:
            inode.size = end << PAGE_SHIFT
        return 0

    def release(self, file: File) -> None:
        """The last reference went: the pages of a file without a name go back to their pool."""
        info = file.inode.hugetlb
        if info is None:
            return
        info.opens -= 1
        if info.opens <= 0 and not info.linked:
            hugetlb_unreserve_pages(info, 0, LAST_INDEX)


hugetlb_fops: Final = HugetlbFileOps()


def can_do_hugetlb_shm(task: Task) -> bool:
    """Tell whether a task may make segments of huge pages: by CAP_IPC_LOCK, or by its group."""
    group = task.machine.config.hugetlb_shm_group
    return task.capable(CAP_IPC_LOCK) or task.cred.in_group_p(group)


def hugetlb_inode(h: HState, size: int, is_shm: bool = False) -> Inode:
    """Return a new inode of huge pages that has no name; `size` is in bytes."""
    inode = Inode(I_REG, h.dev, -1)
    inode.size = size
    inode.hugetlb = HugetlbInode(h, is_shm)
    return inode


def hugetlb_file_setup(h: HState, size: int) -> File:
    """Return the file behind an anonymous mapping of huge pages, `size` bytes.

    Nothing is reserved.
    """
    mode = FMODE_READ | FMODE_WRITE
    return File(hugetlb_inode(h, size), "/anon_hugepage (deleted)", mode, hugetlb_fops)


def hugetlb_check_setattr(inode: Inode, size: int) -> i64:
    """Check a new size: 0, EINVAL (no multiple of a page) or EPERM (a seal)."""
    info = inode.hugetlb
    if info is None:
        return -ENODEV
    if size & (info.h.size - 1) != 0:
        return -EINVAL
    if size < inode.size and inode.seals > 0 and inode.seals & F_SEAL_SHRINK != 0:
        return -EPERM
    if size > inode.size and inode.seals > 0 and inode.seals & F_SEAL_GROW != 0:
        return -EPERM
    return 0


def hugetlb_vmtruncate(inode: Inode, size: int) -> None:
    """Give back the pages, and reservations, beyond a new size in bytes."""
    info = inode.hugetlb
    if info is not None:
        hugetlb_vmdelete_list(inode, size // info.h.size, LAST_INDEX)
        hugetlb_unreserve_pages(info, size // info.h.size, LAST_INDEX)


def hugetlb_punch_hole(inode: Inode, offset: int, length: int) -> None:
    """Give back the touched huge pages that lie wholly in a range of bytes of a file."""
    info = inode.hugetlb
    if info is None:
        return
    size: int = info.h.size
    start, end = (offset + size - 1) // size, (offset + length) // size
    if start < end:
        hugetlb_vmdelete_list(inode, start, end)
        remove_inode_hugepages(info, start, end)


def hugetlb_check_fallocate(inode: Inode, mode: int, offset: int, length: int) -> i64:
    """Carry out, of fallocate(2), what is hugetlbfs's own: 0 or -errno.

    Errors: EOPNOTSUPP (other modes), EPERM (seals), ENOSPC (no pages).
    Kernel: hugetlbfs_fallocate().
    """
    info = inode.hugetlb
    if info is None:
        return -ENODEV
    if mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE) != 0:
        return -EOPNOTSUPP
    seals = max(inode.seals, 0)
    if mode & FALLOC_FL_PUNCH_HOLE != 0:
        if seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0:
            return -EPERM
        hugetlb_punch_hole(inode, offset, length)
        return 0
    if seals & F_SEAL_GROW != 0 and offset + length > inode.size:
        return -EPERM
    size: int = info.h.size
    first, last = offset // size, (offset + length + size - 1) // size
    return 0 if hugetlb_add_to_page_cache(info, first, last) else -ENOSPC
