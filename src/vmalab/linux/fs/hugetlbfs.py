# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of huge pages on a machine whose pool of huge pages is empty.

Mirrors fs/hugetlbfs/inode.c (v6.18).  A mapping that reserves its pages fails; one with
MAP_NORESERVE can be made, and only touching it would fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

from vmalab.linux.fs.file import FMODE_READ, FMODE_WRITE, I_REG, PLACE_HUGETLB, File, FileOps, Inode
from vmalab.linux.include.mm_flags import VM_DONTEXPAND, VM_HUGETLB, VM_NORESERVE
from vmalab.linux.include.uapi.errno import EINVAL, ENOMEM
from vmalab.linux.mm.mm_types import Vma, VmOps

if TYPE_CHECKING:
    from vmalab.linux.kernel.machine import Machine

HPAGE_SIZE: Final = 2097152


class HugetlbVmOps(VmOps):
    """vm_operations_struct of huge pages of 2 MiB."""

    def __init__(self) -> None:
        super().__init__()
        self.has_close = True

    def may_split(self, vma: Vma, addr: i64) -> i64:
        """0 at the border of a huge page, else -EINVAL."""
        return -EINVAL if addr & (HPAGE_SIZE - 1) != 0 else 0


class HugetlbFileOps(FileOps):
    """file_operations of hugetlbfs."""

    def __init__(self) -> None:
        super().__init__()
        self.placement = PLACE_HUGETLB
        self.is_hugetlb = True
        self.vm_ops: VmOps = HugetlbVmOps()

    def mmap(self, file: File, vma: Vma) -> i64:
        """0, EINVAL (offset not of a huge page) or ENOMEM (pages to reserve: there are none)."""
        if vma.vm_pgoff & 0x1FF != 0:
            return -EINVAL
        if vma.vm_flags & VM_NORESERVE == 0:
            return -ENOMEM
        vma.vm_flags |= VM_HUGETLB | VM_DONTEXPAND
        vma.vm_ops = self.vm_ops
        return 0


def hugetlb_file_setup(machine: Machine, size: int) -> File:
    """The file behind an anonymous mapping of huge pages, `size` bytes; nothing is reserved."""
    inode = Inode(I_REG, "00:0f", -1)
    inode.size = size
    mode = FMODE_READ | FMODE_WRITE
    return File(inode, "/anon_hugepage (deleted)", mode, machine.hugetlb_fops)
