# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages that the monitor of a userfaultfd protects from writes, or from any access.

Mirrors mwriteprotect_range() and mrwprotect_range() of mm/userfaultfd.c (v7.3).
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_HUGETLB,
    VM_SHARED,
    VM_UFFD_RWP,
    VM_UFFD_WP,
    VM_WRITE,
)
from vmalab.linux.include.uapi.errno import EINVAL, ENOENT, ESRCH
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_FEATURE_WP_UNPOPULATED,
    UFFDIO_RWPROTECT_MODE_DONTWAKE,
    UFFDIO_RWPROTECT_MODE_RWP,
    UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
    UFFDIO_WRITEPROTECT_MODE_WP,
)
from vmalab.linux.mm.hugetlb import huge_page_size
from vmalab.linux.mm.page_tables import PTE_ANON, PTE_GUARD, PTE_POISON
from vmalab.linux.mm.userfaultfd_fill import GONE
from vmalab.linux.types.mm_types import Mm, Vma, vma_is_anonymous
from vmalab.linux.types.vma_iterator import Vmi


def userfaultfd_writeprotect(mm: Mm, start: int, length: int, mode: int) -> int:
    """UFFDIO_WRITEPROTECT of a valid range: 0, EINVAL (mode, huge pages cut) or ENOENT.

    ENOENT: nothing is mapped there, or something that is not registered for it; what lies before is
    protected by then.
    """
    both = UFFDIO_WRITEPROTECT_MODE_WP | UFFDIO_WRITEPROTECT_MODE_DONTWAKE
    if mode & ~both != 0:
        return mm.refusal.blame(EINVAL, "mode", "unknown flag")
    if mode == both:
        return mm.refusal.blame(EINVAL, "mode", "UFFDIO_WRITEPROTECT_MODE_DONTWAKE when protecting")
    if mm.mm_users == 0:
        return mm.refusal.blame(ESRCH, "fd", GONE)
    protect = mode & UFFDIO_WRITEPROTECT_MODE_WP != 0
    end = start + length
    vmi = Vmi(mm, start)
    vma = vmi.find(end)
    if vma is None:
        return mm.refusal.blame(ENOENT, "range", "nothing is mapped in the range")
    whole = vma.vm_start <= start and end <= vma.vm_end
    if not whole and not mm.features.userfaultfd_protects_several:
        return mm.refusal.blame(ENOENT, "range", "the range is not within one mapping")
    while vma is not None:
        error = check_protected(vma, VM_UFFD_WP, start, length)
        if error != 0:
            return error
        uffd_wp_range(vma, max(start, vma.vm_start), min(end, vma.vm_end), protect)
        vma = vmi.find(end)
    return 0


def userfaultfd_rwprotect(mm: Mm, start: int, length: int, mode: int) -> int:
    """UFFDIO_RWPROTECT of a valid range: 0, EINVAL (mode, huge pages cut) or ENOENT.

    ENOENT as for `userfaultfd_writeprotect`, but then nothing has changed.
    """
    both = UFFDIO_RWPROTECT_MODE_RWP | UFFDIO_RWPROTECT_MODE_DONTWAKE
    if mode & ~both != 0:
        return mm.refusal.blame(EINVAL, "mode", "unknown flag")
    if mode == both:
        return mm.refusal.blame(EINVAL, "mode", "UFFDIO_RWPROTECT_MODE_DONTWAKE when protecting")
    if mm.mm_users == 0:
        return mm.refusal.blame(ESRCH, "fd", GONE)
    end = start + length
    found: list[Vma] = []
    vmi = Vmi(mm, start)
    vma = vmi.find(end)
    while vma is not None:
        error = check_protected(vma, VM_UFFD_RWP, start, length)
        if error != 0:
            return error
        found.append(vma)
        vma = vmi.find(end)
    for vma in found:
        first, last = max(start, vma.vm_start), min(end, vma.vm_end)
        uffd_wp_range(vma, first, last, mode & UFFDIO_RWPROTECT_MODE_RWP != 0)
    if len(found) != 0:
        return 0
    return mm.refusal.blame(ENOENT, "range", "nothing is mapped in the range")


def check_protected(vma: Vma, kind: i64, start: int, length: int) -> int:
    """Check that a VMA is registered for a kind of protection: 0, ENOENT or EINVAL."""
    if vma.vm_flags & kind == 0:
        return vma.vm_mm.refusal.blame_at(
            ENOENT, "range", "not registered for the protection: the mapping", vma.vm_start
        )
    if vma.vm_flags & VM_HUGETLB != 0 and (start | length) & (huge_page_size(vma.vm_file) - 1) != 0:
        return vma.vm_mm.refusal.blame_at(
            EINVAL, "range", "a part of a huge page of the mapping", vma.vm_start
        )
    return 0


def uffd_wp_range(vma: Vma, start: i64, end: i64, protect: bool) -> None:
    """Protect what is there in `[start, end)` of a VMA, or stop to (`uffd_wp_range`)."""
    tables = vma.vm_mm.page_tables
    if not protect:
        tables.uffd.clear(start, end)
        return
    markers = userfaultfd_wp_use_markers(vma)
    position = start
    for first, last, kind in tables.ranges(start, end):
        if markers:
            tables.uffd.set(position, first)
        if kind not in (PTE_GUARD, PTE_POISON):
            tables.uffd.set(first, last)
        position = last
    if markers:
        tables.uffd.set(position, end)
        tables.tables.alloc(start, end)


def protect_marked(vma: Vma, start: i64, end: i64) -> None:
    """What becomes of marks in `[start, end)` when mprotect gives its pages new rights.

    Pages that may be written at once become writable unless a userfaultfd protects the VMA.
    Kernel: change_pte_range(), can_change_pte_writable().
    """
    tables = vma.vm_mm.page_tables
    if tables.uffd.empty():
        return
    tables.uffd.close(start, end)
    if vma.vm_flags & VM_WRITE == 0 or vma.vm_flags & (VM_UFFD_WP | VM_UFFD_RWP) != 0:
        return
    for first, last, kind in tables.ranges(start, end):
        if vma.vm_flags & VM_SHARED != 0:
            tables.uffd.open(first, last)
        elif kind == PTE_ANON:
            tables.uffd.open(first, last)
            for low, high in tables.forked.ranges(first, last):
                tables.uffd.close(low, high)


def userfaultfd_wp_use_markers(vma: Vma) -> bool:
    """Tell whether what is not there yet can be protected from writes as well."""
    ctx = vma.vm_userfaultfd_ctx
    if vma.vm_flags & VM_UFFD_WP == 0 or ctx is None:
        return False
    return not vma_is_anonymous(vma) or ctx.features & UFFD_FEATURE_WP_UNPOPULATED != 0
