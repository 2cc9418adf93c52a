# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of tasks: the last user of an address space takes it down."""

from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

THREAD = 0x100 | 0x800 | 0x10000 | 0x400


def anon(task: Task, pages: int) -> int:
    return do_syscall(task, "mmap", 0, pages * 4096, 3, 0x22, 2**64 - 1, 0)


def test_exit_frees_everything_even_what_is_sealed(machine: LinuxMachine, task: Task) -> None:
    addr = anon(task, 4)
    assert do_syscall(task, "madvise", addr, 16384, 23) == 0
    assert do_syscall(task, "mlock", addr, 16384) == 0
    assert do_syscall(task, "mseal", addr, 16384, 0) == 0
    assert do_syscall(task, "munmap", addr, 16384) == -1
    assert do_syscall(task, "exit", 0) == 0
    assert task.mm is None
    assert machine.tasks == {}
    assert machine.leaks() == []


def test_an_address_space_stays_as_long_as_a_thread_uses_it(
    machine: LinuxMachine, task: Task
) -> None:
    thread = do_fork(task, THREAD, 101)
    assert thread is not None
    mm = task.mm
    assert mm is not None
    anon(task, 4)
    do_syscall(task, "exit", 0)
    assert mm.mm_users == 1
    assert mm.map_count == 1
    assert do_syscall(thread, "munmap", 0, 4096) == 0
    do_syscall(thread, "exit", 0)
    assert mm.map_count == 0
    assert machine.leaks() == []


def test_exit_group_ends_all_threads_but_no_child(machine: LinuxMachine, task: Task) -> None:
    assert do_fork(task, THREAD, 101) is not None
    child = do_fork(task, 0, 102)
    do_syscall(task, "exit_group", 0)
    assert list(machine.tasks.values()) == [child]


def test_a_child_outlives_its_parent(machine: LinuxMachine, task: Task) -> None:
    addr = anon(task, 4)
    assert do_syscall(task, "madvise", addr, 16384, 23) == 0
    child = do_fork(task, 0, 102)
    assert child is not None
    machine.exit_task(task)
    assert do_syscall(child, "mprotect", addr, 4096, 1) == 0
    grandchild = do_fork(child, 0, 103)
    assert grandchild is not None
    machine.exit_task(child)
    assert do_syscall(grandchild, "mprotect", addr, 4096, 3) == 0
    machine.exit_task(grandchild)
    assert machine.leaks() == []


def test_a_call_of_a_task_without_memory(machine: LinuxMachine, task: Task) -> None:
    do_syscall(task, "exit", 0)
    assert do_syscall(task, "shmdt", 0) == -22
