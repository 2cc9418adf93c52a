# SPDX-License-Identifier: GPL-2.0-or-later
"""cachestat: what it refuses, as kernels from 6.12 to 7.3 answered; what it tells is not kept."""

import pytest

from vmalab.linux.include.features import Features
from vmalab.linux.include.uapi.errno import EBADF, EFAULT, EINVAL, ENOSYS, EOPNOTSUPP
from vmalab.linux.include.uapi.memfd import MFD_HUGETLB
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

POINTER = (1 << 63) + 1


@pytest.mark.parametrize(
    ("fd", "bounds", "result_at", "flags", "result"),
    [
        (0, POINTER, POINTER, 0, 0),
        (0, POINTER, POINTER, 1, -EINVAL),
        (0, POINTER, POINTER, 1 << 32, 0),
        (0, POINTER, 8, 0, -EFAULT),
        (0, 0, 8, 1, -EFAULT),
        (1, POINTER, 8, 1, -EOPNOTSUPP),
        (99, 0, 0, 1, -EBADF),
    ],
)
def test_cachestat(
    task: Task, fd: int, bounds: int, result_at: int, flags: int, result: int
) -> None:
    do_syscall(task, "memfd_create", POINTER, 0, mem={0: "x"})
    do_syscall(task, "memfd_create", POINTER, MFD_HUGETLB, mem={0: "x"})
    assert do_syscall(task, "cachestat", fd, bounds, result_at, flags) == result


def test_cachestat_is_new(machine: LinuxMachine, task: Task) -> None:
    machine.config.features = Features((6, 1))
    do_syscall(task, "memfd_create", POINTER, 0, mem={0: "x"})
    assert do_syscall(task, "cachestat", 0, POINTER, POINTER, 0) == -ENOSYS
