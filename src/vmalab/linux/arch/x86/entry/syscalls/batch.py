# SPDX-License-Identifier: GPL-2.0-or-later
"""Many system calls of one task in a row, from columns of numbers, without an object for each.

This is the way in for streams of millions of calls. A batch says which calls there are; carrying it
out fills in what they answered.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs
from vmalab.linux.arch.x86.entry.syscalls.table import (
    NR_SYSCALLS,
    SYS_CALL_TABLE,
    call_handler,
    do_syscall,
)
from vmalab.linux.include.registers import register, signed
from vmalab.linux.include.uapi.errno import ENOSYS
from vmalab.linux.include.uapi.unistd import (
    NR_brk,
    NR_madvise,
    NR_mmap,
    NR_mprotect,
    NR_mremap,
    NR_munmap,
)
from vmalab.linux.kernel.exit import exit_task
from vmalab.linux.mm.brk import ksys_brk
from vmalab.linux.mm.madvise import ksys_madvise
from vmalab.linux.mm.mmap import ksys_mmap, ksys_munmap
from vmalab.linux.mm.mprotect import ksys_mprotect
from vmalab.linux.mm.mremap.mremap import ksys_mremap
from vmalab.linux.types.task import Task

# The number of no call: a child is made, as by fork, and ends at once; answers 1.
FORK_AND_EXIT: Final = 0xF002


@final
@mypyc_attr(native_class=True)
class Batch:
    """Calls as columns: their numbers, their six arguments, and, once made, their results.

    Arguments are registers: all 64 bits of an unsigned number, kept as a signed one.
    """

    def __init__(self, rows: list[tuple[int, int, int, int, int, int, int]]) -> None:
        """rows: of each call the number (NR_*, FORK_AND_EXIT) and the six arguments, unsigned."""
        self.length: i64 = len(rows)
        self.numbers: vec[i64] = column(rows, 0)
        self.a0: vec[i64] = column(rows, 1)
        self.a1: vec[i64] = column(rows, 2)
        self.a2: vec[i64] = column(rows, 3)
        self.a3: vec[i64] = column(rows, 4)
        self.a4: vec[i64] = column(rows, 5)
        self.a5: vec[i64] = column(rows, 6)
        self.results: vec[i64] = vec[i64]([0] * len(rows))

    def answers(self) -> list[int]:
        """Return what the calls answered, once the batch has been carried out."""
        return [int(value) for value in self.results]


def column(rows: list[tuple[int, int, int, int, int, int, int]], place: int) -> vec[i64]:
    """Return one column of rows."""
    return vec[i64]([signed(row[place]) for row in rows])


def do_batch(task: Task, batch: Batch) -> None:
    """Carry out the calls of a batch in order, each exactly as `do_syscall_64` would."""
    numbers = batch.numbers
    a0 = batch.a0
    a1 = batch.a1
    a2 = batch.a2
    a3 = batch.a3
    a4 = batch.a4
    a5 = batch.a5
    results = batch.results
    for i in range(batch.length):
        results[i] = do_registers(task, numbers[i], a0[i], a1[i], a2[i], a3[i], a4[i], a5[i])


def do_registers(
    task: Task, number: i64, a0: i64, a1: i64, a2: i64, a3: i64, a4: i64, a5: i64
) -> i64:
    """Carry out a call whose registers say all of it, exactly as `do_syscall_64` would.

    number: NR_*, FORK_AND_EXIT. Returns: its result; -ENOSYS also where there is no such call.
    """
    mm = task.mm
    if mm is None or mm.kernel.debug_vm:
        return _by_table(task, number, a0, a1, a2, a3, a4, a5)
    mm.owner = task
    if number == NR_mmap:
        # A descriptor is 32 bits of its register.
        fd = a4 & 0xFFFFFFFF
        return ksys_mmap(
            task, register(a0), register(a1), register(a2), register(a3), fd, register(a5)
        )
    if number == NR_munmap:
        return ksys_munmap(task, register(a0), register(a1))
    if number == NR_mprotect:
        return ksys_mprotect(task, register(a0), register(a1), register(a2))
    if number == NR_madvise:
        return ksys_madvise(task, register(a0), register(a1), register(a2))
    if number == NR_brk:
        return ksys_brk(task, register(a0))
    if number == NR_mremap:
        return ksys_mremap(
            task, register(a0), register(a1), register(a2), register(a3), register(a4)
        )
    return _by_table(task, number, a0, a1, a2, a3, a4, a5)


def _by_table(task: Task, number: i64, a0: i64, a1: i64, a2: i64, a3: i64, a4: i64, a5: i64) -> i64:
    """Carry out a call through the table: its result; ENOSYS when there is none."""
    if number == FORK_AND_EXIT:
        return fork_and_exit(task)
    handler = SYS_CALL_TABLE[number] if 0 <= number < NR_SYSCALLS else None
    if handler is None:
        return -ENOSYS
    args = SyscallArgs(
        register(a0),
        register(a1),
        register(a2),
        register(a3),
        register(a4),
        register(a5),
        None,
    )
    return signed(call_handler(task, handler, args))


def fork_and_exit(task: Task) -> i64:
    """Fork a child that ends at once: 1, or -errno."""
    pid = do_syscall(task, "fork")
    if pid < 0:
        return pid
    child = task.machine.find_task(pid)
    if child is not None:
        exit_task(child)
    return 1
