# SPDX-License-Identifier: GPL-2.0-or-later
"""A batch answers as the same calls made one by one, and leaves the same map."""

import random

import pytest

from vmalab.linux.arch.x86.entry.syscalls.batch import FORK_AND_EXIT, Batch, do_batch
from vmalab.linux.arch.x86.entry.syscalls.table import SYSCALLS
from vmalab.linux.fs.exec import begin_new_exec
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.uapi import unistd
from vmalab.linux.include.uapi.errno import EBADF, EINVAL, ENOSYS
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall

NONE = (1 << 64) - 1
NUMBER = {name: int(getattr(unistd, f"NR_{name}")) for name in SYSCALLS}
NAMES = {number: name for name, number in NUMBER.items()}
Row = tuple[int, int, int, int, int, int, int]


def random_rows(seed: int, count: int) -> list[Row]:
    """Calls of every kind that a batch has a way of its own for, and of some that it has not."""
    numbers = random.Random(seed)
    rows: list[Row] = []
    for _ in range(count):
        at = 0x10000000 + 4096 * numbers.randrange(64)
        size = 4096 * numbers.randint(1, 8)
        to = 0x20000000 + 4096 * numbers.randrange(64)
        rows.append(
            numbers.choice(
                [
                    (NUMBER["mmap"], at, size, numbers.choice([0, 1, 3]), 0x32, NONE, 0),
                    (NUMBER["mmap"], at, size, 3, 0x22, NONE, 0),
                    (NUMBER["mmap"], at, size, 3, 2, NONE, 0),
                    (NUMBER["munmap"], at, size, 0, 0, 0, 0),
                    (NUMBER["mprotect"], at, size, numbers.choice([0, 1, 3]), 0, 0, 0),
                    (NUMBER["madvise"], at, size, numbers.choice([9, 10, 11, 16]), 0, 0, 0),
                    (NUMBER["mremap"], at, 4096, size, 3, to, 0),
                    (NUMBER["mlock"], at, size, 0, 0, 0, 0),
                    (NUMBER["brk"], NONE - numbers.randrange(8192), 0, 0, 0, 0, 0),
                ]
            )
        )
    return rows


def program(machine: LinuxMachine, pid: int) -> Task:
    """A process of its own, as every other one begins."""
    task = machine.spawn(pid)
    begin_new_exec(task)
    return task


def shown(task: Task) -> list[tuple[int, int, int, int]]:
    """What tells the VMAs of a process apart."""
    assert task.mm is not None
    return [(vma.vm_start, vma.vm_end, vma.vm_flags, vma.vm_pgoff) for vma in mm_vmas(task.mm)]


@pytest.mark.parametrize("seed", range(10))
def test_a_batch_is_its_calls(machine: LinuxMachine, seed: int) -> None:
    rows = random_rows(seed, 300)
    other = program(machine, 200)
    task = program(machine, 300)
    single = [do_syscall(other, NAMES[row[0]], *row[1:]) for row in rows]
    batch = Batch(rows)
    do_batch(task, batch)
    assert batch.answers() == single
    assert shown(task) == shown(other)
    assert len({result for result in single if result > 0}) > 10


def test_errors_are_the_calls_own(task: Task) -> None:
    rows: list[Row] = [
        (NUMBER["mmap"], 0, 4096, 3, 2, NONE, 0),
        (NUMBER["munmap"], 1, 4096, 0, 0, 0, 0),
        (0xFFFF, 0, 0, 0, 0, 0, 0),
    ]
    batch = Batch(rows)
    do_batch(task, batch)
    assert batch.answers() == [-EBADF, -EINVAL, -ENOSYS]


def test_a_child_comes_and_goes(machine: LinuxMachine, task: Task) -> None:
    batch = Batch([(FORK_AND_EXIT, 0, 0, 0, 0, 0, 0)] * 3)
    do_batch(task, batch)
    assert batch.answers() == [1, 1, 1]
    assert list(machine.tasks) == [task.pid]
