# SPDX-License-Identifier: GPL-2.0-or-later
"""mprotect: the order of its refusals, and what it has done by the time it meets a hole.

All answers are those of Linux 6.18, asked one by one.
"""

from collections.abc import Callable

import pytest

from vmalab.linux.fs.open import file_open
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.uapi.errno import EACCES, EINVAL, ENOMEM
from vmalab.linux.include.uapi.fcntl import O_RDONLY
from vmalab.linux.include.uapi.mman import (
    MAP_GROWSDOWN,
    PROT_GROWSDOWN,
    PROT_GROWSUP,
    PROT_NONE,
    PROT_READ,
    PROT_SEM,
    PROT_WRITE,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.file import I_REG
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

BASE = 0x60000000
PAGE = 4096
RW = PROT_READ | PROT_WRITE


def areas(mm: Mm) -> list[tuple[int, int, int]]:
    """Each VMA: its first page and the page after it, counted from BASE, and its protection."""
    return [
        ((vma.vm_start - BASE) // PAGE, (vma.vm_end - BASE) // PAGE, vma.vm_flags & 7)
        for vma in mm_vmas(mm)
    ]


def mprotect(task: Task, first: int, pages: int, prot: int) -> int:
    return do_syscall(task, "mprotect", BASE + first * PAGE, pages * PAGE, prot)


@pytest.mark.parametrize(
    ("start", "length", "prot", "answer"),
    [
        pytest.param(BASE, 0, PROT_READ, 0, id="nothing"),
        pytest.param(BASE + 1, 0, PROT_READ, -EINVAL, id="nothing, unaligned"),
        pytest.param(BASE + 1, PAGE, PROT_READ, -EINVAL, id="unaligned"),
        pytest.param(BASE, PAGE, PROT_READ, -ENOMEM, id="not mapped"),
        pytest.param(BASE, 2**64 - PAGE, PROT_READ, -ENOMEM, id="beyond the end"),
        pytest.param(BASE, 2**64 - 1, PROT_READ, -ENOMEM, id="rounds up to nothing"),
        pytest.param(BASE, PAGE, 0x10, -EINVAL, id="unknown bit"),
        pytest.param(BASE, PAGE, PROT_GROWSDOWN, -ENOMEM, id="down, not mapped"),
        pytest.param(BASE, PAGE, PROT_GROWSDOWN | PROT_GROWSUP, -EINVAL, id="down and up"),
    ],
)
def test_of_nothing_mapped(task: Task, start: int, length: int, prot: int, answer: int) -> None:
    assert do_syscall(task, "mprotect", start, length, prot) == answer


def test_a_part_is_split_off_and_merges_back(
    task: Task, mm: Mm, map_pages: Callable[..., None]
) -> None:
    map_pages(BASE, 3)
    assert mprotect(task, 1, 1, PROT_READ) == 0
    assert areas(mm) == [(0, 1, RW), (1, 2, PROT_READ), (2, 3, RW)]
    assert mprotect(task, 1, 1, RW) == 0
    assert areas(mm) == [(0, 3, RW)]


def test_a_length_is_rounded_up_to_pages(
    task: Task, mm: Mm, map_pages: Callable[..., None]
) -> None:
    map_pages(BASE, 2)
    assert do_syscall(task, "mprotect", BASE, 1, PROT_READ) == 0
    assert areas(mm) == [(0, 1, PROT_READ), (1, 2, RW)]


def test_what_lies_before_a_hole_is_changed(
    task: Task, mm: Mm, map_pages: Callable[..., None]
) -> None:
    map_pages(BASE, 2)
    map_pages(BASE + 3 * PAGE)
    assert mprotect(task, 1, 3, PROT_READ) == -ENOMEM
    assert areas(mm) == [(0, 1, RW), (1, 2, PROT_READ), (3, 4, RW)]


def test_what_lies_behind_a_hole_at_the_start_is_not(
    task: Task, mm: Mm, map_pages: Callable[..., None]
) -> None:
    map_pages(BASE + PAGE)
    assert mprotect(task, 0, 2, PROT_READ) == -ENOMEM
    assert areas(mm) == [(1, 2, RW)]


@pytest.mark.parametrize("direction", [PROT_GROWSDOWN, PROT_GROWSUP])
def test_what_does_not_grow_is_not_followed(
    task: Task, map_pages: Callable[..., None], direction: int
) -> None:
    map_pages(BASE)
    assert mprotect(task, 0, 1, PROT_READ | direction) == -EINVAL


def test_a_stack_is_changed_from_its_start(
    task: Task, mm: Mm, map_pages: Callable[..., None]
) -> None:
    map_pages(BASE, 3, MAP_GROWSDOWN | 0x32)
    assert mprotect(task, 1, 1, PROT_READ | PROT_GROWSDOWN) == 0
    assert areas(mm) == [(0, 2, PROT_READ), (2, 3, RW)]


def test_the_bit_for_semaphores_means_nothing(
    task: Task, mm: Mm, map_pages: Callable[..., None]
) -> None:
    map_pages(BASE)
    assert mprotect(task, 0, 1, PROT_SEM) == 0
    assert areas(mm) == [(0, 1, PROT_NONE)]


@pytest.mark.parametrize(
    ("flags", "answer"),
    [pytest.param(0x11, -EACCES, id="shared"), pytest.param(0x12, 0, id="private")],
)
def test_only_a_shared_mapping_of_a_file_opened_to_read_stays_unwritable(
    machine: LinuxMachine, task: Task, flags: int, answer: int
) -> None:
    machine.add_inode("/data", I_REG, "08:01", 7, PAGE)
    task.files.install_at(9, file_open(machine, "/data", O_RDONLY))
    assert do_syscall(task, "mmap", BASE, PAGE, PROT_READ, flags, 9, 0) == BASE
    assert mprotect(task, 0, 1, RW) == answer
