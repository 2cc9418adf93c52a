# SPDX-License-Identifier: GPL-2.0-or-later
"""Shared memory files: memfds, tmpfs, and the file behind each shared anonymous mapping."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_NORESERVE
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.mm.accounting import security_vm_enough_memory_mm, vm_unacct_memory
from vmalab.linux.mm.memfd import seal_check_write
from vmalab.linux.types.file import (
    FMODE_READ,
    FMODE_WRITE,
    I_REG,
    PLACE_SHMEM,
    File,
    FileOps,
    Inode,
)
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import Vma, VmOps

# The device of the kernel's own shmem mount, as maps prints it.
SHMEM_DEV: Final = "00:01"


# vm_operations_struct of shmem mappings: nothing to do at their start or end.  Shared anonymous
# memory, which can be named, has others.
shmem_vm_ops: Final = VmOps()
shmem_anon_vm_ops: Final = VmOps()


def vma_is_anon_shmem(vma: Vma) -> bool:
    """Tell whether a VMA is shared anonymous memory."""
    return vma.vm_ops is shmem_anon_vm_ops


def vma_is_shmem(vma: Vma) -> bool:
    """Tell whether a VMA has shmem's own operations; those of System V segments are others."""
    return vma.vm_ops is shmem_vm_ops or vma.vm_ops is shmem_anon_vm_ops


class ShmemFileOps(FileOps):
    """file_operations of shmem files."""

    def __init__(self) -> None:
        super().__init__()
        self.placement = PLACE_SHMEM
        self.is_shmem = True
        self.vm_ops: VmOps = shmem_vm_ops

    def mmap(self, file: File, vma: Vma) -> i64:
        """Give the VMA shmem's operations; a file without a name counts as anonymous memory.

        Errors: EPERM (sealed against writing, where that was not found out before).
        """
        err = seal_check_write(file.inode, vma)
        if err != 0:
            return err
        vma.vm_ops = shmem_vm_ops if file.inode.linked else shmem_anon_vm_ops
        return 0


shmem_fops: Final = ShmemFileOps()


class AnonShmemFileOps(ShmemFileOps):
    """The same for the file behind shared anonymous memory, which is charged for its size."""

    def __init__(self, kernel: KernelState) -> None:
        super().__init__()
        self.kernel: KernelState = kernel

    def release(self, file: File) -> None:
        """Return the charge: the file has no name, so nobody can open it again."""
        vm_unacct_memory(self.kernel, file.inode.charged)
        file.inode.charged = 0


def shmem_zero_setup(vma: Vma) -> i64:
    """Back a shared anonymous VMA by a new file, which is why two of them never merge.

    Returns 0, or -ENOMEM when its size may not be charged.  Kernel: shmem_zero_setup().
    """
    mm = vma.vm_mm
    inode = Inode(I_REG, SHMEM_DEV, -1)
    inode.size = vma.vm_end - vma.vm_start
    inode.linked = False
    if vma.vm_flags & VM_NORESERVE == 0:
        pages = inode.size >> PAGE_SHIFT
        if security_vm_enough_memory_mm(mm, pages) != 0:
            return -ENOMEM
        inode.charged = pages
    mode = FMODE_READ | FMODE_WRITE
    vma.vm_file = File(inode, "/dev/zero (deleted)", mode, AnonShmemFileOps(mm.kernel))
    vma.vm_ops = shmem_anon_vm_ops
    return 0
