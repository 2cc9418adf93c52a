# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of memfd_secret(2): memory that nobody but its mappers can reach, always locked."""

from __future__ import annotations

from mypy_extensions import i64

from vmalab.linux.fs.file import File, FileOps
from vmalab.linux.include.mm_flags import VM_DONTDUMP, VM_LOCKED, VM_MAYSHARE, VM_SHARED
from vmalab.linux.include.uapi.errno import EAGAIN, EINVAL
from vmalab.linux.mm.mm_types import Vma, VmOps


class SecretmemVmOps(VmOps):
    """vm_operations_struct of memfd_secret mappings."""


class SecretmemFileOps(FileOps):
    """file_operations of memfd_secret files."""

    def __init__(self) -> None:
        super().__init__()
        self.vm_ops: VmOps = SecretmemVmOps()

    def mmap(self, file: File, vma: Vma) -> i64:
        """Lock the mapping: 0, EINVAL (not shared) or EAGAIN (RLIMIT_MEMLOCK)."""
        if vma.vm_flags & (VM_SHARED | VM_MAYSHARE) == 0:
            return -EINVAL
        mm = vma.vm_mm
        if not mm.seam.mlock_future_ok(mm, vma.vm_flags | VM_LOCKED, vma.vm_end - vma.vm_start):
            return -EAGAIN
        vma.vm_flags |= VM_LOCKED | VM_DONTDUMP
        vma.vm_ops = self.vm_ops
        return 0


def vma_is_secretmem(vma: Vma) -> bool:
    """Tell whether a VMA maps a memfd_secret file."""
    return isinstance(vma.vm_ops, SecretmemVmOps)
