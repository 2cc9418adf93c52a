# SPDX-License-Identifier: GPL-2.0-or-later
"""The search for a free range, lowest or highest, that keeps clear of stacks' guard gaps."""

from mypy_extensions import i64

from vmalab.linux.mm.vma.state import UnmappedAreaInfo
from vmalab.linux.mm.vma_internal import (
    ENOMEM,
    PAGE_SIZE,
    REFUSED_GAP,
    TASK_SIZE_5LEVEL,
    VM_ARCH_1,
    VM_GROWSDOWN,
    VM_SHADOW_STACK,
    VM_STARTGAP_FLAGS,
    Mm,
    Vma,
    Vmi,
    vma_rb_right_parents,
)


def vm_start_gap(vma: Vma, stack_guard_gap: i64) -> i64:
    """Return the address (bytes) below which others may map: a growing stack keeps a gap free."""
    start = vma.vm_start
    if vma.vm_flags & VM_GROWSDOWN != 0:
        start -= stack_guard_gap
    elif vma.vm_flags & VM_SHADOW_STACK != 0:
        start -= PAGE_SIZE
    return max(start, 0)


def vm_end_gap(vma: Vma, stack_guard_gap: i64) -> i64:
    """Return the address (bytes) above which others may map, where stacks grow up."""
    return vma.vm_end + stack_guard_gap if vma.vm_flags & VM_ARCH_1 != 0 else vma.vm_end


def vm_unmapped_area(mm: Mm, info: UnmappedAreaInfo) -> i64:
    """Find a free range: its address in bytes, or -ENOMEM.  Kernel: vm_unmapped_area()."""
    if mm.features.guard_gaps_are_no_room:
        found = guarded_area_topdown(mm, info) if info.topdown else guarded_area(mm, info)
    else:
        found = unmapped_area_topdown(mm, info) if info.topdown else unmapped_area(mm, info)
    if found < 0:
        length = info.length + info.align_mask + info.start_gap
        return mm.refuse_search(ENOMEM, REFUSED_GAP, length, info.low_limit, info.high_limit)
    return found


def unmapped_area(mm: Mm, info: UnmappedAreaInfo) -> i64:
    """Return the lowest free range within the limits.

    A hole is chosen without regard to guard gaps; when it turns out to reach into one, the search
    goes on above, so holes inside a guarded megabyte are never used.  Kernel: unmapped_area().
    """
    config = mm.config
    guard: i64 = config.stack_guard_gap
    length = info.length + info.align_mask + info.start_gap
    low = info.low_limit
    min_addr: i64 = config.mmap_min_addr
    if low < min_addr:
        low = min_addr
    vmi = Vmi(mm, 0)
    while True:
        if low >= info.high_limit or vmi.mas.empty_area(low, info.high_limit - 1, length) != 0:
            return -ENOMEM
        gap = vmi.addr() + info.start_gap
        gap += (info.align_offset - gap) & info.align_mask
        vmi.set(gap)
        nxt = vmi.find(TASK_SIZE_5LEVEL)
        if nxt is not None and nxt.vm_flags & VM_STARTGAP_FLAGS != 0:
            if vm_start_gap(nxt, guard) >= gap + length - 1:
                return gap
            low = nxt.vm_end
            continue
        if config.stack_grows_up:
            prev = vmi.prev()
            if prev is not None and vm_end_gap(prev, guard) > gap:
                low = vm_end_gap(prev, guard)
                continue
        return gap


def unmapped_area_topdown(mm: Mm, info: UnmappedAreaInfo) -> i64:
    """Return the highest free range within the limits.  Kernel: unmapped_area_topdown()."""
    config = mm.config
    guard: i64 = config.stack_guard_gap
    length = info.length + info.align_mask + info.start_gap
    low = info.low_limit
    min_addr: i64 = config.mmap_min_addr
    if low < min_addr:
        low = min_addr
    high = info.high_limit
    vmi = Vmi(mm, 0)
    while True:
        if low >= high or vmi.mas.empty_area_rev(low, high - 1, length) != 0:
            return -ENOMEM
        gap_end = vmi.end()
        gap = gap_end - info.length
        gap -= (gap - info.align_offset) & info.align_mask
        vmi.set(gap)
        nxt = vmi.find(TASK_SIZE_5LEVEL)
        if nxt is not None and nxt.vm_flags & VM_STARTGAP_FLAGS != 0:
            start_gap = vm_start_gap(nxt, guard)
            if start_gap >= gap_end:
                return gap
            high = start_gap
            continue
        if config.stack_grows_up:
            prev = vmi.prev()
            if prev is not None and vm_end_gap(prev, guard) > gap:
                high = prev.vm_start
                continue
        return gap


def guarded_area(mm: Mm, info: UnmappedAreaInfo) -> i64:
    """Return the lowest free range of kernels that take guard gaps for mapped."""
    guard: i64 = mm.config.stack_guard_gap
    length = info.length + info.align_mask
    low = info.low_limit
    vmi = Vmi(mm, 0)
    while low < info.high_limit and vmi.mas.empty_area(low, info.high_limit - 1, length) == 0:
        gap = vmi.addr()
        vmi.set(gap)
        nxt = vmi.find(TASK_SIZE_5LEVEL)
        if nxt is None or (
            vm_start_gap(nxt, guard) - gap >= length
            and not passed_over(mm, nxt, info.low_limit + length)
        ):
            return gap + ((info.align_offset - gap) & info.align_mask)
        low = nxt.vm_end
    return -ENOMEM


def passed_over(mm: Mm, vma: Vma, low: i64) -> bool:
    """Tell whether the search from below never comes to a VMA, as it lies left in the tree.

    Left of a VMA whose guard gap begins below `low`, nothing is looked at.
    """
    guard: i64 = mm.config.stack_guard_gap
    for above in vma_rb_right_parents(mm, vma):
        if vm_start_gap(above, guard) < low:
            return True
    return False


def guarded_area_topdown(mm: Mm, info: UnmappedAreaInfo) -> i64:
    """Return the highest free range of kernels that take guard gaps for mapped."""
    guard: i64 = mm.config.stack_guard_gap
    length = info.length + info.align_mask
    low, high = info.low_limit, info.high_limit
    vmi = Vmi(mm, 0)
    while low < high and vmi.mas.empty_area_rev(low, high - 1, length) == 0:
        gap_end = vmi.end()
        vmi.set(gap_end - length)
        nxt = vmi.find(TASK_SIZE_5LEVEL)
        vmi.set(gap_end - length)
        vmi.load()
        prev = vmi.prev()
        gap_start = low if prev is None or prev.vm_end < low else prev.vm_end
        if nxt is not None:
            gap_end = min(gap_end, vm_start_gap(nxt, guard))
        if gap_end - gap_start >= length:
            gap = gap_end - info.length
            return gap - ((gap - info.align_offset) & info.align_mask)
        high = gap_start
    return -ENOMEM
