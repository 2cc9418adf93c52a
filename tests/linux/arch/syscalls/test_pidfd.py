# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls on other processes: pidfds, process_madvise, move_pages."""

import pytest

from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.uapi.capability import CAP_SYS_PTRACE
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EBADF,
    EFAULT,
    EINVAL,
    EMFILE,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSYS,
    EPERM,
    ESRCH,
)
from vmalab.linux.include.uapi.mempolicy import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL
from vmalab.linux.include.uapi.mman import (
    MADV_COLD,
    MADV_DONTNEED,
    MADV_GUARD_INSTALL,
    MADV_WILLNEED,
)
from vmalab.linux.include.uapi.pidfd import (
    OLD_PIDFD_SELF_THREAD_GROUP,
    PIDFD_NONBLOCK,
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_THREAD,
)
from vmalab.linux.include.uapi.sched import CLONE_SIGHAND, CLONE_THREAD, CLONE_VM
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall

MINUS_1 = 2**64 - 1
BASE = 0x50000000
# A pointer of which a log shows what it points to.
UNKNOWN = (1 << 63) + 1
SELF = PIDFD_SELF_THREAD & MINUS_1
NOFILE = 7


@pytest.fixture
def pages(task: Task) -> int:
    """Two pages, a hole of one, one page."""
    do_syscall(task, "mmap", BASE, 4 * 4096, 3, 0x32, MINUS_1, 0)
    do_syscall(task, "munmap", BASE + 8192, 4096)
    return BASE


@pytest.fixture
def child(task: Task, pages: int) -> Task:
    child = do_fork(task, 0, 101)
    assert child is not None
    return child


def vector(*ranges: tuple[int, int]) -> list[object]:
    return [{"iov_base": base, "iov_len": length} for base, length in ranges]


def advise(
    task: Task, pidfd: int, ranges: list[object], advice: int = MADV_COLD, flags: int = 0
) -> int:
    args = (pidfd & MINUS_1, UNKNOWN, len(ranges), advice, flags)
    return do_syscall(task, "process_madvise", *args, mem={1: ranges})


# process_madvise.


def test_one_s_own_memory(task: Task, mm: Mm, pages: int) -> None:
    ranges = vector((BASE, 4096), (BASE + 4096, 100), (BASE + 12288, 4096))
    assert advise(task, PIDFD_SELF_THREAD, ranges, MADV_GUARD_INSTALL) == 8292
    assert len(mm.page_tables.ranges(BASE, BASE + 16384)) == 3
    assert advise(task, PIDFD_SELF_THREAD_GROUP, ranges, MADV_DONTNEED) == 8292


def test_what_was_done_before_an_error_counts(task: Task, pages: int) -> None:
    assert advise(task, SELF, vector((BASE, 4096), (BASE + 4096, 8192), (BASE, 4096))) == 4096
    assert advise(task, SELF, vector((BASE + 4096, 8192), (BASE, 4096))) == -ENOMEM
    assert advise(task, SELF, vector((BASE, 4096), (BASE + 1, 4096))) == 4096
    assert advise(task, SELF, vector((BASE + 1, 4096))) == -EINVAL
    assert advise(task, SELF, vector((BASE, 0), (BASE, 4096))) == 4096
    assert advise(task, SELF, vector((BASE + 1, 0))) == 0


@pytest.mark.parametrize(
    ("ranges", "result"),
    [
        (vector(), 0),
        (vector((BASE, MINUS_1)), -EINVAL),
        (vector((BASE, 4096), (BASE, 1 << 63)), -EINVAL),
        (vector((BASE, (1 << 63) - 1)), -ENOMEM),
        (vector((BASE, (1 << 63) - 1), (BASE, 0)), -EFAULT),
        (vector((0x7FFFFFFFF000, 0)), 0),
        (vector((0x800000000000, 0)), -EFAULT),
        (vector((0x7FFFFFFF0000, 1 << 30)), -EFAULT),
        ([UNKNOWN], -ENOSYS),
    ],
)
def test_vectors(task: Task, pages: int, ranges: list[object], result: int) -> None:
    assert advise(task, SELF, ranges) == result


def test_arguments(task: Task, pages: int) -> None:
    one = vector((BASE, 4096))
    assert advise(task, SELF, one, flags=1) == -EINVAL
    assert advise(task, SELF, one, 999) == -EINVAL
    assert advise(task, SELF, vector(), 999) == 0
    assert do_syscall(task, "process_madvise", SELF, 8, 1, MADV_COLD, 0) == -EFAULT
    assert do_syscall(task, "process_madvise", SELF, UNKNOWN, 1025, MADV_COLD, 0) == -EINVAL
    assert do_syscall(task, "process_madvise", SELF, UNKNOWN, 1, MADV_COLD, 0) == -ENOSYS


@pytest.mark.parametrize("pidfd", [-1, 7, -10002, -20000])
def test_no_pidfd(task: Task, pages: int, pidfd: int) -> None:
    assert advise(task, pidfd, vector((BASE, 4096)), 999) == -EBADF


def test_another_process(machine: LinuxMachine, task: Task, child: Task) -> None:
    one = vector((BASE, 4096))
    fd = do_syscall(task, "pidfd_open", 101, 0)
    assert advise(task, fd, one) == 4096
    assert advise(task, fd, one, MADV_WILLNEED) == 4096
    assert advise(task, fd, one, MADV_DONTNEED) == -EINVAL
    assert advise(task, fd, vector((BASE + 4096, 8192))) == -ENOMEM
    task.cred.cap_effective = 1 << CAP_SYS_PTRACE
    assert advise(task, fd, one) == -EPERM
    task.cred.cap_effective = 0
    task.cred.set_uids(5)
    assert advise(task, fd, one, MADV_DONTNEED) == -EACCES
    machine.exit_task(child)
    assert advise(task, fd, one, MADV_DONTNEED) == -ESRCH


@pytest.mark.parametrize(
    ("version", "results"),
    [
        ((6, 1), (-EINVAL, -EINVAL, 4096, -EPERM)),
        ((6, 12), (-EINVAL, -EINVAL, 4096, 4096)),
        ((6, 18), (4096, 0, 4096, 4096)),
        ((7, 0), (4096, 0, 4096, 4096)),
        ((7, 2), (4096, -EINVAL, 4096, 4096)),
    ],
    ids=str,
)
def test_advice_to_oneself_by_version(
    machine: LinuxMachine, task: Task, pages: int, version: Version, results: tuple[int, ...]
) -> None:
    machine.config.features = Features(version)
    one = vector((BASE, 4096))
    fd = do_syscall(task, "pidfd_open", 100, 0)
    found = [advise(task, fd, one, MADV_DONTNEED), advise(task, fd, vector((BASE, 0)), 999)]
    found.append(advise(task, fd, one))
    task.cred.cap_effective = 0
    assert (*found, advise(task, fd, one)) == results


@pytest.mark.parametrize(
    ("version", "result"),
    [((6, 1), -EINVAL), ((6, 12), -EINVAL), ((6, 18), -EACCES), ((7, 3), -EACCES)],
    ids=str,
)
def test_advice_or_permission_is_checked_first(
    machine: LinuxMachine, task: Task, child: Task, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    fd = do_syscall(task, "pidfd_open", 101, 0)
    task.cred.cap_effective = 0
    task.cred.set_uids(5)
    assert advise(task, fd, vector((BASE, 4096)), 999) == result


@pytest.mark.parametrize(
    ("version", "result"), [((6, 1), -EFAULT), ((6, 12), -ENOMEM), ((7, 3), -ENOMEM)], ids=str
)
def test_one_range_of_any_length(
    machine: LinuxMachine, task: Task, pages: int, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    fd = do_syscall(task, "pidfd_open", 100, 0)
    assert advise(task, fd, vector((BASE, (1 << 63) - 1))) == result


@pytest.mark.parametrize(
    ("version", "result"),
    [((6, 1), -EBADF), ((6, 12), -EBADF), ((6, 18), 4096), ((7, 3), 4096)],
    ids=str,
)
@pytest.mark.parametrize("pidfd", [PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP])
def test_numbers_that_stand_for_oneself(
    machine: LinuxMachine, task: Task, pages: int, pidfd: int, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    assert advise(task, pidfd, vector((BASE, 4096))) == result


@pytest.mark.parametrize(
    ("version", "pidfd"),
    [((6, 16), OLD_PIDFD_SELF_THREAD_GROUP), ((6, 17), PIDFD_SELF_THREAD_GROUP)],
    ids=str,
)
def test_the_number_of_one_s_own_process(
    machine: LinuxMachine, task: Task, pages: int, version: Version, pidfd: int
) -> None:
    machine.config.features = Features(version)
    numbers = (OLD_PIDFD_SELF_THREAD_GROUP, PIDFD_SELF_THREAD_GROUP)
    known = [one for one in numbers if advise(task, one, vector((BASE, 4096))) == 4096]
    assert known == [pidfd]


# pidfd_open.


@pytest.mark.parametrize(
    ("version", "results"),
    [
        ((6, 1), (-EINVAL, -EINVAL)),
        ((6, 12), (-EINVAL, 0)),
        ((6, 18), (-ENOENT, 0)),
        ((7, 3), (-ENOENT, 0)),
    ],
    ids=str,
)
def test_opening_a_thread_by_version(
    machine: LinuxMachine, task: Task, version: Version, results: tuple[int, int]
) -> None:
    machine.config.features = Features(version)
    assert do_fork(task, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 101) is not None
    found = [do_syscall(task, "pidfd_open", 101, flags) for flags in (0, PIDFD_THREAD)]
    assert tuple(found) == results


def test_opening(machine: LinuxMachine, task: Task) -> None:
    assert do_syscall(task, "pidfd_open", 100, PIDFD_NONBLOCK) == 0
    assert 0 in task.files.close_on_exec
    assert do_syscall(task, "pidfd_open", 100, 1) == -EINVAL
    assert do_syscall(task, "pidfd_open", 0, 0) == -EINVAL
    assert do_syscall(task, "pidfd_open", MINUS_1, 0) == -EINVAL
    assert do_syscall(task, "pidfd_open", 999, 0) == -ESRCH
    thread = do_fork(task, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 101)
    assert thread is not None
    assert do_syscall(task, "pidfd_open", 101, 0) == -ENOENT
    assert do_syscall(task, "pidfd_open", 101, PIDFD_THREAD) == 1
    task.signal.rlim_cur[NOFILE] = 2
    assert do_syscall(task, "pidfd_open", 100, 0) == -EMFILE


# move_pages.


def move(
    task: Task, pid: int = 0, count: int = 2, nodes: object = None, flags: int = MPOL_MF_MOVE
) -> int:
    where = 0 if nodes is None else UNKNOWN
    args = (pid & MINUS_1, count, UNKNOWN, where, UNKNOWN, flags)
    return do_syscall(task, "move_pages", *args, mem={3: nodes})


def test_moving_pages(task: Task, child: Task) -> None:
    assert move(task) == 0
    assert move(task, nodes=[0, 0]) == 0
    assert move(task, 101, nodes=[0, 0], flags=MPOL_MF_MOVE_ALL) == 0
    assert move(task, nodes=[0, 1]) == -ENODEV
    assert move(task, nodes=[MINUS_1, 0]) == -ENODEV
    assert move(task, flags=1) == -EINVAL
    assert move(task, 999) == -ESRCH
    assert move(task, -1) == -ESRCH
    task.cred.cap_effective = 0
    task.cred.set_uids(5)
    assert move(task, flags=MPOL_MF_MOVE_ALL) == -EPERM
    assert move(task, 101) == -EPERM


def test_memory_of_move_pages(task: Task, pages: int) -> None:
    def call(count: int, *pointers: int) -> int:
        return do_syscall(task, "move_pages", 0, count, *pointers, MPOL_MF_MOVE)

    assert call(2, BASE, BASE, BASE) == 0
    assert call(2, 8, BASE, BASE) == -EFAULT
    assert call(2, BASE, 8, BASE) == -EFAULT
    assert call(2, BASE, BASE, 8) == -EFAULT
    assert call(2, BASE, 0, 8) == -EFAULT
    assert call(1 << 60, BASE, 0, BASE) == -EFAULT
    assert call(0, 8, 8, 8) == 0
