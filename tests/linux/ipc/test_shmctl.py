# SPDX-License-Identifier: GPL-2.0-or-later
"""shmctl: every command, and what it refuses."""

import pytest

from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.linux.include.uapi.errno import EACCES, EFAULT, EINVAL, ENOMEM, EPERM
from vmalab.linux.include.uapi.shm import (
    IPC_64,
    IPC_CREAT,
    IPC_INFO,
    IPC_PRIVATE,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    SHM_HUGETLB,
    SHM_INFO,
    SHM_LOCK,
    SHM_NORESERVE,
    SHM_STAT,
    SHM_STAT_ANY,
    SHM_UNLOCK,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

MINUS_1 = 2**64 - 1
# A pointer of which a log shows what it points to.
UNKNOWN = (1 << 63) + 2
MEMLOCK = 8


@pytest.fixture
def seg(task: Task) -> int:
    shmid = do_syscall(task, "shmget", IPC_PRIVATE, 8192, IPC_CREAT | 0o600)
    assert shmid == 0
    return shmid


def control(task: Task, shmid: int, cmd: int, buf: int = 0, values: object = None) -> int:
    return do_syscall(task, "shmctl", shmid, cmd, buf, mem={2: values})


@pytest.mark.parametrize("cmd", [IPC_STAT, IPC_SET, SHM_LOCK, SHM_UNLOCK, IPC_RMID, SHM_STAT])
def test_no_such_segment(task: Task, cmd: int) -> None:
    assert control(task, 5, cmd, UNKNOWN) == -EINVAL
    assert control(task, MINUS_1, cmd, UNKNOWN) == -EINVAL


@pytest.mark.parametrize("cmd", [99, MINUS_1, IPC_64 | IPC_STAT])
def test_no_such_command(task: Task, seg: int, cmd: int) -> None:
    assert control(task, seg, cmd, UNKNOWN) == -EINVAL


def test_a_32_bit_program_says_which_struct_it_means(task: Task, seg: int) -> None:
    task.compat = True
    assert control(task, seg, IPC_64 | IPC_STAT, UNKNOWN) == 0


@pytest.mark.parametrize("cmd", [IPC_STAT, IPC_SET, IPC_INFO, SHM_INFO, SHM_STAT, SHM_STAT_ANY])
@pytest.mark.parametrize("buf", [0, 8, 0x7FFFFFFFF000, MINUS_1])
def test_buffers_that_are_none(task: Task, seg: int, cmd: int, buf: int) -> None:
    assert control(task, seg, cmd, buf) == -EFAULT


def test_which_error_comes_first(task: Task, seg: int) -> None:
    assert control(task, 5, IPC_STAT, 0) == -EINVAL
    assert control(task, 5, IPC_SET, 0) == -EFAULT


def test_a_writable_buffer(task: Task, seg: int) -> None:
    buf = do_syscall(task, "mmap", 0, 8192, 3, 0x22, MINUS_1, 0)
    assert control(task, seg, IPC_STAT, buf + 4000) == 0
    do_syscall(task, "mprotect", buf + 4096, 4096, 1)
    assert control(task, seg, IPC_STAT, buf + 4000) == -EFAULT
    assert control(task, seg, IPC_SET, buf + 4000) == 0


def test_by_index(task: Task, seg: int) -> None:
    other = do_syscall(task, "shmget", IPC_PRIVATE, 8192, IPC_CREAT | 0o600)
    assert control(task, 0, IPC_INFO, UNKNOWN) == other
    assert control(task, 0, SHM_INFO, UNKNOWN) == other
    assert control(task, seg, IPC_RMID) == 0
    assert control(task, other, SHM_STAT, UNKNOWN) == other
    # The index alone counts, whatever the sequence number.
    assert control(task, other + (7 << 15), SHM_STAT, UNKNOWN) == other
    assert control(task, other + (7 << 15), IPC_STAT, UNKNOWN) == -EINVAL


def test_others_may_not(task: Task, seg: int) -> None:
    task.cred.set_uids(5)
    task.cred.set_gids(5)
    task.cred.cap_effective = 0
    assert control(task, seg, IPC_STAT, UNKNOWN) == -EACCES
    assert control(task, seg, SHM_STAT, UNKNOWN) == -EACCES
    assert control(task, seg, SHM_STAT_ANY, UNKNOWN) == seg
    assert control(task, seg, IPC_SET, UNKNOWN) == -EPERM
    assert control(task, seg, SHM_LOCK) == -EPERM
    assert control(task, seg, SHM_UNLOCK) == -EPERM
    assert control(task, seg, IPC_RMID) == -EPERM


def test_a_new_owner_and_mode(machine: LinuxMachine, task: Task, seg: int) -> None:
    values = {"shm_perm": {"uid": 5, "gid": 5, "mode": 0o644}}
    assert control(task, seg, IPC_SET, UNKNOWN, values) == 0
    shp = machine.ipc_ns.find(seg)
    assert shp is not None
    assert (shp.uid, shp.mode) == (5, 0o644)
    nobody = {"shm_perm": {"uid": 2**32 - 1}}
    assert control(task, seg, IPC_SET, UNKNOWN, nobody) == -EINVAL
    assert control(task, seg, IPC_SET, UNKNOWN, None) == 0


def test_locking_counts_against_the_limit(task: Task, seg: int) -> None:
    task.cred.cap_effective = 0
    other = do_syscall(task, "shmget", IPC_PRIVATE, 8192, IPC_CREAT | 0o600)
    task.signal.rlim_cur[MEMLOCK] = 3 * 4096
    assert control(task, seg, SHM_LOCK) == 0
    assert control(task, seg, SHM_LOCK) == 0
    assert control(task, other, SHM_LOCK) == -ENOMEM
    assert control(task, seg, SHM_UNLOCK) == 0
    assert control(task, other, SHM_LOCK) == 0
    task.signal.rlim_cur[MEMLOCK] = 0
    assert control(task, seg, SHM_LOCK) == -EPERM
    assert control(task, other, SHM_UNLOCK) == 0
    task.cred.cap_effective = 1 << CAP_IPC_LOCK
    assert control(task, seg, SHM_LOCK) == 0


def test_huge_pages_are_not_counted_as_locked(task: Task) -> None:
    flags = IPC_CREAT | SHM_HUGETLB | SHM_NORESERVE | 0o600
    shmid = do_syscall(task, "shmget", IPC_PRIVATE, 1, flags)
    task.cred.cap_effective = 0
    task.signal.rlim_cur[MEMLOCK] = 4096
    assert control(task, shmid, SHM_LOCK) == 0
