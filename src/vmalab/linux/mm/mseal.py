# SPDX-License-Identifier: GPL-2.0-or-later
"""mseal: forbidding changes to a range for good.

Mirrors mm/mseal.c (v6.18).
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_SEALED
from vmalab.linux.include.page import LONG_MAX, PAGE_MASK, ULONG_MAX, page_align_ulong
from vmalab.linux.include.uapi.errno import EINVAL, ENOMEM, ENOSYS
from vmalab.linux.mm.refusal import REFUSED_HOLE, REFUSED_RANGE
from vmalab.linux.mm.vma.modify import vma_modify_flags
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi


def ksys_mseal(task: Task, start: int, length: int, flags: int) -> int:
    """mseal(2): 0, EINVAL (flags, alignment, wrap-around) or ENOMEM (a hole, the map count).

    ENOSYS where the kernel has no such call.
    A hole is found before anything is sealed.
    """
    mm = task.mm
    if mm is not None and not mm.features.mseal:
        return mm.refusal.blame(ENOSYS, "", "the kernel has no mseal")
    aligned = page_align_ulong(length)
    if mm is None:
        return -EINVAL
    if flags != 0:
        return mm.refusal.blame(EINVAL, "flags", "must be 0")
    if start & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "addr", "not a multiple of the page size")
    if length != 0 and aligned == 0:
        return mm.refusal.blame(EINVAL, "length", "wraps around when it is rounded up to pages")
    end = start + aligned
    if end > ULONG_MAX:
        return mm.refusal.blame(
            EINVAL, "length", "address and length wrap around the end of the address space"
        )
    if end == start:
        return 0
    if end > mm.task_size:
        return mm.refuse(ENOMEM, REFUSED_RANGE, min(end, LONG_MAX), mm.task_size)
    if range_contains_unmapped(mm, start, end):
        return -ENOMEM
    return mseal_range(mm, start, end)


def range_contains_unmapped(mm: Mm, start: i64, end: i64) -> bool:
    """Tell whether `[start, end)` has a hole."""
    vmi = Vmi(mm, start)
    position = start
    vma = vmi.find(end)
    while vma is not None:
        if vma.vm_start > position:
            break
        position = vma.vm_end
        vma = vmi.find(end)
    if position >= end:
        return False
    mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
    return True


def mseal_range(mm: Mm, start: i64, end: i64) -> i64:
    """Seal every VMA of `[start, end)`, which has no hole: 0 or -ENOMEM."""
    vmi = Vmi(mm, start)
    vma = vmi.load()
    prev = vmi.prev()
    if vma is not None and start > vma.vm_start:
        prev = vma
    vmi.set(start)
    vma = vmi.find(end)
    while vma is not None:
        if vma.vm_flags & VM_SEALED == 0:
            first, last = max(vma.vm_start, start), min(vma.vm_end, end)
            vmg = vma_modify_flags(vmi, prev, vma, first, last, vma.vm_flags | VM_SEALED)
            if vmg.error != 0 or vmg.result is None:
                return vmg.error
            vma = vmg.result
            mm.seam.vma_start_write(vma)
            vma.vm_flags |= VM_SEALED
        prev = vma
        vma = vmi.find(end)
    return 0
