# SPDX-License-Identifier: GPL-2.0-or-later
"""mremap: what copies merge with, what they take along, and lengths beyond all memory.

Each test is the smallest case found of what real kernels answered.
"""

from collections.abc import Callable

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

HOLE = 0x60000000
PAGE = 4096
FIXED_ANON = 0x32
SHARED_ANON = 0x31


def registered(mm: Mm) -> list[tuple[int, int, bool]]:
    """Each VMA: start, end, and whether faults of missing pages are handed over."""
    return [
        (vma.vm_start, vma.vm_end, "um" in vm_flag_letters(vma.vm_flags, True))
        for vma in mm_vmas(mm)
    ]


@pytest.mark.parametrize("flags", [FIXED_ANON, SHARED_ANON], ids=["private", "shared"])
def test_a_copy_beside_its_source_is_registered_no_more(
    machine: LinuxMachine,
    task: Task,
    mm: Mm,
    flags: int,
    map_pages: Callable[..., None],
    register: Callable[[int, int], int],
) -> None:
    """MAYMOVE|FIXED|DONTUNMAP, as on 6.12."""
    machine.config.features = Features((6, 12))
    here, there = 0x50001000, 0x50000000
    map_pages(here, flags=flags)
    assert register(here, PAGE) == 0
    assert do_syscall(task, "mremap", here, PAGE, PAGE, 7, there) == there
    assert registered(mm) == [(there, here, False), (here, here + PAGE, True)]


@pytest.mark.parametrize(("version", "merged"), [((7, 2), True), ((7, 3), False)])
def test_a_copy_takes_its_neighbour_out_of_the_userfaultfd(
    machine: LinuxMachine,
    task: Task,
    mm: Mm,
    version: Version,
    merged: bool,
    map_pages: Callable[..., None],
    register: Callable[[int, int], int],
) -> None:
    machine.config.features = Features(version)
    first, second, there = 0x50000000, 0x50002000, 0x50003000
    map_pages(first)
    map_pages(second)
    assert register(first, 3 * PAGE) == 0
    assert do_syscall(task, "mremap", first, PAGE, PAGE, 3, there) == there
    apart = [(second, there, True), (there, there + PAGE, False)]
    assert registered(mm) == ([(second, there + PAGE, False)] if merged else apart)


def test_a_copy_that_merges_with_its_source_takes_it_out_too(
    task: Task, mm: Mm, map_pages: Callable[..., None], register: Callable[[int, int], int]
) -> None:
    """The middle is unmapped again; what is left on both sides was one VMA for a moment."""
    here, there = 0x50002000, 0x50000000
    map_pages(here, 3)
    assert register(here, 3 * PAGE) == 0
    assert do_syscall(task, "mremap", here, 2 * PAGE, 2 * PAGE, 3, there) == there
    assert registered(mm) == [(there, here, False), (0x50004000, 0x50005000, False)]


def test_a_length_near_the_end_of_all_numbers_shrinks_to_all_of_user_space(
    task: Task, mm: Mm, map_pages: Callable[..., None]
) -> None:
    """What would be unmapped lies beyond it."""
    map_pages(HOLE)
    assert do_syscall(task, "mremap", HOLE, 2**64 - 4097, mm.task_size, 1) == -EINVAL


@pytest.mark.parametrize(("version", "vmas"), [((6, 1), 3), ((6, 12), 2)], ids=str)
def test_a_copy_between_its_source_and_another_mapping(
    machine: LinuxMachine,
    task: Task,
    mm: Mm,
    version: Version,
    vmas: int,
    map_pages: Callable[..., None],
) -> None:
    """MAYMOVE|FIXED|DONTUNMAP of the first page of five to the fourth."""
    machine.config.features = Features(version)
    map_pages(HOLE, 5)
    there = HOLE + 3 * PAGE
    assert do_syscall(task, "mremap", HOLE, PAGE, PAGE, 7, there) == there
    assert len(mm_vmas(mm)) == vmas


@pytest.mark.parametrize(
    ("version", "error"), [((6, 12), EFAULT), ((6, 16), EINVAL), ((6, 17), EINVAL)], ids=str
)
def test_an_unaligned_new_address_is_refused_before_or_behind_the_look_up(
    machine: LinuxMachine, task: Task, version: Version, error: int
) -> None:
    machine.config.features = Features(version)
    assert do_syscall(task, "mremap", HOLE, PAGE, PAGE, 3, 0xFFF) == -error


@pytest.mark.parametrize(("version", "error"), [((6, 12), EINVAL), ((6, 16), EFAULT)], ids=str)
def test_a_new_place_over_the_source_with_a_length_that_wraps_around(
    machine: LinuxMachine,
    task: Task,
    mm: Mm,
    version: Version,
    error: int,
    map_pages: Callable[..., None],
) -> None:
    """The old end lies below the new place, so no overlap is seen, and the source is unmapped."""
    machine.config.features = Features(version)
    map_pages(HOLE + PAGE)
    length = 2**64 - 0x10000
    assert do_syscall(task, "mremap", HOLE + PAGE, length, 2 * PAGE, 3, HOLE) == -error
    assert mm_vmas(mm) == []


@pytest.mark.parametrize(
    ("version", "patch", "kept"),
    [((6, 12), 117, True), ((6, 16), 12, False), ((6, 17), 5, False), ((6, 17), 13, True)],
    ids=str,
)
def test_a_source_that_stays_keeps_its_charge_or_loses_it(
    machine: LinuxMachine,
    task: Task,
    mm: Mm,
    version: Version,
    patch: int,
    kept: bool,
    map_pages: Callable[..., None],
) -> None:
    """MAYMOVE|DONTUNMAP."""
    machine.config.features = Features(version, patch)
    map_pages(HOLE)
    assert do_syscall(task, "mremap", HOLE, PAGE, PAGE, 5) > 0
    assert ("ac" in vm_flag_letters(mm_vmas(mm)[0].vm_flags, True)) is kept
    # What such a kernel loses for good is given back here, for nothing else may be lost.
    machine.kernel.committed_as -= 0 if kept else 1


@pytest.mark.parametrize(
    ("version", "patch", "knows"),
    [((6, 16), 12, False), ((6, 17), 13, False), ((6, 18), 7, False), ((6, 18), 8, True)],
    ids=str,
)
def test_a_copy_beside_untouched_memory_takes_its_anon_vma_along(
    machine: LinuxMachine,
    task: Task,
    mm: Mm,
    version: Version,
    patch: int,
    knows: bool,
    map_pages: Callable[..., None],
) -> None:
    """A page that was written moves back between others, one of them new."""
    machine.config.features = Features(version, patch)
    populate_write = 23
    map_pages(HOLE, 2)
    assert do_syscall(task, "madvise", HOLE + PAGE, PAGE, populate_write) == 0
    assert do_syscall(task, "mremap", HOLE + PAGE, PAGE, PAGE, 3, 0x50000000) == 0x50000000
    map_pages(HOLE)
    assert do_syscall(task, "mremap", 0x50000000, PAGE, PAGE, 3, HOLE + PAGE) == HOLE + PAGE
    [merged] = mm_vmas(mm)
    assert (merged.anon_vma is not None) is knows


@pytest.mark.parametrize(("version", "most"), [((7, 0), 7), ((7, 1), 5), ((7, 2), 6)], ids=str)
def test_the_room_that_a_move_without_unmapping_needs(
    machine: LinuxMachine,
    task: Task,
    version: Version,
    most: int,
    map_pages: Callable[..., None],
) -> None:
    """MAYMOVE|FIXED|DONTUNMAP of the only VMA."""
    machine.config.features = Features(version)
    map_pages(HOLE)
    machine.config.max_map_count = most - 1
    assert do_syscall(task, "mremap", HOLE, PAGE, PAGE, 7, 0x50000000) == -ENOMEM
    machine.config.max_map_count = most
    assert do_syscall(task, "mremap", HOLE, PAGE, PAGE, 7, 0x50000000) == 0x50000000
