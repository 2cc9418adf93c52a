# SPDX-License-Identifier: GPL-2.0-or-later
"""The VMAs of a userfaultfd: which can be registered, registering a range, and clearing it again.

Mirrors mm/userfaultfd.c (v6.18), as far as it is about VMAs.
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_DROPPABLE,
    VM_HUGETLB,
    VM_SHADOW_STACK,
    VM_SPECIAL,
    VM_UFFD_MASK,
    VM_UFFD_MINOR,
    VM_UFFD_RWP,
    VM_UFFD_WP,
)
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.mm.hugetlb import huge_page_size
from vmalab.linux.mm.mmap_lock import mmap_write_lock, mmap_write_unlock
from vmalab.linux.mm.shmem import vma_is_shmem
from vmalab.linux.mm.vma.modify import vma_modify_flags_uffd
from vmalab.linux.types.mm_types import Mm, UserfaultfdCtx, Vma, VmaResult, vma_is_anonymous
from vmalab.linux.types.vma_iterator import Vmi


def vma_can_userfault(vma: Vma, flags: i64, wp_async: bool) -> bool:
    """Tell whether a VMA can hand over faults of the kinds in `flags` (VM_UFFD_*)."""
    if vma.vm_flags & VM_SHADOW_STACK != 0:
        return False
    if vma.vm_flags & VM_HUGETLB == 0 and vma.vm_flags & VM_SPECIAL != 0:
        return False
    refuses = vma.vm_mm.features.droppable_refuses_userfaultfd
    if refuses and vma.vm_flags & VM_DROPPABLE != 0:
        return False
    shmem = vma_is_shmem(vma)
    hugetlb = vma.vm_flags & VM_HUGETLB != 0
    kinds = flags & VM_UFFD_MASK
    if kinds & VM_UFFD_WP != 0 and (hugetlb or shmem):
        if not vma.vm_mm.features.userfaultfd_protects_files:
            return False
    if kinds & VM_UFFD_MINOR != 0 and not hugetlb and not shmem:
        return False
    if wp_async and kinds == VM_UFFD_WP:
        return True
    return vma_is_anonymous(vma) or hugetlb or shmem


def cuts_huge_page(vma: Vma, start: i64, end: i64) -> bool:
    """Tell whether a range to register begins or ends within a huge page of a VMA."""
    if vma.vm_flags & VM_HUGETLB == 0:
        return False
    mask = huge_page_size(vma.vm_file) - 1
    return (vma.vm_start < start and start & mask != 0) or (end < vma.vm_end and end & mask != 0)


def register_range(ctx: UserfaultfdCtx, mm: Mm, start: i64, end: i64, kinds: i64) -> int:
    """Give every VMA of the range the context and its kinds of faults: 0 or -ENOMEM.

    A VMA that has all these kinds already is left alone.  Kernel: userfaultfd_register_range().
    """
    vmi = Vmi(mm, start)
    vma = vmi.next_from(start)
    prev = vmi.prev()
    if vma is not None and vma.vm_start < start:
        prev = vma
    vmi.set(start)
    vma = vmi.find(end)
    while vma is not None:
        if vma.vm_userfaultfd_ctx is not ctx or vma.vm_flags & kinds != kinds:
            first, last = max(start, vma.vm_start), min(end, vma.vm_end)
            flags: i64 = vma.vm_flags & ~VM_UFFD_MASK | kinds
            vmg = vma_modify_flags_uffd(vmi, prev, vma, first, last, flags, ctx, False)
            if vmg.error != 0 or vmg.result is None:
                return vmg.error
            vma = vmg.result
            mm.seam.vma_start_write(vma)
            vma.vm_userfaultfd_ctx = ctx
            vma.vm_flags = vmg.vm_flags
        prev = vma
        vma = vmi.find(end)
    return 0


def unregister_range(vmi: Vmi, prev: Vma | None, start: i64, end: i64) -> int:
    """Take every VMA of a range out of its context: 0 or -ENOMEM; `prev` lies below the first."""
    vmi.set(start)
    vma = vmi.find(end)
    while vma is not None:
        if vma.vm_userfaultfd_ctx is not None:
            low, high = max(start, vma.vm_start), min(end, vma.vm_end)
            cleared = userfaultfd_clear_vma(vmi, prev, vma, low, high)
            if cleared.error != 0:
                return cleared.error
            vma = cleared.vma
        prev = vma
        vma = vmi.find(end)
    return 0


def prev_of(vmi: Vmi, vma: Vma) -> Vma | None:
    """Return the VMA below another."""
    vmi.set(vma.vm_start)
    vmi.load()
    return vmi.prev()


def userfaultfd_clear_vma(vmi: Vmi, prev: Vma | None, vma: Vma, start: i64, end: i64) -> VmaResult:
    """Take the context off `[start, end)` of a VMA; for a whole one no memory is needed."""
    resets = vma.vm_mm.features.userfaultfd_unregister_unprotects
    if resets and vma.vm_flags & (VM_UFFD_WP | VM_UFFD_RWP) != 0:
        vma.vm_mm.page_tables.uffd.clear(start, end)
    flags = vma.vm_flags & ~VM_UFFD_MASK
    whole = start == vma.vm_start and end == vma.vm_end
    vmg = vma_modify_flags_uffd(vmi, prev, vma, start, end, flags, None, whole)
    result = vmg.result
    if vmg.error != 0 or result is None:
        return VmaResult(vmg.error if vmg.error != 0 else -ENOMEM, vma)
    vma.vm_mm.seam.vma_start_write(result)
    result.vm_userfaultfd_ctx = None
    result.vm_flags = vmg.vm_flags
    return VmaResult(0, result)


def userfaultfd_release_all(ctx: UserfaultfdCtx) -> None:
    """The last reference to a userfaultfd went away: clear it from its mm.

    Kernel: userfaultfd_release_all().
    """
    mm = ctx.mm
    ctx.released = True
    if mm is None or mm.mm_users == 0:
        return
    taken = mmap_write_lock(mm)
    vmi = Vmi(mm, 0)
    prev: Vma | None = None
    vma = vmi.find(TASK_SIZE_5LEVEL)
    while vma is not None:
        if vma.vm_userfaultfd_ctx is ctx:
            vma = userfaultfd_clear_vma(vmi, prev, vma, vma.vm_start, vma.vm_end).vma
        prev = vma
        vma = vmi.find(TASK_SIZE_5LEVEL)
    mmap_write_unlock(mm, taken)
