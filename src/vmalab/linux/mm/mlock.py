# SPDX-License-Identifier: GPL-2.0-or-later
"""Locking pages in memory: mlock, mlock2, munlock, mlockall, munlockall.

Mirrors mm/mlock.c (v6.18).
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_LOCKED, VM_LOCKED_MASK, VM_LOCKONFAULT
from vmalab.linux.include.page import (
    LONG_MAX,
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    TASK_SIZE_5LEVEL,
    exceeds_ulong,
    page_align_ulong,
)
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.linux.include.uapi.errno import EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM
from vmalab.linux.include.uapi.mman import MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT
from vmalab.linux.include.uapi.resource import RLIMIT_MEMLOCK
from vmalab.linux.mm.accounting import unsigned_count
from vmalab.linux.mm.gup import mm_populate, mm_populate_errors
from vmalab.linux.mm.mmap import can_do_mlock
from vmalab.linux.mm.refusal import (
    REFUSED_FAULT,
    REFUSED_HOLE,
    REFUSED_MEMLOCK,
    REFUSED_RANGE,
)
from vmalab.linux.mm.secretmem import vma_is_secretmem
from vmalab.linux.mm.vma.mmap_region import vma_supports_mlock
from vmalab.linux.mm.vma.modify import vma_modify_flags
from vmalab.linux.types.mm_types import Mm, Vma, VmaResult
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi


def mlock_fixup(
    vmi: Vmi, vma: Vma, prev: Vma | None, start: i64, end: i64, flags: i64
) -> VmaResult:
    """Give `[start, end)` of one VMA the lock bits in `flags` and count its pages.

    VMAs whose pages cannot be locked, and secret memory, are left alone.  Kernel: mlock_fixup().
    """
    mm = vma.vm_mm
    old = vma.vm_flags
    if flags == old or vma_is_secretmem(vma) or not vma_supports_mlock(old):
        return VmaResult(0, vma)
    vmg = vma_modify_flags(vmi, prev, vma, start, end, flags)
    result = vmg.result
    if vmg.error != 0 or result is None:
        return VmaResult(vmg.error, vma)
    if flags & VM_LOCKED == 0:
        count_locked(mm, -((end - start) >> PAGE_SHIFT))
    elif old & VM_LOCKED == 0:
        count_locked(mm, (end - start) >> PAGE_SHIFT)
    mm.seam.vma_start_write(result)
    result.vm_flags = vmg.vm_flags
    return VmaResult(0, result)


def count_locked(mm: Mm, pages: i64) -> None:
    """Add pages (negative: take off) to locked_vm, through an int where the kernel has one."""
    counted = pages
    features = mm.features
    if features.mlock_counts_in_int:
        counted = ((pages + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    mm.locked_vm += counted
    mm.locked_vm_miscount += counted - pages


def apply_vma_lock_flags(mm: Mm, start: i64, end: i64, lock_flags: i64) -> i64:
    """Set the lock bits of every VMA in `[start, end)`, up to a hole or an error: 0 or -errno.

    Errors: ENOMEM (a hole, the map count, no memory).  VMAs before it stay changed.
    Kernel: apply_vma_lock_flags().
    """
    if start == end:
        return 0
    vmi = Vmi(mm, start)
    first = vmi.load()
    if first is None:
        return mm.refuse_at(ENOMEM, REFUSED_HOLE, start)
    prev = vmi.prev()
    if start > first.vm_start:
        prev = first
    vmi.set(start)
    position = start
    while position < end:
        vma = vmi.find(end)
        if vma is None or vma.vm_start > position:
            return mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
        flags = vma.vm_flags & ~VM_LOCKED_MASK | lock_flags
        fixup = mlock_fixup(vmi, vma, prev, position, min(vma.vm_end, end), flags)
        if fixup.error != 0:
            return fixup.error
        prev = fixup.vma
        position = vmi.end()
    return 0


def count_mm_mlocked_page_nr(mm: Mm, start: i64, end: i64) -> i64:
    """Return pages of `[start, end)` that are locked already."""
    pages: i64 = 0
    vmi = Vmi(mm, start)
    vma = vmi.find(end)
    while vma is not None:
        if vma.vm_flags & VM_LOCKED != 0:
            pages += (min(vma.vm_end, end) - max(vma.vm_start, start)) >> PAGE_SHIFT
        vma = vmi.find(end)
    return pages


def do_mlock(task: Task, start: int, length: int, lock_flags: i64) -> int:
    """Lock a range and fault it in: 0 or a negative errno.

    Errors: EPERM (RLIMIT_MEMLOCK is 0), ENOMEM (over RLIMIT_MEMLOCK, a hole, pages that cannot be
    had), EAGAIN (no memory for pages), EINVAL (wrap-around).  Kernel: do_mlock().
    """
    mm = task.mm
    if mm is None:
        return -EPERM
    if not can_do_mlock(task):
        return mm.refuse(EPERM, REFUSED_MEMLOCK, 1, 0)
    length = page_align_ulong(length + (start & ~PAGE_MASK))
    start &= PAGE_MASK
    limit = task.signal.rlim_cur[RLIMIT_MEMLOCK] >> PAGE_SHIFT
    locked = (length >> PAGE_SHIFT) + mm.locked_vm
    privileged = task.capable(CAP_IPC_LOCK)
    end = start + length
    if unsigned_count(locked) > limit and not privileged:
        locked -= count_mm_mlocked_page_nr(
            mm, min(start, TASK_SIZE_5LEVEL), min(end, TASK_SIZE_5LEVEL)
        )
    if unsigned_count(locked) > limit and not privileged:
        return mm.refuse(ENOMEM, REFUSED_MEMLOCK, unsigned_count(locked), limit)
    if exceeds_ulong(end):
        return mm.refusal.blame(
            EINVAL, "length", "address and length wrap around the end of the address space"
        )
    if start >= mm.task_size:
        return 0 if length == 0 else mm.refuse(ENOMEM, REFUSED_RANGE, LONG_MAX, mm.task_size)
    end = min(end, mm.task_size + PAGE_SIZE)
    error = apply_vma_lock_flags(mm, start, end, lock_flags)
    if error != 0:
        return error
    error = mm_populate_errors(mm, start, end - start, False)
    if error == -EFAULT:
        return mm.refuse_at(ENOMEM, REFUSED_FAULT, start)
    if error == -ENOMEM:
        return mm.refusal.answer(EAGAIN)
    return error


def ksys_mlock(task: Task, start: int, length: int) -> int:
    """mlock(2), see `do_mlock`."""
    return do_mlock(task, start, length, VM_LOCKED)


def ksys_mlock2(task: Task, start: int, length: int, flags: int) -> int:
    """mlock2(2), see `do_mlock`; EINVAL for flags other than MLOCK_ONFAULT."""
    flags &= 0xFFFFFFFF
    if flags & ~MLOCK_ONFAULT != 0:
        return task.machine.kernel.refusal.blame(EINVAL, "flags", "unknown flag")
    onfault = VM_LOCKONFAULT if flags & MLOCK_ONFAULT != 0 else 0
    return do_mlock(task, start, length, VM_LOCKED | onfault)


def ksys_munlock(task: Task, start: int, length: int) -> int:
    """munlock(2): 0, EINVAL (wrap-around) or ENOMEM (a hole, the map count)."""
    mm = task.mm
    length = page_align_ulong(length + (start & ~PAGE_MASK))
    start &= PAGE_MASK
    if mm is None:
        return -EINVAL
    if exceeds_ulong(start + length):
        return mm.refusal.blame(
            EINVAL, "length", "address and length wrap around the end of the address space"
        )
    if start >= mm.task_size:
        return 0 if length == 0 else mm.refuse(ENOMEM, REFUSED_RANGE, LONG_MAX, mm.task_size)
    return apply_vma_lock_flags(mm, start, min(start + length, mm.task_size + PAGE_SIZE), 0)


def apply_mlockall_flags(mm: Mm, flags: int) -> None:
    """Set what new VMAs get and, with MCL_CURRENT or no flag, what all have now.

    Kernel: apply_mlockall_flags().
    """
    onfault = VM_LOCKONFAULT if flags & MCL_ONFAULT != 0 else 0
    mm.def_flags &= ~VM_LOCKED_MASK
    if flags & MCL_FUTURE != 0:
        mm.def_flags |= VM_LOCKED | onfault
        if flags & MCL_CURRENT == 0:
            return
    to_add: i64 = VM_LOCKED | onfault if flags & MCL_CURRENT != 0 else 0
    vmi = Vmi(mm, 0)
    prev: Vma | None = None
    vma = vmi.find(TASK_SIZE_5LEVEL)
    while vma is not None:
        new_flags = vma.vm_flags & ~VM_LOCKED_MASK | to_add
        # A VMA that cannot be changed is passed over.
        prev = mlock_fixup(vmi, vma, prev, vma.vm_start, vma.vm_end, new_flags).vma
        vma = vmi.find(TASK_SIZE_5LEVEL)


def ksys_mlockall(task: Task, flags: int) -> int:
    """mlockall(2): 0, EINVAL (flags), EPERM or ENOMEM (RLIMIT_MEMLOCK)."""
    mm = task.mm
    flags &= 0xFFFFFFFF
    if flags == 0:
        return task.machine.kernel.refusal.blame(
            EINVAL, "flags", "neither MCL_CURRENT nor MCL_FUTURE"
        )
    if flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0:
        return task.machine.kernel.refusal.blame(EINVAL, "flags", "unknown flag")
    if flags == MCL_ONFAULT:
        return task.machine.kernel.refusal.blame(
            EINVAL, "flags", "neither MCL_CURRENT nor MCL_FUTURE"
        )
    if mm is None:
        return -EPERM
    if not can_do_mlock(task):
        return mm.refuse(EPERM, REFUSED_MEMLOCK, 1, 0)
    limit = task.signal.rlim_cur[RLIMIT_MEMLOCK] >> PAGE_SHIFT
    if flags & MCL_CURRENT != 0 and mm.total_vm > limit and not task.capable(CAP_IPC_LOCK):
        return mm.refuse(ENOMEM, REFUSED_MEMLOCK, mm.total_vm, limit)
    apply_mlockall_flags(mm, flags)
    if flags & MCL_CURRENT != 0:
        mm_populate(mm, 0, mm.task_size)
    return 0


def ksys_munlockall(task: Task) -> int:
    """munlockall(2): always 0."""
    if task.mm is not None:
        apply_mlockall_flags(task.mm, 0)
    return 0
