# SPDX-License-Identifier: GPL-2.0-or-later
"""Page tables as such: which exist after faults, moves and unmapping, and how many."""

import pytest

from vmalab.linux.include.features import Features
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.page_table_check import page_table_violations
from vmalab.linux.mm.pgtable import Pgtables
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

BASE = 0x100000000000
MB2, GB1 = 1 << 21, 1 << 30
NOBODY = 2**64 - 1
POPULATE_WRITE = 23


def numbers(tables: Pgtables) -> tuple[int, int, int]:
    """How many tables of each level there are, lowest first."""
    return (tables.pte.nr, tables.pmd.nr, tables.pud.nr)


def mapped(task: Task, addr: int, size: int, touch: bool = True) -> None:
    assert do_syscall(task, "mmap", addr, size, 3, 0x4032, NOBODY, 0) == addr
    if touch:
        assert do_syscall(task, "madvise", addr, size, POPULATE_WRITE) == 0


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (BASE, BASE + 0x1000, (1, 1, 1)),
        (BASE + MB2 - 0x1000, BASE + MB2 + 0x1000, (2, 1, 1)),
        (BASE + GB1 - 0x1000, BASE + GB1 + 0x1000, (2, 2, 1)),
        (BASE, BASE + (1 << 40), (1 << 19, 1 << 10, 2)),
    ],
)
def test_a_range_needs_every_table_that_it_overlaps(
    start: int, end: int, expected: tuple[int, int, int]
) -> None:
    tables = Pgtables()
    tables.alloc(start, end)
    assert numbers(tables) == expected
    tables.alloc(start, end)
    assert numbers(tables) == expected
    assert tables.nr_tables() == sum(expected)


@pytest.mark.parametrize(
    ("floor", "ceiling", "expected"),
    [
        (0, 0, (0, 0, 0)),
        (BASE, BASE + (1 << 39), (0, 0, 0)),
        (BASE + 1, 0, (1, 1, 1)),
        (BASE, BASE + 2 * MB2, (0, 1, 1)),
        (BASE, BASE + 2 * MB2 - 1, (1, 1, 1)),
        (BASE, BASE + GB1, (0, 0, 1)),
    ],
)
def test_what_a_neighbour_may_be_using_stays(
    floor: int, ceiling: int, expected: tuple[int, int, int]
) -> None:
    tables = Pgtables()
    tables.alloc(BASE, BASE + 2 * MB2)
    tables.free(BASE, BASE + 2 * MB2, floor, ceiling)
    assert numbers(tables) == expected


def test_tables_in_the_middle_can_be_freed() -> None:
    tables = Pgtables()
    tables.alloc(BASE, BASE + 8 * MB2)
    tables.free_ptes(BASE + MB2 + 0x1000, BASE + 4 * MB2 - 0x1000)
    assert tables.pte.nr == 7
    tables.free_ptes(BASE + MB2, BASE + 2 * MB2)
    tables.free_ptes(BASE, BASE)
    assert tables.pte.present(0, 1 << 40) == [
        (BASE >> 21, BASE >> 21),
        ((BASE >> 21) + 3, (BASE >> 21) + 7),
    ]


def test_a_whole_table_moves_itself() -> None:
    tables = Pgtables()
    tables.alloc(BASE, BASE + 2 * MB2)
    tables.move(BASE, BASE + 2 * GB1, 2 * MB2)
    assert numbers(tables) == (2, 2, 1)
    assert tables.pte.count(BASE >> 21, (BASE >> 21) + 1) == 0


def test_a_part_of_a_table_needs_another_one() -> None:
    tables = Pgtables()
    tables.alloc(BASE, BASE + MB2)
    tables.move(BASE, BASE + 2 * GB1, 0x1000)
    assert numbers(tables) == (2, 2, 1)
    tables.move(BASE + 0x1000, BASE + 4 * GB1, MB2 - 0x1000)
    assert numbers(tables) == (3, 3, 1)


def test_munmap_frees_tables_unless_a_neighbour_shares_them(task: Task, mm: Mm) -> None:
    mapped(task, BASE, 0x1000)
    mapped(task, BASE + 0x10000, 0x1000)
    assert numbers(mm.page_tables.tables) == (1, 1, 1)
    assert do_syscall(task, "munmap", BASE, 0x1000) == 0
    assert numbers(mm.page_tables.tables) == (1, 1, 1)
    assert do_syscall(task, "munmap", BASE + 0x10000, 0x1000) == 0
    assert numbers(mm.page_tables.tables) == (0, 0, 0)
    assert page_table_violations(mm) == []


def test_mapping_over_pages_frees_their_tables(task: Task, mm: Mm) -> None:
    mapped(task, BASE, 4 * MB2)
    mapped(task, BASE, 4 * MB2, touch=False)
    assert numbers(mm.page_tables.tables) == (0, 0, 0)


def test_mremap_takes_pages_along(task: Task, mm: Mm) -> None:
    mapped(task, BASE, 2 * MB2)
    new = BASE + 3 * GB1
    assert do_syscall(task, "mremap", BASE, 2 * MB2, 2 * MB2, 3, new) == new
    assert numbers(mm.page_tables.tables) == (2, 1, 1)
    assert mm.page_tables.nr_anon == 1024
    assert page_table_violations(mm) == []


def test_dontneed_frees_tables_that_it_leaves_empty(
    machine: LinuxMachine, task: Task, mm: Mm
) -> None:
    mapped(task, BASE, 4 * MB2)
    assert do_syscall(task, "madvise", BASE + MB2, 0x1000, 102) == 0
    assert do_syscall(task, "madvise", BASE, 3 * MB2 + 0x1000, 4) == 0
    assert mm.page_tables.tables.pte.present(0, 1 << 40) == [
        ((BASE >> 21) + 1, (BASE >> 21) + 1),
        ((BASE >> 21) + 3, (BASE >> 21) + 3),
    ]
    machine.config.features = Features((6, 12))
    assert do_syscall(task, "madvise", BASE, 4 * MB2, 4) == 0
    assert mm.page_tables.tables.pte.nr == 2


def test_a_child_gets_the_tables_of_what_is_copied(task: Task, mm: Mm) -> None:
    mapped(task, BASE, 2 * MB2)
    mapped(task, BASE + GB1, 0x1000, touch=False)
    assert do_syscall(task, "mmap", BASE + 2 * GB1, 0x1000, 3, 0x31, NOBODY, 0) > 0
    assert do_syscall(task, "madvise", BASE + 2 * GB1, 0x1000, POPULATE_WRITE) == 0
    assert do_syscall(task, "madvise", BASE, MB2, 4) == 0
    child = do_fork(task, 0, 101)
    assert child is not None
    assert child.mm is not None
    assert numbers(child.mm.page_tables.tables) == (1, 1, 1)
    assert page_table_violations(child.mm) == []
    assert numbers(mm.page_tables.tables) == (2, 2, 1)


def test_an_end_frees_everything(machine: LinuxMachine, task: Task) -> None:
    child = do_fork(task, 0, 101)
    assert child is not None
    mapped(child, BASE, 2 * MB2)
    mm = child.mm
    assert mm is not None
    machine.exit_task(child)
    assert mm.page_tables.tables.nr_tables() == 0
    assert (mm.page_tables.nr_anon, mm.page_tables.nr_rss()) == (0, 0)
