# SPDX-License-Identifier: GPL-2.0-or-later
"""PR_SET_MEMORY_MERGE: when new memory gets VM_MERGEABLE decides what it merges with."""

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.prctl import PR_SET_MEMORY_MERGE
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

BASE, PAGE, FIXED_ANON, MINUS_1 = 0x10000000, 4096, 0x32, 2**64 - 1


@pytest.mark.parametrize(("version", "count"), [((6, 12), 2), ((6, 18), 1), ((7, 3), 1)])
def test_new_memory_merges_with_what_is_marked(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, count: int
) -> None:
    """As 6.12.117, 6.18.44 and 7.3.4 answered; every page is marked."""
    machine.config.features = Features(version)
    for page in (0, 1):
        where = BASE + page * PAGE
        assert do_syscall(task, "mmap", where, PAGE, 3, FIXED_ANON, MINUS_1, 0) == where
        assert do_syscall(task, "prctl", PR_SET_MEMORY_MERGE, 1) == 0
    vmas = mm_vmas(mm)
    assert len(vmas) == count
    assert all("mg" in vm_flag_letters(vma.vm_flags) for vma in vmas)


@pytest.mark.parametrize(("version", "count"), [((6, 12), 2), ((6, 18), 1)])
def test_a_heap_does_too(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, count: int
) -> None:
    machine.config.features = Features(version)
    mm.start_brk = mm.brk = BASE
    assert do_syscall(task, "brk", BASE + PAGE) == BASE + PAGE
    assert do_syscall(task, "prctl", PR_SET_MEMORY_MERGE, 1) == 0
    assert do_syscall(task, "brk", BASE + 2 * PAGE) == BASE + 2 * PAGE
    vmas = mm_vmas(mm)
    assert len(vmas) == count
    assert all("mg" in vm_flag_letters(vma.vm_flags) for vma in vmas)


@pytest.mark.parametrize(
    ("version", "patch", "sealed"),
    [((6, 12), 117, True), ((6, 16), 12, False), ((6, 17), 3, False), ((6, 17), 4, True)],
    ids=str,
)
def test_memory_that_ksm_leaves_keeps_its_seal_or_loses_it(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, patch: int, sealed: bool
) -> None:
    """As 6.16.12 and 6.17.13 answered."""
    mergeable, unmergeable = 12, 13
    machine.config.features = Features(version, patch)
    assert do_syscall(task, "mmap", BASE, PAGE, 3, FIXED_ANON, MINUS_1, 0) == BASE
    assert do_syscall(task, "mseal", BASE, PAGE, 0) == 0
    assert do_syscall(task, "madvise", BASE, PAGE, unmergeable) == 0
    assert "sl" in vm_flag_letters(mm_vmas(mm)[0].vm_flags)
    for advice in (mergeable, unmergeable):
        assert do_syscall(task, "madvise", BASE, PAGE, advice) == 0
    assert ("sl" in vm_flag_letters(mm_vmas(mm)[0].vm_flags)) is sealed
