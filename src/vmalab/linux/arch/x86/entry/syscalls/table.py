# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table: every system call that the engine carries out, by name."""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.arch import ARCH_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs
from vmalab.linux.arch.x86.entry.syscalls.exec import EXEC_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.fs import FS_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.io import IO_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.ipc import IPC_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.mm import MM_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.names import NAME_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.pidfd import PIDFD_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.policy import POLICY_SYSCALLS
from vmalab.linux.arch.x86.entry.syscalls.process import PROCESS_SYSCALLS
from vmalab.linux.include.uapi import unistd
from vmalab.linux.include.uapi.errno import ENOSYS
from vmalab.linux.kernel.seccomp import SECCOMP_SYSCALLS
from vmalab.linux.kernel.sys.ids import IDS_SYSCALLS
from vmalab.linux.kernel.sys.limits import LIMIT_SYSCALLS
from vmalab.linux.kernel.sys.prctl import PRCTL_SYSCALLS
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

Handler = Callable[[Task, SyscallArgs], int]

# Name -> handler.  Each subsystem keeps its own rows.
SYSCALLS: Final[dict[str, Handler]] = {
    **ARCH_SYSCALLS,
    **EXEC_SYSCALLS,
    **FS_SYSCALLS,
    **NAME_SYSCALLS,
    **IDS_SYSCALLS,
    **IO_SYSCALLS,
    **IPC_SYSCALLS,
    **LIMIT_SYSCALLS,
    **MM_SYSCALLS,
    **PIDFD_SYSCALLS,
    **POLICY_SYSCALLS,
    **PRCTL_SYSCALLS,
    **PROCESS_SYSCALLS,
    **SECCOMP_SYSCALLS,
}

# Numbers of calls are below.
NR_SYSCALLS: Final = 512


def by_number() -> list[Handler | None]:
    """Return the handlers by the call's number, None where a number is of no modelled call."""
    table: list[Handler | None] = [None] * NR_SYSCALLS
    for name, number in vars(unistd).items():
        if name.startswith("NR_") and name[3:] in SYSCALLS:
            table[number] = SYSCALLS[name[3:]]
    return table


SYS_CALL_TABLE: Final = by_number()


def do_syscall(
    task: Task,
    name: str,
    a0: int = 0,
    a1: int = 0,
    a2: int = 0,
    a3: int = 0,
    a4: int = 0,
    a5: int = 0,
    mem: dict[int, object] | None = None,
) -> int:
    """Carry out a call of `task` whose registers are given one by one; see `do_syscall_64`."""
    return do_syscall_64(task, name, SyscallArgs(a0, a1, a2, a3, a4, a5, mem))


def do_syscall_64(task: Task, name: str, args: SyscallArgs) -> int:
    """Carry out a call of `task`.

    Returns: its result, or a negative errno.  -ENOSYS means that the engine does not model the
    call, or not this form of it: nothing happened then.
    """
    handler = SYSCALLS.get(name)
    return -ENOSYS if handler is None else call_handler(task, handler, args)


def call_handler(task: Task, handler: Handler, args: SyscallArgs) -> int:
    """Carry out a call of `task` by its row: its result, or a negative errno."""
    mm = task.mm
    if mm is not None:
        # The limits and capabilities of the caller apply, whoever else shares its memory.
        mm.owner = task
        if mm.kernel.debug_vm:
            return checked_syscall(task, mm, handler, args)
    return handler(task, args)


def do_int80_syscall_32(task: Task, name: str, args: SyscallArgs) -> int:
    """Carry out a call of i386 that a 64-bit program makes: its answer has 32 bits."""
    task.in_32bit_syscall = True
    result = do_syscall_64(task, name, args)
    task.in_32bit_syscall = False
    return result if result < 0 else result & 0xFFFFFFFF


def checked_syscall(task: Task, mm: Mm, handler: Handler, args: SyscallArgs) -> int:
    """Carry out a call under the mmap lock, for a seam that checks.

    Each call is one critical section here: no other can come between its parts.
    """
    seam = mm.seam
    seam.mmap_write_lock(mm)
    result = handler(task, args)
    seam.mmap_write_unlock(mm)
    new = task.mm
    if new is not None and new is not mm:
        # A program began, and took its address space into use locked.
        seam.mmap_write_unlock(new)
    return result
