# SPDX-License-Identifier: GPL-2.0-or-later
"""The rings of io_urings against RLIMIT_MEMLOCK: sizes bisected live, versions in guests."""

import pytest

from vmalab.linux.include.features import Features
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.include.uapi.io_uring import IORING_SETUP_CQE32, IORING_SETUP_NO_SQARRAY
from vmalab.linux.include.uapi.resource import RLIMIT_MEMLOCK
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall
from .test_io import uring


@pytest.mark.parametrize(
    ("entries", "flags", "pages"),
    [
        (1, 0, 2),
        (64, 0, 2),
        (64, IORING_SETUP_CQE32, 3),
        (256, 0, 7),
        (1024, IORING_SETUP_NO_SQARRAY, 25),
        (4096, 0, 101),
        (4096, IORING_SETUP_CQE32, 133),
    ],
)
def test_rings_count_as_locked_memory(task: Task, entries: int, flags: int, pages: int) -> None:
    """The least limits that Linux 6.18 let pass, bisected live."""
    task.cred.cap_effective = 0
    task.signal.rlim_cur[RLIMIT_MEMLOCK] = pages * 4096 - 1
    assert uring(task, entries, flags) == -ENOMEM
    task.signal.rlim_cur[RLIMIT_MEMLOCK] = pages * 4096
    fd = uring(task, entries, flags)
    assert uring(task, entries, flags) == -ENOMEM
    assert do_syscall(task, "close", fd) == 0
    assert uring(task, entries, flags) >= 0


def test_each_user_has_a_sum_of_rings(task: Task) -> None:
    task.cred.cap_effective = 0
    task.signal.rlim_cur[RLIMIT_MEMLOCK] = 8192
    assert uring(task, 4) >= 0
    task.cred.set_uids(5)
    assert uring(task, 4) >= 0
    assert uring(task, 4) == -ENOMEM
    task.cred.cap_effective = 1 << CAP_IPC_LOCK
    assert uring(task, 4) >= 0


@pytest.mark.parametrize(
    ("version", "counted"),
    [((6, 1), False), ((6, 12), False), ((6, 18), True), ((7, 0), True), ((7, 2), False)],
)
def test_rings_count_in_some_versions(
    machine: LinuxMachine, task: Task, version: tuple[int, int], counted: bool
) -> None:
    machine.config.features = Features(version)
    task.cred.cap_effective = 0
    task.signal.rlim_cur[RLIMIT_MEMLOCK] = 0
    assert (uring(task) == -ENOMEM) is counted
