# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of System V shared memory."""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs, as_int
from vmalab.linux.include.uapi.errno import EINVAL
from vmalab.linux.include.uapi.shm import IPC_64
from vmalab.linux.ipc.shm import ksys_shmget
from vmalab.linux.ipc.shmat import do_shmat, ksys_shmdt
from vmalab.linux.ipc.shmctl import ksys_shmctl
from vmalab.linux.types.task import Task


def sys_shmget(task: Task, args: SyscallArgs) -> int:
    """shmget(key, size, shmflg)."""
    return ksys_shmget(task.machine.ipc_ns, task, as_int(args.a0), args.a1, as_int(args.a2))


def sys_shmat(task: Task, args: SyscallArgs) -> int:
    """shmat(shmid, shmaddr, shmflg)."""
    return do_shmat(task.machine.ipc_ns, task, as_int(args.a0), args.a1, as_int(args.a2))


def sys_shmdt(task: Task, args: SyscallArgs) -> int:
    """shmdt(shmaddr)."""
    return -EINVAL if task.mm is None else ksys_shmdt(task.mm, args.a0)


def sys_shmctl(task: Task, args: SyscallArgs) -> int:
    """shmctl(shmid, cmd, buf); a 32-bit program's command tells of a newer struct."""
    cmd = as_int(args.a1)
    if task.compat:
        cmd &= ~IPC_64
    values = None if args.mem is None else args.mem.get(2)
    return ksys_shmctl(task.machine.ipc_ns, task, as_int(args.a0), cmd, args.a2, values)


IPC_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "shmat": sys_shmat,
    "shmctl": sys_shmctl,
    "shmdt": sys_shmdt,
    "shmget": sys_shmget,
}
