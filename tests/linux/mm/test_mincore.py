# SPDX-License-Identifier: GPL-2.0-or-later
"""mincore tells of own pages and of those that the page cache has, not of guards."""

from hypothesis import given
from hypothesis import strategies as st

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.uapi.errno import EFAULT, ENOMEM
from vmalab.linux.include.uapi.mman import (
    MADV_DONTNEED,
    MADV_GUARD_INSTALL,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.mincore import mincore_range
from vmalab.linux.mm.page_tables import PTE_GUARD
from vmalab.linux.types.file import I_REG, Inode
from vmalab.linux.types.mm_types import Mm, linear_page_index
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup

from ..noted_calls import do_syscall

BASE = 0x10000000
PAGE = 4096
MINUS_1 = 2**64 - 1
ADVICE = (MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_DONTNEED, MADV_GUARD_INSTALL)


def told(mm: Mm, first: int, pages: int) -> list[int]:
    return list(mincore_range(mm, BASE + first * PAGE, BASE + (first + pages) * PAGE))


def mapped(machine: LinuxMachine, task: Task, at: int, pages: int, flags: int) -> Inode:
    """A new file, mapped from its second page on."""
    path = f"/f{len(machine.inodes)}"
    inode = machine.add_inode(path, I_REG, "fe:00", len(machine.inodes) + 1, (pages + 1) * PAGE)
    fd = do_syscall(task, "openat", MINUS_1 - 99, 0, 2, mem={1: path})
    where = BASE + at * PAGE
    assert do_syscall(task, "mmap", where, pages * PAGE, 3, flags | 0x10, fd, PAGE) == where
    return inode


def advise(task: Task, first: int, pages: int, advice: int) -> int:
    return do_syscall(task, "madvise", BASE + first * PAGE, pages * PAGE, advice)


def test_a_large_vma_is_one_step(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    """A hundred times 112 TiB: page of answers by page of answers, this would take hours."""
    size = 0x700000000000
    assert do_syscall(task, "mmap", BASE, size, 3, 0x4032, MINUS_1, 0) == BASE
    for _ in range(100):
        assert do_syscall(task, "mincore", BASE, size - PAGE, BASE + PAGE) == 0
    assert do_syscall(task, "mincore", BASE, size + PAGE, BASE + PAGE) == -ENOMEM
    assert do_syscall(task, "mincore", BASE, size - PAGE, BASE + size - PAGE) == -EFAULT


def test_a_page_that_another_process_brought_is_there(
    machine: LinuxMachine, task: Task, mm: Mm
) -> None:
    mapped(machine, task, 0, 8, 1)
    other = machine.spawn(200)
    other.files = task.files
    task.files.count += 1
    assert do_syscall(other, "mmap", BASE, 8 * PAGE, 3, 0x11, 0, PAGE) == BASE
    assert advise(other, 2, 3, MADV_POPULATE_READ) == 0
    assert told(mm, 0, 8) == [0, 0, 1, 1, 1, 0, 0, 0]


def test_a_guard_hides_no_cached_page_and_is_none(
    machine: LinuxMachine, task: Task, mm: Mm
) -> None:
    mapped(machine, task, 0, 4, 2)
    where = BASE + 8 * PAGE
    assert do_syscall(task, "mmap", where, 4 * PAGE, 3, 0x32, MINUS_1, 0) == where
    assert advise(task, 0, 2, MADV_POPULATE_WRITE) == 0
    assert advise(task, 8, 2, MADV_POPULATE_WRITE) == 0
    assert advise(task, 1, 2, MADV_GUARD_INSTALL) == 0
    assert advise(task, 9, 2, MADV_GUARD_INSTALL) == 0
    assert told(mm, 0, 4) == [1, 1, 0, 0]
    assert told(mm, 8, 4) == [1, 0, 0, 0]


def test_a_hole_ends_it(task: Task, mm: Mm) -> None:
    assert do_syscall(task, "mmap", BASE, 2 * PAGE, 3, 0x32, MINUS_1, 0) == BASE
    assert told(mm, 0, 5) == [0, 0]
    assert told(mm, 3, 2) == []


@given(st.lists(st.tuples(st.integers(0, 23), st.integers(1, 8), st.sampled_from(ADVICE))))
def test_it_is_what_page_tables_and_cache_say(calls: list[tuple[int, int, int]]) -> None:
    machine = LinuxMachine(KernelConfig())
    task = machine.spawn(100)
    mm = task.mm
    assert mm is not None
    mapped(machine, task, 0, 8, 1)
    mapped(machine, task, 8, 8, 2)
    where = BASE + 16 * PAGE
    assert do_syscall(task, "mmap", where, 8 * PAGE, 3, 0x32, MINUS_1, 0) == where
    for first, pages, advice in calls:
        advise(task, first, min(pages, 24 - first), advice)
    expected = []
    for addr in range(BASE, BASE + 24 * PAGE, PAGE):
        kinds = [kind for _, _, kind in mm.page_tables.ranges(addr, addr + PAGE)]
        vma = vma_lookup(mm, addr)
        assert vma is not None
        own = kinds != [] and kinds != [PTE_GUARD]
        file = vma.vm_file
        cache = None if file is None else file.inode.i_mapping.i_pages
        cached = cache is not None and cache.load(linear_page_index(vma, addr)) is not None
        expected.append(int(own or cached))
    assert told(mm, 0, 24) == expected
