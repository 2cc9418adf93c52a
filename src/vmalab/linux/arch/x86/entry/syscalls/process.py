# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of tasks: clone and its kin, unshare, exit.

The number of a new task is a fact of a recording: `LinuxMachine.expected_pid`, set before the call.
"""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs, as_int, as_uint
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOSYS
from vmalab.linux.include.uapi.sched import (
    CLONE_CLEAR_SIGHAND,
    CLONE_DETACHED,
    CLONE_FILES,
    CLONE_INTO_CGROUP,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_SIGHAND,
    CLONE_VFORK,
    CLONE_VM,
    CSIGNAL,
)
from vmalab.linux.kernel.exit import exit_task
from vmalab.linux.kernel.fork import copy_process
from vmalab.linux.kernel.user_namespace import create_user_ns, is_user_ns
from vmalab.linux.types.files import fget, unshare_files
from vmalab.linux.types.task import Task


def kernel_clone(task: Task, flags: int) -> int:
    """Make a child with the expected thread id: it or -errno."""
    return copy_process(task, flags, task.machine.take_pid())


def sys_clone(task: Task, args: SyscallArgs) -> int:
    """clone(flags, stack, parent_tid, child_tid, tls)."""
    return kernel_clone(task, args.a0 & 0xFFFFFFFF & ~CSIGNAL)


def sys_clone3(task: Task, args: SyscallArgs) -> int:
    """clone3(args, size): EINVAL for flags that it does not take."""
    flags = args.field(0, "flags")
    if flags < 0:
        if args.a0 == 0:
            return task.machine.kernel.refusal.blame(EFAULT, "cl_args", "cannot be read")
        return -ENOSYS
    if flags & ~(0xFFFFFFFF | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP) != 0:
        return task.machine.kernel.refusal.blame(EINVAL, "cl_args", "unknown flag")
    if flags & (CLONE_DETACHED | CSIGNAL & ~CLONE_NEWTIME) != 0:
        return task.machine.kernel.refusal.blame(
            EINVAL, "cl_args", "CLONE_DETACHED, or a signal among the flags"
        )
    if flags & CLONE_SIGHAND != 0 and flags & CLONE_CLEAR_SIGHAND != 0:
        return task.machine.kernel.refusal.blame(
            EINVAL, "cl_args", "CLONE_SIGHAND together with CLONE_CLEAR_SIGHAND"
        )
    return kernel_clone(task, flags)


def sys_fork(task: Task, args: SyscallArgs) -> int:
    """fork()."""
    return kernel_clone(task, 0)


def sys_vfork(task: Task, args: SyscallArgs) -> int:
    """vfork()."""
    return kernel_clone(task, CLONE_VM | CLONE_VFORK)


def sys_unshare(task: Task, args: SyscallArgs) -> int:
    """unshare(flags), as far as descriptors and user namespaces go: 0 or ENOSPC (too deep)."""
    if args.a0 & CLONE_NEWUSER != 0:
        err = create_user_ns(task.cred)
        if err != 0:
            return err
    if args.a0 & CLONE_FILES != 0:
        task.files = unshare_files(task.files)
    return 0


def sys_setns(task: Task, args: SyscallArgs) -> int:
    """setns(fd, nstype), as far as user namespaces go: 0, EINVAL (another kind) or ENOSPC.

    Of the one that is entered nothing is known but that it lies in the task's own.
    """
    nstype = as_int(args.a1)
    if nstype & CLONE_NEWUSER == 0:
        file = fget(task.files, as_uint(args.a0))
        if nstype != 0 or file is None or not is_user_ns(file):
            return -EINVAL
    return create_user_ns(task.cred)


def sys_exit(task: Task, args: SyscallArgs) -> int:
    """exit(status): the thread is gone afterwards."""
    exit_task(task)
    return 0


def sys_exit_group(task: Task, args: SyscallArgs) -> int:
    """exit_group(status): all threads of the process are gone afterwards."""
    machine = task.machine
    for other in list(machine.tasks.values()):
        if other.tgid == task.tgid:
            exit_task(other)
    return 0


PROCESS_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "clone": sys_clone,
    "clone3": sys_clone3,
    "exit": sys_exit,
    "exit_group": sys_exit_group,
    "fork": sys_fork,
    "setns": sys_setns,
    "unshare": sys_unshare,
    "vfork": sys_vfork,
}
