# SPDX-License-Identifier: GPL-2.0-or-later
"""brk: moving the end of the heap, and mapping a program's uninitialised data.

Mirrors the brk system call and vm_brk_flags() of mm/mmap.c (v6.18).
"""

from typing import cast

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_EXEC, VM_LOCKED
from vmalab.linux.include.page import LONG_MAX, PAGE_SIZE, ULONG_MAX, page_align_ulong
from vmalab.linux.include.uapi.errno import EAGAIN, ENOMEM
from vmalab.linux.include.uapi.mman import MAP_FIXED
from vmalab.linux.include.uapi.personality import READ_IMPLIES_EXEC
from vmalab.linux.include.uapi.resource import RLIMIT_DATA
from vmalab.linux.mm.accounting import mlock_future_ok
from vmalab.linux.mm.get_unmapped_area import get_unmapped_area
from vmalab.linux.mm.gup import mm_populate
from vmalab.linux.mm.refusal import REFUSED_BRK, REFUSED_OCCUPIED, REFUSED_RANGE
from vmalab.linux.mm.vma.brk import do_brk_flags
from vmalab.linux.mm.vma.munmap import do_munmap, do_vmi_align_munmap
from vmalab.linux.mm.vma.unmapped_area import vm_start_gap
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.task import NO_RLIMIT, Task
from vmalab.linux.types.vma_iterator import Vmi


def ksys_brk(task: Task, brk: int) -> int:
    """brk(2): the new break, or the old one when it cannot be moved (bytes).

    The old break stays when the new one is below start_brk, over RLIMIT_DATA, when something (a
    stack's guard gap included) is mapped within a page of the new end, or when memory is refused.
    """
    mm = task.mm
    if mm is None:
        return 0
    start_brk: int = mm.start_brk
    task_size: int = mm.task_size
    if brk < start_brk or exceeds_data_limit(task, mm, brk):
        return mm.brk
    new = page_align_ulong(brk)
    old = page_align_ulong(mm.brk)
    # Rounding up wraps around at the end of all addresses.
    if new > task_size or new < brk:
        mm.refuse(ENOMEM, REFUSED_RANGE, min(brk, LONG_MAX), mm.task_size)
        return mm.brk
    if old == new:
        mm.brk = brk
    elif brk <= mm.brk:
        shrink_brk(mm, brk, new, old)
    elif grow_brk(mm, old, new):
        mm.brk = brk
        if mm.def_flags & VM_LOCKED != 0:
            mm_populate(mm, old, new - old)
    return mm.brk


def exceeds_data_limit(task: Task, mm: Mm, brk: int) -> bool:
    """Tell whether heap and initialised data would exceed RLIMIT_DATA (`check_data_rlimit`)."""
    limit: int = task.signal.rlim_cur.reached(RLIMIT_DATA)
    if limit == NO_RLIMIT:
        return False
    start_brk: int = mm.start_brk
    data: int = mm.end_data - mm.start_data
    size = (brk - start_brk + data) & ULONG_MAX
    if size <= limit:
        return False
    mm.refuse(ENOMEM, REFUSED_BRK, min(size, LONG_MAX), limit)
    return True


def shrink_brk(mm: Mm, brk: int, new: i64, old: i64) -> None:
    """Unmap the heap's pages from `new` on; the break stays when they are not the heap's."""
    vmi = Vmi(mm, new)
    vma = vmi.find(old)
    if vma is None:
        unmapped = mm.features.brk_shrinks_over_holes
    else:
        unmapped = do_vmi_align_munmap(vmi, vma, mm, new, old, None) == 0
    if unmapped:
        mm.brk = brk


def grow_brk(mm: Mm, old: i64, new: i64) -> bool:
    """Map `[old, new)` as heap; False when it cannot be."""
    if check_brk_limits(mm, old, new - old) != 0:
        return False
    guard: i64 = mm.config.stack_guard_gap
    vmi = Vmi(mm, old)
    following = vmi.find(new + PAGE_SIZE + guard)
    if following is not None and new + PAGE_SIZE > vm_start_gap(following, guard):
        mm.refuse_at(ENOMEM, REFUSED_OCCUPIED, following.vm_start)
        return False
    vmi.set(old)
    vmi.load()
    # A mapping that ends exactly where the heap starts, such as bss, is not part of it.
    lowest = 0 if mm.features.brk_merges_below_start else mm.start_brk
    below = cast("Vma | None", vmi.mas.prev(lowest))
    return do_brk_flags(mm, vmi, below, old, new - old, data_exec_flag(mm)) == 0


def data_exec_flag(mm: Mm) -> i64:
    """VM_EXEC where all that can be read can be executed, as some 32-bit programs want, else 0."""
    owner = mm.owner
    if owner is None or owner.personality & READ_IMPLIES_EXEC == 0:
        return 0
    return VM_EXEC


def vm_brk_flags(mm: Mm, addr: int, request: int, is_exec: bool) -> i64:
    """Map anonymous memory at `addr` for exec, replacing what is there: 0 or -errno.

    `addr` and `request` are bytes, unsigned 64-bit.  Errors: ENOMEM (no such addresses, limits,
    memory), EAGAIN (RLIMIT_MEMLOCK), those of munmap.  Kernel: vm_brk_flags().
    """
    length = page_align_ulong(request)
    if length < request or length > mm.task_size or addr > mm.task_size:
        return -ENOMEM
    if length == 0:
        return 0
    err = check_brk_limits(mm, addr, length)
    if err != 0:
        return err
    err = do_munmap(mm, addr, length, None)
    if err != 0:
        return err
    vmi = Vmi(mm, addr)
    vmi.load()
    flags: i64 = VM_EXEC if is_exec else data_exec_flag(mm)
    err = do_brk_flags(mm, vmi, vmi.prev(), addr, length, flags)
    if err == 0 and mm.def_flags & VM_LOCKED != 0:
        mm_populate(mm, addr, length)
    return err


def check_brk_limits(mm: Mm, addr: i64, length: i64) -> i64:
    """Check place and RLIMIT_MEMLOCK of a heap's growth: 0 or -errno."""
    place = get_unmapped_area(mm, None, addr, length, 0, MAP_FIXED, 0)
    if place < 0:
        return place
    return 0 if mlock_future_ok(mm, mm.def_flags, length) else -EAGAIN
