# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of memfd_secret(2): memory that nobody but its mappers can reach, never swapped.

Mirrors mm/secretmem.c (v6.18).
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_DONTDUMP, VM_LOCKED, VM_MAYSHARE, VM_SHARED
from vmalab.linux.include.uapi.errno import EAGAIN, EINVAL
from vmalab.linux.mm.accounting import mlock_future_ok
from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE, I_REG, File, FileOps, Inode
from vmalab.linux.types.mm_types import Vma, VmAreaDesc, VmOps

SECRETMEM_DEV: Final = "00:0e"


class SecretmemVmOps(VmOps):
    """vm_operations_struct of memfd_secret mappings."""


class SecretmemFileOps(FileOps):
    """file_operations of memfd_secret files."""

    def __init__(self) -> None:
        super().__init__()
        self.can_fallocate = False
        self.can_fsync = False
        self.is_secretmem = True
        self.vm_ops: VmOps = SecretmemVmOps()

    def mmap_prepare(self, desc: VmAreaDesc) -> i64:
        """Keep the mapping out of dumps, and lock it: 0 or -errno.

        Errors: EINVAL (not shared), EAGAIN (RLIMIT_MEMLOCK).
        """
        mm, vm_flags = desc.mm, desc.vm_flags
        if vm_flags & (VM_SHARED | VM_MAYSHARE) == 0:
            return mm.refusal.blame(EINVAL, "flags", "secret memory must be mapped shared")
        if not mm.features.secretmem_is_locked:
            desc.vm_flags = vm_flags | VM_DONTDUMP
            return 0
        if not mlock_future_ok(mm, vm_flags | VM_LOCKED, desc.end - desc.start):
            return -EAGAIN
        desc.vm_flags = vm_flags | VM_LOCKED | VM_DONTDUMP
        return 0

    def mmap(self, file: File, vma: Vma) -> i64:
        """Give the VMA secret memory's operations."""
        vma.vm_ops = self.vm_ops
        return 0


secretmem_fops: Final = SecretmemFileOps()
# What /proc shows of such a file.
SECRETMEM_NAME: Final = "/secretmem (deleted)"


def secretmem_file_create() -> File:
    """Return a new file of secret memory, of no size; its mount allows no execution."""
    inode = Inode(I_REG, SECRETMEM_DEV, -1)
    inode.size = 0
    mode = FMODE_READ | FMODE_WRITE
    file = File(inode, SECRETMEM_NAME, mode, secretmem_fops)
    file.noexec = True
    return file


def vma_is_secretmem(vma: Vma) -> bool:
    """Tell whether a VMA maps a memfd_secret file."""
    return isinstance(vma.vm_ops, SecretmemVmOps)
