# SPDX-License-Identifier: GPL-2.0-or-later
"""madvise: guard regions, populating, collapsing, and discarding what is sealed.

Each test is the smallest case found of what real kernels answered.
"""

from collections.abc import Callable

import pytest

from vmalab.linux.fs.open import file_open
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM, EPERM
from vmalab.linux.include.uapi.mman import (
    MADV_COLLAPSE,
    MADV_DONTNEED,
    MADV_GUARD_INSTALL,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MAP_FIXED,
    MAP_POPULATE,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.file import I_CHR, I_REG
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

HOLE = 0x60000000
PAGE = 4096
FIXED_ANON = 0x32
SHARED_ANON = 0x31
PRIVATE_FILE = 0x12


def child_of(machine: LinuxMachine, task: Task) -> Task:
    return machine.tasks[do_syscall(task, "fork")]


@pytest.mark.parametrize("flags", [FIXED_ANON, SHARED_ANON], ids=["private", "shared"])
def test_guard_regions_survive_a_fork(
    machine: LinuxMachine, task: Task, flags: int, map_pages: Callable[..., None]
) -> None:
    map_pages(HOLE, flags=flags)
    assert do_syscall(task, "madvise", HOLE, PAGE, MADV_GUARD_INSTALL) == 0
    child = child_of(machine, task)
    assert do_syscall(child, "madvise", HOLE, PAGE, MADV_POPULATE_WRITE) == -EFAULT


@pytest.mark.parametrize(
    ("rights", "prot", "advice", "result"),
    [
        (1, 3, MADV_POPULATE_READ, -EINVAL),
        (2, 3, MADV_POPULATE_READ, 0),
        (2, 3, MADV_POPULATE_WRITE, -EINVAL),
        (0, 3, MADV_POPULATE_WRITE, 0),
    ],
    ids=["no-access-read", "no-write-read", "no-write-write", "all-write"],
)
def test_a_key_forbids_to_populate(
    machine: LinuxMachine,
    task: Task,
    rights: int,
    prot: int,
    advice: int,
    result: int,
    map_pages: Callable[..., None],
) -> None:
    machine.config.pkeys = True
    map_pages(HOLE)
    key = do_syscall(task, "pkey_alloc", 0, rights)
    assert do_syscall(task, "pkey_mprotect", HOLE, PAGE, prot, key) == 0
    assert do_syscall(task, "madvise", HOLE, PAGE, advice) == result
    child = child_of(machine, task)
    assert do_syscall(child, "madvise", HOLE, PAGE, advice) == result


@pytest.mark.parametrize(
    ("start", "length", "answer"),
    [(0, 0x1000, 0), (0x1000, 0x1000, -EINVAL), (0x1FF000, 0x2000, 0), (0x1000, 0x1FF000, 0)],
)
def test_collapse_of_a_part_within_one_huge_page(
    task: Task, start: int, length: int, answer: int, map_pages: Callable[..., None]
) -> None:
    map_pages(0x10000000, 1024, FIXED_ANON | MAP_POPULATE)
    assert do_syscall(task, "madvise", 0x10000000 + start, length, MADV_COLLAPSE) == answer


def test_collapse_takes_a_vma_below_the_first_huge_page_for_one_that_fits(
    task: Task, map_pages: Callable[..., None]
) -> None:
    map_pages(0, 1, SHARED_ANON | MAP_FIXED)
    assert do_syscall(task, "madvise", 0, 2 * PAGE, MADV_COLLAPSE) == -ENOMEM
    map_pages(0x1000, 1, SHARED_ANON | MAP_FIXED)
    # Here huge pages and those of the file do not begin at the same places.
    assert do_syscall(task, "madvise", 0x1000, PAGE, MADV_COLLAPSE) == -EINVAL


def test_collapse_of_memory_that_was_never_written(
    task: Task, map_pages: Callable[..., None]
) -> None:
    map_pages(0x10000000, 1024)
    assert do_syscall(task, "madvise", 0x10000000, PAGE, MADV_COLLAPSE) == -EINVAL


def test_collapse_within_one_huge_page_passes_since_7_2(
    machine: LinuxMachine, task: Task, map_pages: Callable[..., None]
) -> None:
    machine.config.features.collapse_of_no_huge_page_passes = True
    map_pages(0x10000000, 1024, FIXED_ANON | MAP_POPULATE)
    assert do_syscall(task, "madvise", 0x10001000, PAGE, MADV_COLLAPSE) == 0


@pytest.mark.parametrize(("version", "result"), [((6, 12), 0), ((6, 18), -EPERM)])
def test_a_sealed_private_mapping_of_zeros_is_discarded(
    machine: LinuxMachine, task: Task, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    machine.add_inode("/dev/zero", I_CHR, "00:06", 5, -1)
    task.files.install_at(9, file_open(machine, "/dev/zero", 2))
    assert do_syscall(task, "mmap", HOLE, PAGE, 0, PRIVATE_FILE, 9, 0) == HOLE
    assert do_syscall(task, "mseal", HOLE, PAGE, 0) == 0
    assert do_syscall(task, "madvise", HOLE, PAGE, MADV_DONTNEED) == result


@pytest.mark.parametrize(("rights", "result"), [(0, 0), (1, -EPERM), (2, -EPERM)])
def test_a_seal_guards_what_a_key_forbids_to_write(
    machine: LinuxMachine, task: Task, rights: int, result: int, map_pages: Callable[..., None]
) -> None:
    machine.config.pkeys = True
    map_pages(HOLE)
    key = do_syscall(task, "pkey_alloc", 0, rights)
    assert do_syscall(task, "pkey_mprotect", HOLE, PAGE, 3, key) == 0
    assert do_syscall(task, "mseal", HOLE, PAGE, 0) == 0
    assert do_syscall(task, "madvise", HOLE, PAGE, MADV_DONTNEED) == result


@pytest.mark.parametrize(
    ("version", "patch", "flagged"),
    [((6, 17), 13, False), ((6, 18), 36, False), ((6, 18), 37, True)],
)
def test_guards_in_a_file_have_a_flag_or_an_anon_vma(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, patch: int, flagged: bool
) -> None:
    """Either lets fork copy the markers."""
    machine.config.features = Features(version, patch)
    machine.add_inode("/file", I_REG, "00:20", 5, 4 * PAGE)
    task.files.install_at(9, file_open(machine, "/file", 2))
    assert do_syscall(task, "mmap", HOLE, PAGE, 3, PRIVATE_FILE, 9, 0) == HOLE
    assert do_syscall(task, "madvise", HOLE, PAGE, MADV_GUARD_INSTALL) == 0
    [vma] = mm_vmas(mm)
    assert ("gu" in vm_flag_letters(vma.vm_flags, True)) is flagged
    assert (vma.anon_vma is None) is flagged
