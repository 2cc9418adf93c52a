# SPDX-License-Identifier: GPL-2.0-or-later
"""Entering a VMA that is ready into the tree, without asking whether it could merge."""

from mypy_extensions import i64

from vmalab.linux.mm.vma.prepare import vma_link_file
from vmalab.linux.mm.vma_init import vm_area_alloc, vm_area_free
from vmalab.linux.mm.vma_internal import (
    ENOMEM,
    PAGE_SHIFT,
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_LOCKED_MASK,
    VM_SOFTDIRTY,
    Mm,
    Vma,
    Vmi,
    VmOps,
    find_vma_intersection,
    security_vm_enough_memory_mm,
    vm_stat_account,
    vm_unacct_memory,
    vma_is_anonymous,
    vma_pages,
)


def vma_link(mm: Mm, vma: Vma) -> i64:
    """Store a VMA where nothing is mapped and link its file: 0 or -ENOMEM.  Kernel: vma_link()."""
    seam = mm.seam
    vmi = Vmi(mm, vma.vm_start)
    vmi.config(vma.vm_start, vma.vm_end)
    if vmi.prealloc(vma) != 0:
        return -ENOMEM
    seam.vma_start_write(vma)
    vmi.store_new(vma)
    vma_link_file(seam, vma, False)
    mm.map_count += 1
    seam.validate_mm(mm)
    return 0


def insert_vm_struct(mm: Mm, vma: Vma) -> i64:
    """Insert a VMA made by the kernel itself, charging it: 0 or -ENOMEM (taken, or over limits).

    An anonymous VMA gets the page offset that its address implies.  Kernel: insert_vm_struct().
    """
    if find_vma_intersection(mm, vma.vm_start, vma.vm_end) is not None:
        return -ENOMEM
    charged = vma_pages(vma) if vma.vm_flags & VM_ACCOUNT != 0 else 0
    if charged != 0 and security_vm_enough_memory_mm(mm, charged) != 0:
        return -ENOMEM
    if vma_is_anonymous(vma):
        vma.vm_pgoff = vma.vm_start >> PAGE_SHIFT
    if vma_link(mm, vma) != 0:
        vm_unacct_memory(mm.kernel, charged)
        return -ENOMEM
    return 0


def install_special_mapping(
    mm: Mm, addr: i64, length: i64, vm_flags: i64, ops: VmOps, private: object | None
) -> Vma | None:
    """Map `length` bytes of the kernel's own pages at `addr`, or answer None for -ENOMEM.

    Never merged, moved in part or grown (VM_DONTEXPAND), never locked.
    Kernel: _install_special_mapping(); used for [vdso] and [vvar].
    """
    vma = vm_area_alloc(mm)
    if vma is None:
        return None
    flags: i64 = (vm_flags | mm.def_flags | VM_DONTEXPAND) & ~VM_LOCKED_MASK
    if mm.config.soft_dirty:
        flags |= VM_SOFTDIRTY
    vma.vm_flags = flags
    vma.vm_ops = ops
    vma.vm_private_data = private
    vma.vm_start, vma.vm_end = addr, addr + length
    if insert_vm_struct(mm, vma) != 0:
        vm_area_free(vma)
        return None
    vm_stat_account(mm, flags, length >> PAGE_SHIFT)
    return vma
