# SPDX-License-Identifier: GPL-2.0-or-later
"""PR_SET_MM: a process that says anew where the parts of its memory are."""

import pytest

from vmalab.linux.fs.open import anon_file
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.uapi.capability import CAP_CHECKPOINT_RESTORE, CAP_SYS_RESOURCE
from vmalab.linux.include.uapi.errno import EACCES, EBUSY, EFAULT, EINVAL, ENOSYS, EPERM
from vmalab.linux.include.uapi.prctl import (
    PR_SET_MM,
    PR_SET_MM_AUXV,
    PR_SET_MM_EXE_FILE,
    PR_SET_MM_MAP,
    PR_SET_MM_MAP_SIZE,
)
from vmalab.linux.include.uapi.resource import RLIMIT_DATA
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall

MINUS_1 = 2**64 - 1
PAGE = 4096
BASE, HEAP = 0x10000000, 0x20000000
POINTER = (1 << 63) + 2
LAYOUT = {
    "start_code": 0x400000,
    "end_code": 0x401000,
    "start_data": 0x402000,
    "end_data": 0x403000,
    "start_brk": HEAP,
    "brk": HEAP + 100,
    "start_stack": BASE,
    "arg_start": BASE,
    "arg_end": BASE,
    "env_start": BASE,
    "env_end": BASE + 8,
    "auxv": 0,
    "auxv_size": 0,
    "exe_fd": 0xFFFFFFFF,
}


def set_map(task: Task, **changes: int) -> int:
    struct = {**LAYOUT, **changes}
    return do_syscall(task, "prctl", PR_SET_MM, PR_SET_MM_MAP, POINTER, 104, 0, 0, {2: struct})


def test_all_addresses_at_once_need_no_right(task: Task, mm: Mm) -> None:
    task.cred.cap_effective = 0
    assert set_map(task) == 0
    assert (mm.start_brk, mm.brk, mm.start_stack) == (HEAP, HEAP + 100, BASE)
    assert do_syscall(task, "brk", HEAP + 3 * PAGE) == HEAP + 3 * PAGE


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"brk": HEAP - 1}, -EINVAL),
        ({"end_code": 0x400000}, -EINVAL),
        ({"start_stack": 0}, -EINVAL),
        ({"arg_end": 1 << 47}, -EINVAL),
        ({"auxv_size": 8}, -EINVAL),
        ({"auxv": BASE, "auxv_size": 1000}, -EINVAL),
        ({"auxv": BASE, "auxv_size": 8}, -EFAULT),
    ],
    ids=str,
)
def test_all_addresses_refused(task: Task, changes: dict[str, int], result: int) -> None:
    assert set_map(task, **changes) == result


def test_the_limit_of_data_counts(task: Task) -> None:
    task.signal.rlim_cur[RLIMIT_DATA] = PAGE + 100
    assert set_map(task) == 0
    assert set_map(task, brk=HEAP + 101) == -EINVAL


def test_another_executable_needs_a_right(task: Task) -> None:
    fd = do_syscall(task, "memfd_create", 1 << 63, 0, mem={0: "x"})
    task.cred.cap_effective = 1 << CAP_SYS_RESOURCE
    assert set_map(task, exe_fd=fd) == -EPERM
    task.cred.cap_effective = 1 << CAP_CHECKPOINT_RESTORE
    assert set_map(task, exe_fd=fd) == 0


def test_a_structure_that_is_not_known(task: Task) -> None:
    assert do_syscall(task, "prctl", PR_SET_MM, PR_SET_MM_MAP, POINTER, 104) == -ENOSYS


def test_a_kernel_without_checkpoints(machine: LinuxMachine, task: Task) -> None:
    machine.config.checkpoint_restore = False
    assert do_syscall(task, "prctl", PR_SET_MM, PR_SET_MM_MAP_SIZE, POINTER) == -EINVAL
    task.cred.cap_effective = 0
    assert do_syscall(task, "prctl", PR_SET_MM, PR_SET_MM_MAP_SIZE, POINTER) == -EPERM


@pytest.mark.parametrize(
    ("version", "size"), [((6, 1), 384), ((6, 12), 416), ((6, 18), 448)], ids=str
)
def test_the_longest_auxiliary_vector(
    machine: LinuxMachine, task: Task, version: Version, size: int
) -> None:
    machine.config.features = Features(version)
    assert do_syscall(task, "prctl", PR_SET_MM, PR_SET_MM_AUXV, POINTER, size) == 0
    assert do_syscall(task, "prctl", PR_SET_MM, PR_SET_MM_AUXV, POINTER, size + 1) == -EINVAL


def test_the_executable_must_be_unmapped_and_a_file(
    machine: LinuxMachine, task: Task, mm: Mm
) -> None:
    fd = do_syscall(task, "memfd_create", 1 << 63, 0, mem={0: "x"})
    do_syscall(task, "mmap", BASE, PAGE, 5, 0x12, fd, 0)
    assert do_syscall(task, "prctl", PR_SET_MM, PR_SET_MM_EXE_FILE, fd) == 0
    mm.start_code = BASE
    assert do_syscall(task, "prctl", PR_SET_MM, PR_SET_MM_EXE_FILE, fd) == -EBUSY
    task.files.install_at(50, anon_file(machine, "anon_inode:[eventfd]"))
    assert do_syscall(task, "prctl", PR_SET_MM, PR_SET_MM_EXE_FILE, 50) == -EACCES
