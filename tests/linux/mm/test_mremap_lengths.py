# SPDX-License-Identifier: GPL-2.0-or-later
"""mremap with lengths near 2^64, which kernels before 6.17 did not check: their sums wrap around.

All answers are those of Linux 6.1, 6.12, 6.18, 6.19, 7.0, 7.2 and 7.3, asked one by one.
"""

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.uapi.errno import EAGAIN, EINVAL, ENOMEM
from vmalab.linux.include.uapi.mman import MREMAP_FIXED, MREMAP_MAYMOVE
from vmalab.linux.include.uapi.resource import RLIMIT_MEMLOCK
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

MINUS_1 = 2**64 - 1
BASE = 0x40000000
HUGE = 0x60000000
PAGE, M2 = 4096, 2 << 20
TOP = 2**64

LOOKING_FIRST = [(6, 1), (6, 12)]
CHECKING_FIRST = [(6, 18), (7, 3)]


def map_pages(task: Task, pages: int) -> None:
    assert do_syscall(task, "mmap", BASE, pages * PAGE, 3, 0x32, MINUS_1, 0) == BASE


def map_huge_pages(task: Task, start: int, pages: int) -> None:
    """Private huge pages that need no pool."""
    assert do_syscall(task, "mmap", start, pages * M2, 3, 0x44032, MINUS_1, 0) == start


def ranges(mm: Mm) -> list[tuple[int, int]]:
    return [(vma.vm_start, vma.vm_end) for vma in mm_vmas(mm)]


@pytest.mark.parametrize("version", LOOKING_FIRST)
def test_what_a_shrinking_mapping_loses_may_lie_before_it(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version
) -> None:
    machine.config.features = Features(version)
    map_pages(task, 8)
    middle = BASE + 4 * PAGE
    assert do_syscall(task, "mremap", middle, TOP - PAGE, TOP - 3 * PAGE, 0) == middle
    assert ranges(mm) == [(BASE, BASE + PAGE), (BASE + 3 * PAGE, BASE + 8 * PAGE)]


@pytest.mark.parametrize("version", LOOKING_FIRST)
def test_nothing_need_be_mapped_there(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version
) -> None:
    machine.config.features = Features(version)
    map_pages(task, 1)
    assert do_syscall(task, "mremap", BASE, TOP - 4097, TOP - 0x5D9000, 0) == BASE
    # Below 0, and beyond the address space.
    assert do_syscall(task, "mremap", BASE, TOP - PAGE, TOP - BASE - PAGE, 0) == -EINVAL
    assert do_syscall(task, "mremap", BASE, TOP - PAGE, 1 << 47, 0) == -EINVAL
    assert ranges(mm) == [(BASE, BASE + PAGE)]


@pytest.mark.parametrize("version", CHECKING_FIRST)
def test_later_kernels_refuse_a_length_beyond_the_address_space(
    machine: LinuxMachine, task: Task, version: Version
) -> None:
    machine.config.features = Features(version)
    map_pages(task, 8)
    middle = BASE + 4 * PAGE
    assert do_syscall(task, "mremap", middle, TOP - PAGE, TOP - 3 * PAGE, 0) == -EINVAL


@pytest.mark.parametrize("version", LOOKING_FIRST)
def test_a_length_that_huge_pages_round_up_to_0_unmaps_all(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version
) -> None:
    machine.config.features = Features(version)
    map_huge_pages(task, HUGE, 4)
    assert do_syscall(task, "mremap", HUGE + M2, 2 * M2, TOP - PAGE, 0) == HUGE + M2
    assert ranges(mm) == [(HUGE, HUGE + M2), (HUGE + 3 * M2, HUGE + 4 * M2)]


@pytest.mark.parametrize("version", LOOKING_FIRST + CHECKING_FIRST)
def test_an_old_length_that_huge_pages_round_up_to_0_is_refused(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version
) -> None:
    """So early that nothing is unmapped at the new address; another is refused only after that."""
    machine.config.features = Features(version)
    there = HUGE + 8 * M2
    map_huge_pages(task, HUGE, 1)
    map_huge_pages(task, there, 1)
    fixed = MREMAP_MAYMOVE | MREMAP_FIXED
    assert do_syscall(task, "mremap", HUGE, TOP - PAGE, M2, fixed, there) == -EINVAL
    assert ranges(mm) == [(HUGE, HUGE + M2), (there, there + M2)]
    assert do_syscall(task, "mremap", HUGE, TOP - 2 * M2, M2, fixed, there) == -EINVAL
    assert ranges(mm) == [(HUGE, HUGE + M2)]


@pytest.mark.parametrize("version", LOOKING_FIRST + CHECKING_FIRST)
def test_the_new_address_of_huge_pages_is_checked_even_when_none_is_asked_for(
    machine: LinuxMachine, task: Task, version: Version
) -> None:
    machine.config.features = Features(version)
    map_huge_pages(task, HUGE, 2)
    assert do_syscall(task, "mremap", HUGE, 2 * M2, M2, 0, 1) == -EINVAL
    assert do_syscall(task, "mremap", HUGE, 2 * M2, M2, 0, TOP - M2) == HUGE


def test_rounding_up_takes_a_new_length_beyond_the_address_space(task: Task) -> None:
    map_huge_pages(task, HUGE, 2)
    assert do_syscall(task, "mremap", HUGE, TOP - 0x700000, 0x7FFFFFFFF000, 0) == -EINVAL


@pytest.mark.parametrize(("length", "error"), [(TOP - 3 * PAGE, ENOMEM), (TOP - 2 * PAGE, EAGAIN)])
@pytest.mark.parametrize("version", LOOKING_FIRST)
def test_no_limit_lets_more_than_all_pages_be_locked(
    machine: LinuxMachine, task: Task, version: Version, length: int, error: int
) -> None:
    """2^52 - 1 pages are as many as there is no limit for; three are locked already."""
    machine.config.features = Features(version)
    task.cred.cap_effective = 0
    task.signal.rlim_cur[RLIMIT_MEMLOCK] = MINUS_1
    map_pages(task, 3)
    assert do_syscall(task, "mlock", BASE, 3 * PAGE) == 0
    end = BASE + 2 * PAGE
    assert do_syscall(task, "mremap", end, PAGE, length, 0) == -error
