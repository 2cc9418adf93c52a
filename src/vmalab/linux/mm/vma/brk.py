# SPDX-License-Identifier: GPL-2.0-or-later
"""Growing the heap by a range that nothing else maps."""

from mypy_extensions import i64

from vmalab.linux.mm.vma.merge import vma_merge_new_range
from vmalab.linux.mm.vma.state import VMA_MERGE_ERROR_NOMEM, Vmg
from vmalab.linux.mm.vma_init import vm_area_alloc, vm_area_free
from vmalab.linux.mm.vma_internal import (
    ENOMEM,
    PAGE_SHIFT,
    REFUSED_MAP_COUNT,
    VM_ACCOUNT,
    VM_DATA_DEFAULT_FLAGS,
    VM_LOCKED,
    VM_SOFTDIRTY,
    Mm,
    Vma,
    Vmi,
    ksm_is_early,
    ksm_vma_flags,
    may_expand_vm,
    security_vm_enough_memory_mm,
    vm_unacct_memory,
)


def do_brk_flags(mm: Mm, vmi: Vmi, vma: Vma | None, addr: i64, length: i64, vm_flags: i64) -> i64:
    """Map `length` bytes of anonymous memory at `addr`, growing `vma` if that ends there.

    Nothing may be mapped in the range; `vma` is the VMA below it, or None.  Returns 0 or -ENOMEM
    (limits, map count, overcommit, memory).  Only a growth to the left is tried: a heap never
    merges with what follows it.  Kernel: do_brk_flags().
    """
    pages = length >> PAGE_SHIFT
    flags: i64 = vm_flags | VM_DATA_DEFAULT_FLAGS | VM_ACCOUNT | mm.def_flags
    if ksm_is_early(mm, None):
        flags = ksm_vma_flags(mm, None, flags)
    if not may_expand_vm(mm, flags, pages):
        return -ENOMEM
    allowed: i64 = mm.config.max_map_count
    if mm.map_count > allowed:
        return mm.refuse(ENOMEM, REFUSED_MAP_COUNT, mm.map_count, allowed)
    if security_vm_enough_memory_mm(mm, pages) != 0:
        return -ENOMEM
    merged: Vma | None = None
    if vma is not None and vma.vm_end == addr:
        vmg = Vmg(mm, vmi, addr, addr + length, flags, addr >> PAGE_SHIFT)
        vmg.prev = vma
        vmg.just_expand = True
        merged = vma_merge_new_range(vmg)
        if merged is None and vmg.state == VMA_MERGE_ERROR_NOMEM:
            vm_unacct_memory(mm.kernel, pages)
            return -ENOMEM
    if merged is None:
        merged = new_brk_vma(mm, vmi, addr, length, flags)
        if merged is None:
            vm_unacct_memory(mm.kernel, pages)
            return -ENOMEM
    mm.total_vm += pages
    mm.data_vm += pages
    if flags & VM_LOCKED != 0:
        mm.locked_vm += pages
    if mm.config.soft_dirty:
        merged.vm_flags |= VM_SOFTDIRTY
    return 0


def new_brk_vma(mm: Mm, vmi: Vmi, addr: i64, length: i64, vm_flags: i64) -> Vma | None:
    """Return a VMA of its own for a heap's range; None: no memory."""
    seam = mm.seam
    vma = vm_area_alloc(mm)
    if vma is None:
        return None
    vma.vm_start, vma.vm_end, vma.vm_pgoff = addr, addr + length, addr >> PAGE_SHIFT
    vma.vm_flags = vm_flags
    if not ksm_is_early(mm, None):
        vma.vm_flags = ksm_vma_flags(mm, None, vm_flags)
    seam.vma_start_write(vma)
    if vmi.store_gfp(vma) != 0:
        vm_area_free(vma)
        return None
    mm.map_count += 1
    seam.validate_mm(mm)
    return vma
