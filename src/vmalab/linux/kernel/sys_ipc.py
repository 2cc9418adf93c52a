# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of System V shared memory."""

from collections.abc import Callable
from typing import Final

from vmalab.linux.include.uapi.errno import EINVAL, ENOSYS, EPERM
from vmalab.linux.include.uapi.shm import (
    IPC_64,
    IPC_RMID,
    IPC_STAT,
    SHM_LOCK,
    SHM_UNLOCK,
)
from vmalab.linux.ipc.shm import ksys_shmget, may_change, shm_rmid, shm_stat
from vmalab.linux.ipc.shmat import do_shmat, ksys_shmdt
from vmalab.linux.kernel.sys_args import SyscallArgs, as_int
from vmalab.linux.kernel.task import CAP_IPC_LOCK, Task


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
    """shmctl(shmid, cmd, buf): IPC_RMID, IPC_STAT, SHM_LOCK, SHM_UNLOCK; others are not modelled.

    Locking a segment's pages does not show in any map.
    """
    ns = task.machine.ipc_ns
    shmid, cmd = as_int(args.a0), as_int(args.a1) & ~IPC_64
    if shmid < 0 or cmd < 0:
        return -EINVAL
    if cmd == IPC_RMID:
        return shm_rmid(ns, task, shmid)
    if cmd == IPC_STAT:
        return shm_stat(ns, task, shmid)
    if cmd in (SHM_LOCK, SHM_UNLOCK):
        shp = ns.find(shmid)
        if shp is None:
            return -EINVAL
        return 0 if may_change(task, shp) or task.capable(CAP_IPC_LOCK) else -EPERM
    return -ENOSYS


IPC_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "shmat": sys_shmat,
    "shmctl": sys_shmctl,
    "shmdt": sys_shmdt,
    "shmget": sys_shmget,
}
