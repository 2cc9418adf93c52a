# SPDX-License-Identifier: GPL-2.0-or-later
"""Faulting in ranges on behalf of calls: MAP_POPULATE, locking, MADV_POPULATE_*.

Mirrors the populating half of mm/gup.c (v6.18).
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_IO,
    VM_LOCKONFAULT,
    VM_MAYREAD,
    VM_PFNMAP,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)
from vmalab.linux.include.uapi.errno import EFAULT, EHWPOISON, EINVAL, ENOMEM
from vmalab.linux.mm.memory import fault_range
from vmalab.linux.mm.pkeys import vma_access_permitted
from vmalab.linux.mm.refusal import REFUSED_HOLE
from vmalab.linux.mm.secretmem import vma_is_secretmem
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import find_vma_intersection


def populate_vma_page_range(vma: Vma, start: i64, end: i64) -> i64:
    """Fault in `[start, end)` of one VMA as mlock and MAP_POPULATE do: 0 or -errno.

    Private writable VMAs are written to, others read.  Errors: EFAULT (not accessible, a guard
    marker, beyond the file's end), ENOMEM.  Kernel: populate_vma_page_range().
    """
    flags = vma.vm_flags
    on_fault = flags & VM_LOCKONFAULT != 0
    if on_fault and not vma.vm_mm.features.lockonfault_needs_access:
        return 0
    if flags & VM_ACCESS_FLAGS == 0 or vma_is_secretmem(vma):
        return -EFAULT
    write = flags & (VM_WRITE | VM_SHARED) == VM_WRITE
    if not write and flags & (VM_READ | VM_MAYREAD) == 0:
        return -EFAULT
    if not vma_access_permitted(vma, write):
        return -EFAULT
    if on_fault:
        return 0
    error = fault_range(vma, start, end, write)
    return -EFAULT if error == -EHWPOISON else error


def mm_populate_errors(mm: Mm, start: i64, length: i64, ignore_errors: bool) -> i64:
    """Fault in what is mapped of `[start, start + length)`: 0 or the first error.

    Holes and device memory are skipped.  Kernel: __mm_populate().
    """
    end = start + length
    position = start
    while position < end:
        vma = find_vma_intersection(mm, position, end)
        if vma is None:
            return 0
        stop = min(end, vma.vm_end)
        if vma.vm_flags & (VM_IO | VM_PFNMAP) == 0:
            err = populate_vma_page_range(vma, max(position, vma.vm_start), stop)
            if err != 0 and not ignore_errors:
                return err
        position = stop
    return 0


def mm_populate(mm: Mm, start: i64, length: i64) -> None:
    """Fault in what is mapped of the range; errors do not matter to the caller."""
    mm_populate_errors(mm, start, length, True)


def faultin_page_range(mm: Mm, start: i64, end: i64, write: bool) -> i64:
    """Fault in `[start, end)` as MADV_POPULATE_READ and _WRITE do: 0 or -errno.

    Errors: ENOMEM (a hole, no memory), EINVAL (a VMA that cannot be accessed so), EFAULT (a guard
    marker, beyond the file's end), EHWPOISON (a page declared lost).  What lies before the error
    stays populated.
    Kernel: faultin_page_range().
    """
    position = start
    hole: i64 = 0
    while position < end:
        vma = find_vma_intersection(mm, position, end)
        if vma is None:
            return mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
        if vma.vm_start > position:
            hole = mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
            if mm.features.populate_stops_at_hole:
                return hole
            position = vma.vm_start
        if vma.vm_flags & (VM_IO | VM_PFNMAP) != 0 or vma_is_secretmem(vma):
            return mm.refusal.blame_at(
                EINVAL,
                "advice",
                "device and secret memory cannot be populated: the mapping",
                vma.vm_start,
            )
        if vma.vm_flags & (VM_WRITE if write else VM_READ) == 0:
            return mm.refusal.blame_at(
                EINVAL,
                "advice",
                "the advice needs an access that is not allowed in the mapping",
                vma.vm_start,
            )
        if not vma_access_permitted(vma, write):
            return mm.refusal.blame_at(
                EINVAL,
                "advice",
                "the thread's protection keys allow no access to the mapping",
                vma.vm_start,
            )
        stop = min(end, vma.vm_end)
        err = fault_range(vma, position, stop, write)
        if err != 0:
            why = "a guard, or beyond the end of the file, in the mapping"
            return mm.refusal.blame_at(-err, "addr", why, vma.vm_start)
        position = stop
    return hole
