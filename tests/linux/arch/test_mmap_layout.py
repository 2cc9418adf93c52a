# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the area for mappings begins."""

import pytest

from vmalab.linux.arch.x86.mmap import arch_pick_mmap_layout, mmap_base
from vmalab.linux.fs.exec import begin_new_exec
from vmalab.linux.include.page import DEFAULT_MAP_WINDOW
from vmalab.linux.include.uapi.personality import ADDR_COMPAT_LAYOUT, ADDR_LIMIT_3GB
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

MIB = 1 << 20
GUARD = MIB


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (8 * MIB, DEFAULT_MAP_WINDOW - 128 * MIB),
        (127 * MIB, DEFAULT_MAP_WINDOW - 128 * MIB),
        (128 * MIB, DEFAULT_MAP_WINDOW - 129 * MIB),
        (RLIM_INFINITY, 0x155555556000),
    ],
    ids=["8 MiB", "just the least", "above it", "unlimited"],
)
def test_base_follows_from_the_stack_limit(limit: int, expected: int) -> None:
    assert mmap_base(0, DEFAULT_MAP_WINDOW, limit, 0, GUARD) == expected


def test_randomness_moves_it_down_and_leaves_room_for_the_stack() -> None:
    assert mmap_base(0x5000, DEFAULT_MAP_WINDOW, 8 * MIB, 0, GUARD) == 0x7FFFF7FFA000
    random_stack = 0x3FFFFF << 12
    base = mmap_base(0, DEFAULT_MAP_WINDOW, 8 * MIB, random_stack, GUARD)
    assert base == DEFAULT_MAP_WINDOW - 9 * MIB - random_stack


def test_layout_of_a_task(task: Task, mm: Mm) -> None:
    arch_pick_mmap_layout(mm, task, 0)
    assert (mm.topdown, mm.mmap_base) == (True, 0x7FFFF7FFF000)
    assert mm.mmap_legacy_base == 0x2AAAAAAAB000


def test_legacy_layout_by_personality_or_sysctl(task: Task, mm: Mm) -> None:
    task.personality = ADDR_COMPAT_LAYOUT
    arch_pick_mmap_layout(mm, task, 0x3000)
    assert not mm.topdown
    assert mm.mmap_base == mm.mmap_legacy_base == 0x2AAAAAAAE000
    task.personality = 0
    task.machine.config.legacy_va_layout = True
    arch_pick_mmap_layout(mm, task, 0)
    assert not mm.topdown


def test_a_32_bit_task(task: Task, mm: Mm) -> None:
    task.compat = True
    arch_pick_mmap_layout(mm, task, 0)
    assert mm.mmap_base == 0xFFFFE000 - 128 * MIB
    assert mm.mmap_legacy_base == 0x55555000


@pytest.mark.parametrize(
    ("compat", "personality", "end"),
    [
        (True, 0, 0xFFFFE000),
        (True, ADDR_LIMIT_3GB, 0xC0000000),
        (False, ADDR_LIMIT_3GB, DEFAULT_MAP_WINDOW),
    ],
)
def test_three_gigabytes_are_for_32_bit_programs_only(
    task: Task, compat: bool, personality: int, end: int
) -> None:
    task.compat, task.personality, task.randomize = compat, personality, False
    mm = begin_new_exec(task)
    assert mm.mmap_base == end - 128 * MIB
    assert mm.task_size == end or not compat
