# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a task's calls are filtered. What a filter refuses is not known here.

Mirrors kernel/seccomp.c (v6.18).
"""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs, as_uint
from vmalab.linux.include.uapi.errno import EINVAL, ENOSYS
from vmalab.linux.include.uapi.seccomp import (
    SECCOMP_FILTER_FLAG_TSYNC,
    SECCOMP_MODE_DISABLED,
    SECCOMP_MODE_FILTER,
    SECCOMP_MODE_STRICT,
    SECCOMP_SET_MODE_FILTER,
    SECCOMP_SET_MODE_STRICT,
)
from vmalab.linux.types.task import SECCOMP_MODE_UNKNOWN, Task


def seccomp_assign_mode(task: Task, mode: int) -> int:
    """Set how calls are filtered: 0, or EINVAL when it is done in another way already."""
    if task.seccomp_mode not in (SECCOMP_MODE_DISABLED, SECCOMP_MODE_UNKNOWN, mode):
        return -EINVAL
    task.seccomp_mode = mode
    task.filter_count += int(mode == SECCOMP_MODE_FILTER)
    return 0


def prctl_set_seccomp(task: Task, mode: int) -> int:
    """PR_SET_SECCOMP: 0 or EINVAL."""
    if mode not in (SECCOMP_MODE_STRICT, SECCOMP_MODE_FILTER):
        return -EINVAL
    return seccomp_assign_mode(task, mode)


def sys_seccomp(task: Task, args: SyscallArgs) -> int:
    """seccomp(operation, flags, args): 0 or EINVAL; ENOSYS for what sets no mode."""
    operation = as_uint(args.a0)
    if operation == SECCOMP_SET_MODE_STRICT:
        if args.a1 != 0 or args.a2 != 0:
            return -EINVAL
        return seccomp_assign_mode(task, SECCOMP_MODE_STRICT)
    if operation != SECCOMP_SET_MODE_FILTER:
        return -ENOSYS
    err = seccomp_assign_mode(task, SECCOMP_MODE_FILTER)
    if err == 0 and args.a1 & SECCOMP_FILTER_FLAG_TSYNC != 0:
        for other in task.machine.tasks.values():
            if other.tgid == task.tgid:
                other.seccomp_mode = SECCOMP_MODE_FILTER
                other.filter_count = task.filter_count
    return err


SECCOMP_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {"seccomp": sys_seccomp}
