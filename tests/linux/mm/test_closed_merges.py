# SPDX-License-Identifier: GPL-2.0-or-later
"""Merges of VMAs that want to be closed, as System V segments: as Linux 6.1, 6.12 and 6.18 do."""

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.uapi.mman import MADV_DONTFORK
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

PLACE = 0x20011000
PAGE = 4096
OLD, NEW = (6, 1), (6, 12)


def attach(machine: LinuxMachine, task: Task, version: Version) -> None:
    """Four pages of a segment at PLACE."""
    machine.config.features = Features(version)
    segment = do_syscall(task, "shmget", 0, 4 * PAGE, 0o1600)
    assert do_syscall(task, "shmat", segment, PLACE, 0) == PLACE


def pages(mm: Mm) -> list[tuple[int, int]]:
    """Each VMA, in pages from PLACE on."""
    return [((v.vm_start - PLACE) // PAGE, (v.vm_end - PLACE) // PAGE) for v in mm_vmas(mm)]


def protect(task: Task, page: int, count: int, prot: int) -> None:
    assert do_syscall(task, "mprotect", PLACE + page * PAGE, count * PAGE, prot) == 0


def move(task: Task, page: int, target: int) -> None:
    """One page goes elsewhere."""
    there = PLACE + target * PAGE
    assert do_syscall(task, "mremap", PLACE + page * PAGE, PAGE, PAGE, 3, there) == there


@pytest.mark.parametrize(
    ("version", "after"), [(OLD, [(0, 2), (2, 3), (3, 4)]), (NEW, [(0, 3), (3, 4)])]
)
def test_the_boundary_of_two_moves_up(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, after: list[tuple[int, int]]
) -> None:
    attach(machine, task, version)
    protect(task, 0, 2, 1)
    protect(task, 2, 1, 1)
    assert pages(mm) == after


@pytest.mark.parametrize(
    ("version", "after"), [(OLD, [(0, 1), (1, 2), (2, 4)]), (NEW, [(0, 1), (1, 4)])]
)
def test_the_boundary_of_two_moves_down(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, after: list[tuple[int, int]]
) -> None:
    attach(machine, task, version)
    protect(task, 0, 2, 1)
    protect(task, 1, 1, 3)
    assert pages(mm) == after


@pytest.mark.parametrize("version", [OLD, NEW])
def test_no_merge_removes_one(machine: LinuxMachine, task: Task, mm: Mm, version: Version) -> None:
    attach(machine, task, version)
    protect(task, 0, 2, 1)
    protect(task, 2, 2, 1)
    assert pages(mm) == [(0, 2), (2, 4)]


@pytest.mark.parametrize(
    ("version", "after"), [(OLD, [(0, 1), (1, 2), (2, 4)]), (NEW, [(0, 2), (2, 4)])]
)
def test_advice_page_by_page(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, after: list[tuple[int, int]]
) -> None:
    attach(machine, task, version)
    for page in range(2):
        assert do_syscall(task, "madvise", PLACE + page * PAGE, PAGE, MADV_DONTFORK) == 0
    assert pages(mm) == after


@pytest.mark.parametrize(("version", "after"), [(OLD, [(0, 3), (3, 4)]), (NEW, [(0, 4)])])
def test_a_page_comes_back_behind_the_others(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, after: list[tuple[int, int]]
) -> None:
    attach(machine, task, version)
    move(task, 3, 9)
    move(task, 9, 3)
    assert pages(mm) == after


@pytest.mark.parametrize("version", [OLD, NEW])
def test_mremap_grows_one_up_to_its_next(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version
) -> None:
    attach(machine, task, version)
    assert do_syscall(task, "munmap", PLACE + PAGE, PAGE) == 0
    assert do_syscall(task, "mremap", PLACE, PAGE, 2 * PAGE, 0) == PLACE
    assert pages(mm) == [(0, 2), (2, 4)]
