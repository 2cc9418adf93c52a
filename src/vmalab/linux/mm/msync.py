# SPDX-License-Identifier: GPL-2.0-or-later
"""msync, which changes nothing but tells a range's state by its errors.

Mirrors mm/msync.c (v6.18).
"""

from vmalab.linux.include.mm_flags import VM_LOCKED, VM_SHARED
from vmalab.linux.include.page import LONG_MAX, PAGE_MASK, PAGE_SIZE, ULONG_MAX, page_align_ulong
from vmalab.linux.include.uapi.errno import EBUSY, EINVAL, ENOMEM
from vmalab.linux.include.uapi.mman import MS_ASYNC, MS_INVALIDATE, MS_SYNC
from vmalab.linux.mm.refusal import REFUSED_HOLE, REFUSED_LENGTH, REFUSED_RANGE
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi


def ksys_msync(task: Task, start: int, length: int, flags: int) -> int:
    """msync(2): 0, EINVAL, ENOMEM (holes), EBUSY (MS_INVALIDATE, locked).

    EINVAL: flags, alignment, MS_SYNC of a shared file that cannot be written out.

    Holes are passed over and reported at the end; MS_ASYNC alone stops at the first.
    """
    mm = task.mm
    flags &= 0xFFFFFFFF
    if mm is None:
        return -EINVAL
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) != 0:
        return mm.refusal.blame(EINVAL, "flags", "unknown flag")
    if start & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "addr", "not a multiple of the page size")
    if flags & MS_ASYNC != 0 and flags & MS_SYNC != 0:
        return mm.refusal.blame(EINVAL, "flags", "MS_ASYNC together with MS_SYNC")
    end = start + page_align_ulong(length)
    if end > ULONG_MAX:
        return mm.refuse(ENOMEM, REFUSED_LENGTH, 0, 0)
    if end == start:
        return 0
    if start >= mm.task_size:
        return mm.refuse(ENOMEM, REFUSED_RANGE, LONG_MAX, mm.task_size)
    end = min(end, mm.task_size + PAGE_SIZE)
    unmapped: int = 0
    position = start
    vmi = Vmi(mm, start)
    while True:
        vma = vmi.next_from(position)
        if vma is None:
            return mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
        if position < vma.vm_start:
            unmapped = mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
            if flags == MS_ASYNC or vma.vm_start >= end:
                return unmapped
        if flags & MS_INVALIDATE != 0 and vma.vm_flags & VM_LOCKED != 0:
            return mm.refusal.blame_at(
                EBUSY, "flags", "MS_INVALIDATE of the locked mapping", vma.vm_start
            )
        if flags & MS_SYNC != 0 and vma.vm_flags & VM_SHARED != 0:
            if vma.vm_file is not None and not vma.vm_file.f_op.can_fsync:
                return mm.refusal.blame(EINVAL, "fd", "MS_SYNC of a file that cannot be synced")
        position = vma.vm_end
        if position >= end:
            return unmapped
