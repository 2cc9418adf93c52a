# SPDX-License-Identifier: GPL-2.0-or-later
"""Resource limits and personality."""

import pytest

from vmalab.linux.include.uapi.capability import CAP_SYS_RESOURCE
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, EPERM, ESRCH
from vmalab.linux.include.uapi.resource import (
    RLIM_INFINITY,
    RLIM_NLIMITS,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_NOFILE,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall

# A pointer of which a log shows what it points to.
UNKNOWN = 1 << 63


def prlimit(task: Task, resource: int, cur: int, top: int, pid: int = 0) -> int:
    mem: dict[int, object] = {2: {"rlim_cur": cur, "rlim_max": top}}
    return do_syscall(task, "prlimit64", pid, resource, 1, 0, mem=mem)


def drop(task: Task) -> None:
    task.cred.cap_effective &= ~(1 << CAP_SYS_RESOURCE)


def test_limits_are_set_and_apply(task: Task) -> None:
    assert prlimit(task, RLIMIT_AS, 4096, RLIM_INFINITY) == 0
    assert task.signal.rlim_cur[RLIMIT_AS] == 4096
    assert do_syscall(task, "mmap", 0, 8192, 3, 0x22, 2**64 - 1, 0) == -12
    assert do_syscall(task, "mmap", 0, 4096, 3, 0x22, 2**64 - 1, 0) > 0


def test_soft_limit_above_the_hard_one(task: Task) -> None:
    assert prlimit(task, RLIMIT_DATA, 2, 1) == -EINVAL
    assert prlimit(task, RLIM_NLIMITS, 1, 1) == -EINVAL
    assert prlimit(task, 2**64 - 1, 1, 1) == -EINVAL


def test_raising_the_hard_limit_is_a_right(task: Task) -> None:
    assert prlimit(task, RLIMIT_DATA, 1, 10) == 0
    assert prlimit(task, RLIMIT_DATA, 1, 20) == 0
    drop(task)
    assert prlimit(task, RLIMIT_DATA, 1, 21) == -EPERM
    assert prlimit(task, RLIMIT_DATA, 20, 20) == 0
    assert prlimit(task, RLIMIT_DATA, 5, 5) == 0
    assert prlimit(task, RLIMIT_DATA, 5, 6) == -EPERM


def test_no_more_descriptors_than_there_can_be(task: Task) -> None:
    assert prlimit(task, RLIMIT_NOFILE, 1, (1 << 20) + 1) == -EPERM
    assert prlimit(task, RLIMIT_NOFILE, 1, 1 << 20) == 0


def test_another_task(machine: LinuxMachine, task: Task) -> None:
    other = machine.spawn(300)
    assert prlimit(task, RLIMIT_DATA, 1, 1, pid=300) == 0
    assert other.signal.rlim_cur[RLIMIT_DATA] == 1
    assert prlimit(task, RLIMIT_DATA, 1, 1, pid=301) == -ESRCH
    drop(task)
    assert prlimit(task, RLIMIT_DATA, 1, 1, pid=300) == 0
    other.cred.set_uids(5)
    assert prlimit(task, RLIMIT_DATA, 1, 1, pid=300) == -EPERM


def test_asking_changes_nothing(task: Task) -> None:
    assert do_syscall(task, "prlimit64", 0, RLIMIT_DATA, 0, UNKNOWN) == 0
    assert do_syscall(task, "prlimit64", 0, 16, 0, UNKNOWN) == -EINVAL
    assert do_syscall(task, "getrlimit", RLIMIT_DATA, UNKNOWN) == 0
    assert do_syscall(task, "getrlimit", 16, UNKNOWN) == -EINVAL
    assert do_syscall(task, "getrlimit", RLIMIT_DATA, 0) == -EFAULT
    assert task.signal.rlim_cur[RLIMIT_DATA] == RLIM_INFINITY


def test_limits_that_cannot_be_read(task: Task) -> None:
    assert do_syscall(task, "prlimit64", 0, RLIMIT_DATA, 1 << 63, 0) == -EFAULT
    assert do_syscall(task, "setrlimit", RLIMIT_DATA, 0) == -EFAULT


@pytest.mark.parametrize(("compat", "expected"), [(True, RLIM_INFINITY), (False, 0xFFFFFFFF)])
def test_setrlimit_of_a_32_bit_program(task: Task, compat: bool, expected: int) -> None:
    task.compat = compat
    mem: dict[int, object] = {1: {"rlim_cur": 0xFFFFFFFF, "rlim_max": 0xFFFFFFFF}}
    assert do_syscall(task, "setrlimit", RLIMIT_DATA, 1, mem=mem) == 0
    assert task.signal.rlim_cur[RLIMIT_DATA] == expected


def test_personality_answers_the_old_one(task: Task) -> None:
    assert do_syscall(task, "personality", 0x200000) == 0
    assert do_syscall(task, "personality", 0xFFFFFFFF) == 0x200000
    assert do_syscall(task, "personality", 2**64 - 1) == 0x200000
    assert do_syscall(task, "personality", 0) == 0x200000
    assert task.personality == 0
