# SPDX-License-Identifier: GPL-2.0-or-later
"""mlock: what cannot be brought in, what is counted, and what later memory inherits.

Each test is the smallest case found of what real kernels answered.
"""

from collections.abc import Callable

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import EAGAIN, ENOMEM
from vmalab.linux.include.uapi.memfd import MFD_ALLOW_SEALING
from vmalab.linux.include.uapi.mman import (
    MADV_POPULATE_READ,
    MAP_ANONYMOUS,
    MAP_DROPPABLE,
    MAP_FIXED,
    MCL_FUTURE,
    MLOCK_ONFAULT,
)
from vmalab.linux.include.uapi.resource import RLIMIT_MEMLOCK
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

MINUS_1 = 2**64 - 1
HOLE = 0x60000000
PAGE = 4096
SHARED_ANON = 0x31
PRIVATE_FILE = 0x12


def child_of(machine: LinuxMachine, task: Task) -> Task:
    return machine.tasks[do_syscall(task, "fork")]


def memfd(task: Task, size: int) -> int:
    fd = do_syscall(task, "memfd_create", 1 << 63, MFD_ALLOW_SEALING, mem={0: "x"})
    assert do_syscall(task, "ftruncate", fd, size) == 0
    return fd


def test_writing_beyond_the_end_of_a_private_file_prepares_an_anon_vma(task: Task, mm: Mm) -> None:
    """mlock fails, and the second page does not merge with the first any more once unlocked."""
    fd = memfd(task, PAGE)
    assert do_syscall(task, "mmap", HOLE, 2 * PAGE, 3, PRIVATE_FILE, fd, PAGE) == HOLE
    assert do_syscall(task, "mlock", HOLE + PAGE, PAGE) == -ENOMEM
    first, second = mm_vmas(mm)
    assert first.anon_vma is None
    assert second.anon_vma is not None


def test_a_shared_page_that_another_process_brought_is_not_missing(
    machine: LinuxMachine,
    task: Task,
    map_pages: Callable[..., None],
    register: Callable[[int, int], int],
) -> None:
    map_pages(HOLE, 2, SHARED_ANON)
    child = child_of(machine, task)
    assert do_syscall(child, "madvise", HOLE, PAGE, MADV_POPULATE_READ) == 0
    machine.exit_task(child)
    assert register(HOLE, 2 * PAGE) == 0
    assert do_syscall(task, "mlock", HOLE, PAGE) == 0
    assert do_syscall(task, "mlock", HOLE + PAGE, PAGE) == -ENOMEM


def test_memory_that_can_only_be_executed_is_not_brought_in(
    machine: LinuxMachine, task: Task, map_pages: Callable[..., None]
) -> None:
    """But it is locked."""
    machine.config.pkeys = True
    map_pages(HOLE)
    assert do_syscall(task, "mprotect", HOLE, PAGE, 4) == 0
    assert do_syscall(task, "mlock", HOLE, PAGE) == -ENOMEM
    assert do_syscall(task, "mlock2", HOLE, PAGE, MLOCK_ONFAULT) == 0


@pytest.mark.parametrize(
    ("version", "pages"),
    [((6, 1), 0), ((6, 12), 1 << 32), ((6, 18), 0), ((7, 2), 0), ((7, 3), 1 << 32)],
    ids=str,
)
def test_pages_of_16_tib_that_are_locked(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, pages: int
) -> None:
    machine.config.features = Features(version)
    far, length = 1 << 40, 1 << 44
    assert do_syscall(task, "mmap", far, length, 0, 0x4032, MINUS_1, 0) == far
    assert do_syscall(task, "mlock2", far, length, MLOCK_ONFAULT) == 0
    assert mm.locked_vm == pages
    assert do_syscall(task, "munlock", far, length) == 0
    assert mm.locked_vm == 0


def test_fewer_locked_pages_than_none_are_over_every_limit(
    machine: LinuxMachine, task: Task, mm: Mm
) -> None:
    """12 TiB are so counted by 6.18; a number below 0 is a large one without a sign."""
    machine.config.features = Features((6, 18))
    far, length = 1 << 40, 3 << 42
    assert do_syscall(task, "mmap", far, length, 0, 0x4032, MINUS_1, 0) == far
    assert do_syscall(task, "mlock2", far, length, MLOCK_ONFAULT) == 0
    assert mm.locked_vm == -(1 << 30)
    task.cred.cap_effective = 0
    task.signal.rlim_cur[RLIMIT_MEMLOCK] = 8 << 20
    assert do_syscall(task, "mlock2", far, PAGE, MLOCK_ONFAULT) == -ENOMEM
    assert do_syscall(task, "mmap", HOLE, PAGE, 3, 0x2032, MINUS_1, 0) == -EAGAIN


@pytest.mark.parametrize(
    ("version", "pages"), [((6, 12), 0), ((6, 18), 0), ((6, 19), 2), ((7, 0), 0)]
)
def test_droppable_memory_that_all_future_memory_is_locked_with(
    machine: LinuxMachine,
    task: Task,
    mm: Mm,
    version: Version,
    pages: int,
    map_pages: Callable[..., None],
) -> None:
    """6.19 locks it for good: munlock passes it over."""
    machine.config.features = Features(version)
    assert do_syscall(task, "mlockall", MCL_FUTURE) == 0
    map_pages(HOLE, 2, MAP_DROPPABLE | MAP_ANONYMOUS | MAP_FIXED)
    assert do_syscall(task, "munlock", HOLE, PAGE) == 0
    assert mm.locked_vm == pages
    (vma,) = mm_vmas(mm)
    assert ("lo" in vm_flag_letters(vma.vm_flags, True)) == (pages != 0)
