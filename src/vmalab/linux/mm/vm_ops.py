# SPDX-License-Identifier: GPL-2.0-or-later
"""Asking and telling a VMA's owner, and the file that it is about to map.

Mirrors parts of mm/util.c, mm/internal.h and include/linux/fs.h.
"""

from mypy_extensions import i64

from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Vma, VmAreaDesc, vma_dummy_vm_ops


def vma_may_split(vma: Vma, addr: i64) -> i64:
    """Ask the owner whether the VMA may be split at `addr` (bytes): 0 or -EINVAL."""
    ops = vma.vm_ops
    return 0 if ops is None else ops.may_split(vma, addr)


def vma_open(vma: Vma) -> None:
    """Tell the owner of a copy that a split, a move or a fork made."""
    ops = vma.vm_ops
    if ops is not None:
        ops.open(vma)


def vma_close(vma: Vma) -> None:
    """Tell the owner that the VMA goes, once."""
    ops = vma.vm_ops
    if ops is not None and ops.has_close:
        ops.close(vma)
        vma.vm_ops = vma_dummy_vm_ops


def vfs_mmap_prepare(desc: VmAreaDesc) -> i64:
    """Let the file say what a mapping will be, before it is merged: 0 or -errno."""
    return desc.file.f_op.mmap_prepare(desc)


def call_vma_mapped(vma: Vma) -> i64:
    """Tell the owner that a new VMA stands: 0 or -errno."""
    ops = vma.vm_ops
    return 0 if ops is None else ops.mapped(vma)


def mmap_file(file: File, vma: Vma) -> i64:
    """Let the file set up a VMA: 0 or -errno."""
    return file.f_op.mmap(file, vma)
