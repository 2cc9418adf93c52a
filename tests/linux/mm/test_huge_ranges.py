# SPDX-License-Identifier: GPL-2.0-or-later
"""Ranges of terabytes cost no more than short ones, and huge pages are found where they fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.page import PMD_SIZE
from vmalab.linux.include.uapi.errno import EINVAL
from vmalab.linux.include.uapi.mman import (
    MADV_COLLAPSE,
    MADV_DONTNEED,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.memory import reads_prepare_anon_vma, thp_fault_suitable
from vmalab.linux.mm.page_tables import PTE_ANON
from vmalab.linux.types.mm_types import Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup

from ..noted_calls import do_syscall

BASE = 0x100000000
PAGE = 4096
LENGTH = 8 << 40
MINUS_1 = 2**64 - 1


def a_task() -> Task:
    config = KernelConfig()
    config.overcommit_memory = 1
    config.thp_enabled = "always"
    return LinuxMachine(config).spawn()


def mapped(task: Task, start: int, length: int, prot: int = 3) -> Vma:
    assert do_syscall(task, "mmap", start, length, prot, 0x100022, MINUS_1, 0) == start
    assert task.mm is not None
    vma = vma_lookup(task.mm, start)
    assert vma is not None
    return vma


@given(st.integers(0, 1100), st.integers(1, 1600), st.data())
def test_reads_prepare_an_anon_vma_where_a_huge_page_fits(
    first: int, pages: int, data: st.DataObject
) -> None:
    vma = mapped(a_task(), BASE + first * PAGE, pages * PAGE, 1)
    start = data.draw(st.integers(0, pages - 1))
    end = data.draw(st.integers(start + 1, pages))
    low, high = int(vma.vm_start) + start * PAGE, int(vma.vm_start) + end * PAGE
    fits = any(thp_fault_suitable(vma, at) for at in range(low, high, PAGE))
    assert reads_prepare_anon_vma(vma, low, high) == fits


@given(st.lists(st.tuples(st.integers(0, 2047), st.integers(1, 600)), max_size=6))
def test_collapse_needs_a_page_in_every_huge_one(touched: list[tuple[int, int]]) -> None:
    task = a_task()
    vma = mapped(task, BASE, 4 * PMD_SIZE)
    assert do_syscall(task, "madvise", BASE, PAGE, MADV_POPULATE_READ) == 0
    tables = vma.vm_mm.page_tables
    # With whole tables their memory goes as well.
    assert do_syscall(task, "madvise", BASE, 4 * PMD_SIZE, MADV_DONTNEED) == 0
    for first, pages in touched:
        end = min(BASE + (first + pages) * PAGE, BASE + 4 * PMD_SIZE)
        tables.set(BASE + first * PAGE, end, PTE_ANON)
    starts = range(BASE, BASE + 4 * PMD_SIZE, PMD_SIZE)
    full = all(tables.ranges(start, start + PMD_SIZE) for start in starts)
    answer = do_syscall(task, "madvise", BASE, 4 * PMD_SIZE, MADV_COLLAPSE)
    assert answer == (0 if full else -EINVAL)


@pytest.mark.parametrize(
    ("undone", "answer"),
    [
        ((MADV_GUARD_INSTALL, PAGE, MADV_GUARD_REMOVE, PAGE), 0),
        ((MADV_POPULATE_WRITE, PAGE, MADV_DONTNEED, PAGE), 0),
        ((MADV_POPULATE_WRITE, PAGE, MADV_DONTNEED, PMD_SIZE), -EINVAL),
    ],
    ids=["guard", "page", "all"],
)
def test_collapse_needs_a_table_not_a_page(undone: tuple[int, ...], answer: int) -> None:
    """What was there left its table, unless all of that was dropped at once."""
    task = a_task()
    mapped(task, BASE, 2 * PMD_SIZE)
    assert do_syscall(task, "madvise", BASE + PMD_SIZE, PAGE, MADV_POPULATE_WRITE) == 0
    assert do_syscall(task, "madvise", BASE, PMD_SIZE, MADV_COLLAPSE) == -EINVAL
    first, size, second, length = undone
    assert do_syscall(task, "madvise", BASE, size, first) == 0
    assert do_syscall(task, "madvise", BASE, length, second) == 0
    assert do_syscall(task, "madvise", BASE, PMD_SIZE, MADV_COLLAPSE) == answer


@pytest.mark.parametrize(("version", "answer"), [((6, 17), -EINVAL), ((6, 18), 0)], ids=str)
@pytest.mark.parametrize("advice", [MADV_POPULATE_READ, MADV_DONTNEED], ids=["zero", "none"])
def test_collapse_needed_a_page_that_can_be_written_to(
    advice: int, version: Version, answer: int
) -> None:
    task = a_task()
    task.machine.config.features = Features(version)
    mapped(task, BASE, 2 * PMD_SIZE)
    for start in (BASE, BASE + PMD_SIZE):
        assert do_syscall(task, "madvise", start, PAGE, MADV_POPULATE_WRITE) == 0
    assert do_syscall(task, "madvise", BASE, 2 * PMD_SIZE, MADV_COLLAPSE) == 0
    assert do_syscall(task, "madvise", BASE, PAGE, MADV_DONTNEED) == 0
    assert do_syscall(task, "madvise", BASE, PAGE, advice) == 0
    assert do_syscall(task, "madvise", BASE, 2 * PMD_SIZE, MADV_COLLAPSE) == answer


def test_collapse_stops_at_a_guard_region() -> None:
    task = a_task()
    mapped(task, BASE, 2 * PMD_SIZE)
    assert do_syscall(task, "madvise", BASE, 2 * PMD_SIZE, MADV_POPULATE_WRITE) == 0
    assert do_syscall(task, "madvise", BASE + PMD_SIZE, PAGE, MADV_GUARD_INSTALL) == 0
    assert do_syscall(task, "madvise", BASE, PMD_SIZE, MADV_COLLAPSE) == 0
    assert do_syscall(task, "madvise", BASE, 2 * PMD_SIZE, MADV_COLLAPSE) == -EINVAL


@pytest.mark.parametrize("prot", [1, 3])
def test_terabytes_are_populated_and_collapsed(prot: int) -> None:
    """Page by page, or 2 MiB by 2 MiB, this would take hours, or seconds."""
    task = a_task()
    vma = mapped(task, BASE, LENGTH, prot)
    assert do_syscall(task, "madvise", BASE, LENGTH, MADV_POPULATE_READ) == 0
    assert vma.anon_vma is not None
    assert vma.vm_mm.page_tables.nr_zero == LENGTH // PAGE
    assert do_syscall(task, "madvise", BASE, LENGTH, MADV_COLLAPSE) == 0


def test_terabytes_of_shared_memory_are_locked() -> None:
    """Their page cache is a few entries: compiled as well, where a shift by 34 once gave 4."""
    task = a_task()
    length = 0x400050001000
    assert do_syscall(task, "mmap", 0x50001000, length, 3, 0x2021, MINUS_1, 0) == 0x50001000
    assert task.mm is not None
    assert task.mm.page_tables.nr_file == length // PAGE
