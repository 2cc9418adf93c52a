# SPDX-License-Identifier: GPL-2.0-or-later
"""Pipes of a process: two descriptors, none of which can be mapped, or have a size."""

import pytest

from vmalab.calls.call import Call
from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.uapi.errno import EACCES, EFAULT, EINVAL, EMFILE, ENODEV, ESPIPE
from vmalab.linux.include.uapi.fcntl import O_CLOEXEC, O_CREAT
from vmalab.linux.include.uapi.resource import RLIMIT_NOFILE
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task
from vmalab.targets.model.descriptors import make_pipe

PAGE = 4096


@pytest.fixture
def task() -> Task:
    """A process without anything open."""
    return LinuxMachine(KernelConfig()).spawn()


def pipe2(flags: int = 0, mem: dict[int, object] | None = None) -> Call:
    return Call(1, "pipe2", (0, flags, 0, 0, 0, 0), mem)


def test_a_pipe_has_the_two_lowest_free_descriptors(task: Task) -> None:
    assert make_pipe(task, pipe2(mem={0: []})) == [0, 1]
    assert make_pipe(task, pipe2(O_CLOEXEC, {0: []})) == [2, 3]
    assert [fd in task.files.close_on_exec for fd in range(4)] == [False, False, True, True]


def test_a_pipe_is_told_to_page_0_where_it_is_mapped(task: Task) -> None:
    assert make_pipe(task, pipe2()) == -EFAULT
    fixed_anonymous = 0x32
    assert do_syscall(task, "mmap", 0, PAGE, 3, fixed_anonymous, -1 & 0xFFFFFFFFFFFFFFFF, 0) == 0
    assert make_pipe(task, pipe2()) == [0, 1]


@pytest.mark.parametrize(("end", "error"), [(0, ENODEV), (1, EACCES)], ids=["read", "write"])
def test_no_end_can_be_mapped(task: Task, end: int, error: int) -> None:
    make_pipe(task, pipe2(mem={0: []}))
    assert do_syscall(task, "mmap", 0, PAGE, 1, 2, end, 0) == -error


def test_a_pipe_has_no_place_to_reserve_room_at(task: Task) -> None:
    make_pipe(task, pipe2(mem={0: []}))
    assert do_syscall(task, "fallocate", 1, 0, 0, PAGE) == -ESPIPE
    assert do_syscall(task, "ftruncate", 1, PAGE) == -EINVAL


@pytest.mark.parametrize(
    ("call", "error"),
    [(pipe2(O_CREAT, {0: []}), EINVAL), (pipe2(), EFAULT)],
    ids=["flags", "pointer"],
)
def test_refused_pipe_leaves_nothing_open(task: Task, call: Call, error: int) -> None:
    assert make_pipe(task, call) == -error
    assert task.files.fdt == {}


def test_pipe_without_room_for_its_second_end_leaves_nothing_open(task: Task) -> None:
    task.signal.rlim_cur[RLIMIT_NOFILE] = 1
    assert make_pipe(task, pipe2(mem={0: []})) == -EMFILE
    assert task.files.fdt == {}
