# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes guard regions of guard pages: what MADV_GUARD_INSTALL does without a VMA of its own.

Programs guard memory in two ways: they take away all rights from a few pages of what they have
mapped, or they map without any rights and give them to all but a few pages. Both become memory with
rights throughout, and a guard region in the place of the pages without. Longer ranges are no guards
but memory kept back, and stay as they are.
"""

from typing import Final

from vmalab.calls.call import Call
from vmalab.explain.whatif.carry_calls import pages
from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_HUGETLB,
    VM_LOCKED,
    VM_SHARED,
    VM_SPECIAL,
)
from vmalab.linux.include.page import PAGE_MASK
from vmalab.linux.include.uapi.mman import (
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    PROT_NONE,
)
from vmalab.linux.mm.page_tables import PTE_GUARD
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import vma_lookup

# The longest range, in bytes, that counts as a guard.
MAX_GUARD: Final = 1 << 20

_CANNOT: Final = VM_SHARED | VM_SPECIAL | VM_HUGETLB | VM_LOCKED


def as_guards(call: Call, mm: Mm) -> list[Call]:
    """Return an mprotect as it would be with guard regions.

    Other calls, and where none is: as it is.
    """
    if call.name != "mprotect" or not mm.features.guard_regions:
        return [call]
    start, length, prot = call.args[:3]
    end = start + pages(length)
    if length == 0 or start & ~PAGE_MASK or end > mm.task_size:
        return [call]
    vma = vma_lookup(mm, start)
    if vma is None or vma.vm_file is not None or vma.vm_flags & _CANNOT or end > vma.vm_end:
        return [call]
    if prot == PROT_NONE:
        accessible = vma.vm_flags & VM_ACCESS_FLAGS != 0
        is_part = vma.vm_start < start or end < vma.vm_end
        if accessible and is_part and end - start <= MAX_GUARD:
            return [_madvise(call, start, end, MADV_GUARD_INSTALL)]
        return [call]
    if vma.vm_flags & VM_ACCESS_FLAGS == 0:
        return _opened(call, vma, start, end, prot)
    if _has_guard(mm, start, end):
        return [_madvise(call, start, end, MADV_GUARD_REMOVE), call]
    return [call]


def _opened(call: Call, vma: Vma, start: int, end: int, prot: int) -> list[Call]:
    """Rights for memory that had none: for all of it, with guards where it would have kept none."""
    below, above = (vma.vm_start, start), (end, vma.vm_end)
    guards = [(first, last) for first, last in (below, above) if first < last]
    if not guards or any(last - first > MAX_GUARD for first, last in guards):
        return [call]
    whole = _call(call, "mprotect", vma.vm_start, vma.vm_end - vma.vm_start, prot)
    return [whole, *(_madvise(call, first, last, MADV_GUARD_INSTALL) for first, last in guards)]


def _has_guard(mm: Mm, start: int, end: int) -> bool:
    if mm.page_tables.nr_guard == 0:
        return False
    return any(kind == PTE_GUARD for _, _, kind in mm.page_tables.ranges(start, end))


def _madvise(call: Call, start: int, end: int, advice: int) -> Call:
    return _call(call, "madvise", start, end - start, advice)


def _call(call: Call, name: str, start: int, length: int, value: int) -> Call:
    args = (start, length, value, 0, 0, 0)
    return Call(call.tid, name, args, line=call.line, time=call.time, ret=call.ret)
