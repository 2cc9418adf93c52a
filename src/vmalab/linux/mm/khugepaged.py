# SPDX-License-Identifier: GPL-2.0-or-later
"""MADV_COLLAPSE: when the kernel makes huge pages of small ones at once.

Mirrors madvise_collapse() of mm/khugepaged.c (v6.18).
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_HUGETLB, VM_NOHUGEPAGE, VM_SPECIAL, VM_WRITE
from vmalab.linux.include.page import PAGE_SHIFT, PMD_SIZE
from vmalab.linux.include.uapi.errno import EINVAL
from vmalab.linux.mm.page_tables import PTE_ANON, PTE_GUARD
from vmalab.linux.mm.pgtable import PTE_TABLE_SHIFT
from vmalab.linux.types.file import FMODE_WRITE
from vmalab.linux.types.mm_types import Vma, vma_is_anonymous

NO_PAGES: Final = "there are no pages to collapse"


def thp_vma_suitable(vma: Vma) -> bool:
    """Tell whether a huge page fits into a VMA, and its file's offsets with it.

    A VMA that ends below the first 2 MiB passes: the last huge page before its end lies beyond the
    wrap of addresses, where the kernel's comparisons hold.  Kernel: thp_vma_suitable_order().
    """
    if not vma_is_anonymous(vma) and ((vma.vm_start >> PAGE_SHIFT) - vma.vm_pgoff) & 511 != 0:
        return False
    return vma.vm_end < PMD_SIZE or (vma.vm_end & -PMD_SIZE) - PMD_SIZE >= vma.vm_start


def madvise_collapse(vma: Vma, start: i64, end: i64) -> i64:
    """Make huge pages of `[start, end)`, a part of a VMA: 0, or -EINVAL.

    Errors: EINVAL when none fit into the VMA, it forbids them, one would have no page in it, or a
    guard region, or the part lies within one.  Kernel: madvise_collapse().
    """
    mm = vma.vm_mm
    excluded = VM_SPECIAL | VM_HUGETLB | VM_NOHUGEPAGE
    if vma.vm_flags & excluded != 0 or not thp_vma_suitable(vma):
        return mm.refusal.blame_at(
            EINVAL, "advice", "no huge page fits into, or is allowed in, the mapping", vma.vm_start
        )
    file = vma.vm_file
    if file is None:
        if vma.anon_vma is None:
            return mm.refusal.blame(EINVAL, "advice", NO_PAGES)
    elif not file.f_op.is_shmem and file.f_mode & FMODE_WRITE != 0:
        # Of other files only what nobody can write.
        return mm.refusal.blame_at(
            EINVAL, "advice", "the file is open for writing: the mapping", vma.vm_start
        )
    first = (start + PMD_SIZE - 1) & -PMD_SIZE
    end &= -PMD_SIZE
    if first > end and not mm.features.collapse_of_no_huge_page_passes:
        # Within one huge page, which none is: the kernel counts that as one that failed.
        return mm.refusal.blame(EINVAL, "length", "no whole huge page is in the range")
    if first >= end:
        return 0
    if vma.anon_vma is None:
        return mm.refusal.blame(EINVAL, "advice", NO_PAGES)
    if file is None:
        return collapse_anonymous(vma, first, end)
    for low, high, _ in mm.page_tables.ranges(first, end):
        if first + PMD_SIZE <= low:
            return mm.refusal.blame(EINVAL, "advice", NO_PAGES)
        first = (high + PMD_SIZE - 1) & -PMD_SIZE
    if first >= end:
        return 0
    return mm.refusal.blame(EINVAL, "advice", NO_PAGES)


def collapse_anonymous(vma: Vma, first: i64, end: i64) -> i64:
    """Make huge pages of whole tables, be they empty by now: 0, or -EINVAL.

    Errors: EINVAL (no table, a guard region; before 6.18 no page that can be written to).
    """
    mm = vma.vm_mm
    tables = mm.page_tables
    there = tables.tables.pte.count(first >> PTE_TABLE_SHIFT, (end - 1) >> PTE_TABLE_SHIFT)
    if there < (end - first) >> PTE_TABLE_SHIFT:
        return mm.refusal.blame(EINVAL, "advice", NO_PAGES)
    # From where on no page that can be written to was seen.
    unseen = first
    for low, high, kind in tables.ranges(first, end):
        if kind == PTE_GUARD:
            # It would be read in, as a page in swap is, and that is a fault.
            return mm.refusal.blame_at(EINVAL, "advice", "a guard region", low)
        writable = kind == PTE_ANON and vma.vm_flags & VM_WRITE != 0
        if writable and low < unseen + PMD_SIZE and tables.forked.first(low, high) != low:
            unseen = (high + PMD_SIZE - 1) & -PMD_SIZE
    if unseen < end and not mm.features.collapse_takes_what_is_read_only:
        return mm.refusal.blame(EINVAL, "advice", "no page there can be written to")
    return 0
