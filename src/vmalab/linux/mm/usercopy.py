# SPDX-License-Identifier: GPL-2.0-or-later
"""Copying between the kernel and a caller's memory, as far as it can fail.

Mirrors lib/usercopy.c (v6.18).  Nothing is copied, since no page has contents.  A pointer that a
log shows as what it points to has no known number; such ones count as good.
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_GROWSDOWN,
    VM_IO,
    VM_PFNMAP,
    VM_UFFD_MISSING,
    VM_WRITE,
)
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE, ULONG_MAX, is_pointer_unknown
from vmalab.linux.include.uapi.resource import RLIMIT_STACK
from vmalab.linux.include.uapi.userfaultfd import UFFD_FEATURE_SIGBUS
from vmalab.linux.mm.memory import fault_range
from vmalab.linux.mm.pkeys import vma_access_permitted
from vmalab.linux.mm.vma.stack import expand_downwards
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import find_vma


def access_ok(mm: Mm, addr: int, size: int) -> bool:
    """Tell whether `[addr, addr + size)` (bytes, unsigned 64-bit) lies in user space."""
    task_size: int = mm.task_size
    return is_pointer_unknown(addr) or (addr + size <= ULONG_MAX and addr + size <= task_size)


def copy_from_user(mm: Mm, addr: int, size: int) -> bool:
    """Tell whether `size` bytes can be read at `addr`."""
    return user_range_ok(mm, addr, size, False)


def copy_to_user(mm: Mm, addr: int, size: int) -> bool:
    """Tell whether `size` bytes can be written at `addr`; their pages are touched by that."""
    return user_range_ok(mm, addr, size, True)


def user_range_ok(mm: Mm, addr: int, size: int, write: bool) -> bool:
    """Tell whether everything in `[addr, addr + size)` can be read or written.

    Below a stack there may be more of it by the time that it is touched; where nothing happens
    unseen, it grows now.
    """
    if size == 0 or is_pointer_unknown(addr):
        return True
    if not access_ok(mm, addr, size):
        return False
    position, end = addr & PAGE_MASK, (addr + size + PAGE_SIZE - 1) & PAGE_MASK
    while position < end:
        vma = find_vma(mm, position)
        if vma is None:
            return False
        if vma.vm_start > position and mm.owner is not None and mm.owner.machine.closed_world:
            # It has grown even if the access is refused then.
            if not expand_stack(vma, position):
                return False
        if vma.vm_flags & (VM_WRITE if write else VM_ACCESS_FLAGS) == 0:
            return False
        if not vma_access_permitted(vma, write):
            return False
        if vma.vm_start > position:
            if vma.vm_flags & VM_GROWSDOWN == 0 or not stack_may_reach(vma, position):
                return False
        elif not vma_range_ok(vma, position, min(end, vma.vm_end), write):
            return False
        position = int(vma.vm_end)
    return True


def expand_stack(vma: Vma, addr: i64) -> bool:
    """Let a stack grow down to what is touched at `addr`: whether it did.

    Kernel: lock_mm_and_find_vma().
    """
    mm = vma.vm_mm
    mm.seam.mmap_write_lock(mm)
    error = expand_downwards(vma, addr)
    mm.seam.mmap_write_unlock(mm)
    return error == 0


def stack_may_reach(vma: Vma, addr: i64) -> bool:
    """Tell whether RLIMIT_STACK lets a stack grow down to `addr`."""
    task = vma.vm_mm.owner
    return task is None or int(vma.vm_end - addr) <= task.signal.rlim_cur[RLIMIT_STACK]


def vma_range_ok(vma: Vma, start: i64, end: i64, write: bool) -> bool:
    """Touch `[start, end)` of a VMA: whether that brings no signal."""
    if vma.vm_flags & (VM_IO | VM_PFNMAP) != 0:
        # Pages of a device.
        return True
    ctx = vma.vm_userfaultfd_ctx
    signals = ctx is not None and ctx.features & UFFD_FEATURE_SIGBUS != 0
    if vma.vm_flags & VM_UFFD_MISSING != 0 and not signals:
        # Somebody brings the missing pages.
        return True
    return fault_range(vma, start, end, write) == 0
