# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table: rows, unknown calls, arguments."""

from vmalab.calls.call import NO_ARGS
from vmalab.linux.arch.x86.entry.syscalls.args import NO_NUMBER, args_of, as_int, as_uint
from vmalab.linux.arch.x86.entry.syscalls.fs import FS_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.ipc import IPC_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.mm import MM_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.process import PROCESS_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.table import SYSCALLS
from vmalab.linux.include.uapi import unistd
from vmalab.linux.include.uapi.errno import ENOSYS
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.kernel.sys.limits import LIMIT_SYSCALLS
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall


def test_every_row_is_a_system_call() -> None:
    for name in SYSCALLS:
        assert hasattr(unistd, f"NR_{name}")


def test_no_two_subsystems_claim_a_call() -> None:
    tables = (FS_SYSCALLS, IPC_SYSCALLS, LIMIT_SYSCALLS, MM_SYSCALLS, PROCESS_SYSCALLS)
    assert sum(map(len, tables)) <= len(SYSCALLS)
    for table in tables:
        for name, handler in table.items():
            assert SYSCALLS[name] is handler


def test_a_call_that_nobody_knows(task: Task) -> None:
    assert do_syscall(task, "no_such_call") == -ENOSYS


def test_the_caller_is_whose_limits_apply(machine: LinuxMachine, task: Task) -> None:
    thread = do_fork(task, 0x100 | 0x800 | 0x10000, 101)
    assert thread is not None
    assert task.mm is not None
    do_syscall(thread, "munmap", 0, 4096)
    assert task.mm.owner is thread
    do_syscall(task, "munmap", 0, 4096)
    assert task.mm.owner is task


def test_arguments() -> None:
    args = args_of(NO_ARGS, {0: "x", 1: {"a": 5, "b": "c", "n": -3}, 2: b"\xff", 3: 7})
    assert args.text(0) == "x"
    assert args.text(2) == "\udcff"
    assert args.text(1) is None
    assert args.text(5) is None
    assert args.field(1, "a") == 5
    assert args.field(1, "b") == NO_NUMBER
    assert args.field(1, "n") == NO_NUMBER
    assert args.field(0, "a") == NO_NUMBER
    assert args_of(NO_ARGS, None).text(0) is None


def test_register_views() -> None:
    assert as_int(2**64 - 1) == as_int(2**32 - 1) == -1
    assert as_int(2**31 - 1) == 2**31 - 1
    assert as_uint(2**64 - 1) == 2**32 - 1
