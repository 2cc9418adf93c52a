# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the area for mappings begins: below the stack, or a third up the address space.

Mirrors arch/x86/mm/mmap.c (v6.18).  Random parts are arguments: they are facts of a recording.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.page import (
    DEFAULT_MAP_WINDOW,
    IA32_TASK_SIZE,
    IA32_TASK_SIZE_3GB,
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
)
from vmalab.linux.include.uapi.personality import ADDR_COMPAT_LAYOUT, ADDR_LIMIT_3GB
from vmalab.linux.include.uapi.resource import RLIMIT_STACK
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

SIZE_128M: Final = 128 * 1024 * 1024
# How far down a stack may be randomised, in bytes: 64-bit and 32-bit tasks.
STACK_RANDOM_64: Final = 0x3FFFFF << PAGE_SHIFT
STACK_RANDOM_32: Final = 0x7FF << PAGE_SHIFT


def task_size_32(task: Task) -> i64:
    """Return the end of a 32-bit program's addresses, bytes: 4 GiB less two pages, or 3 GiB.

    Kernel: IA32_PAGE_OFFSET.
    """
    limited = task.personality & ADDR_LIMIT_3GB != 0
    return IA32_TASK_SIZE_3GB if limited else IA32_TASK_SIZE


def mmap_is_legacy(task: Task) -> bool:
    """Tell whether a program's mappings go upwards from a third of the address space."""
    if task.personality & ADDR_COMPAT_LAYOUT != 0:
        return True
    return task.machine.config.legacy_va_layout


def mmap_base(rnd: int, task_size: int, rlim_stack: int, stack_random: int, guard_gap: int) -> int:
    """Return the top of the area for mappings, bytes: below the largest stack, within bounds.

    `rlim_stack` is RLIMIT_STACK in bytes (unsigned 64-bit), `stack_random` how far the stack may
    have been moved down, `rnd` how far the area was.
    """
    gap = rlim_stack
    pad = stack_random + guard_gap
    # Close to RLIM_INFINITY the sum would wrap around.
    if gap + pad < 1 << 64:
        gap += pad
    gap = min(max(gap, SIZE_128M), task_size // 6 * 5)
    return (task_size - gap - rnd + PAGE_SIZE - 1) & PAGE_MASK


def mmap_legacy_base(rnd: int, task_size: int) -> int:
    """Return the bottom of the area for mappings in the legacy layout, bytes."""
    return ((task_size // 3 + PAGE_SIZE - 1) & PAGE_MASK) + rnd


def arch_pick_mmap_layout(mm: Mm, task: Task, rnd: i64) -> None:
    """Set up where new mappings of `mm` go; `rnd` is the random part in bytes.

    A 32-bit task (`Task.compat`) has one layout here, that of its 32-bit calls; a 64-bit one has
    another for those, which is not known where it is random.  Kernel: arch_pick_mmap_layout().
    """
    size, stack_random = DEFAULT_MAP_WINDOW, STACK_RANDOM_64
    if task.compat:
        size, stack_random = task_size_32(task), STACK_RANDOM_32
    if not task.randomize:
        stack_random = 0
    mm.mmap_legacy_base = mmap_legacy_base(rnd, size)
    mm.topdown = not mmap_is_legacy(task)
    limit = task.signal.rlim_cur[RLIMIT_STACK]
    guard = task.machine.config.stack_guard_gap
    if mm.topdown:
        mm.mmap_base = mmap_base(rnd, size, limit, stack_random, guard)
    else:
        mm.mmap_base = mm.mmap_legacy_base
    mm.mmap_compat_base = mm.mmap_compat_legacy_base = 0
    if not task.compat and not task.randomize:
        size = task_size_32(task)
        mm.mmap_compat_base = mmap_base(0, size, limit, 0, guard)
        mm.mmap_compat_legacy_base = mmap_legacy_base(0, size)
