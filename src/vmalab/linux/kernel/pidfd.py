# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors that stand for processes, and who may look into another one's memory.

Mirrors kernel/pid.c and, for the permission, kernel/ptrace.c (v6.18).
"""

from __future__ import annotations

from typing import final

from mypy_extensions import mypyc_attr

from vmalab.linux.fs.open import anon_file
from vmalab.linux.include.uapi.capability import CAP_SYS_PTRACE
from vmalab.linux.include.uapi.errno import EBADF, EINVAL, ENOENT, ESRCH
from vmalab.linux.include.uapi.pidfd import (
    OLD_PIDFD_SELF_THREAD_GROUP,
    PIDFD_NONBLOCK,
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_THREAD,
)
from vmalab.linux.include.uapi.resource import RLIMIT_NOFILE
from vmalab.linux.types.files import fget
from vmalab.linux.types.task import Task


@final
@mypyc_attr(native_class=True)
class Pidfd:
    """The process behind a pidfd; it may have ended. None: one that was never seen alive."""

    def __init__(self, task: Task | None) -> None:
        self.task: Task | None = task


@final
@mypyc_attr(native_class=True)
class PidfdTask:
    """A task that a pidfd stands for, or the errno with which it does not."""

    def __init__(self, error: int, task: Task | None) -> None:
        self.error: int = error
        self.task: Task | None = task


def pidfd_get_task(task: Task, pidfd: int) -> PidfdTask:
    """Return the task of a pidfd (signed): EBADF when it is none, ESRCH when the task is gone."""
    machine = task.machine
    features = machine.config.features
    known = features.pidfd_self
    group = PIDFD_SELF_THREAD_GROUP
    if not features.pidfd_self_group_is_next:
        group = OLD_PIDFD_SELF_THREAD_GROUP
    if known and pidfd == PIDFD_SELF_THREAD:
        return PidfdTask(0, task)
    if known and pidfd == group:
        leader = machine.find_task(task.tgid)
        return PidfdTask(0, task if leader is None else leader)
    file = None if pidfd < 0 else fget(task.files, pidfd)
    if file is None or not isinstance(file.private_data, Pidfd):
        return PidfdTask(
            machine.kernel.refusal.blame(EBADF, "pidfd", "not a descriptor of a process"), None
        )
    found = file.private_data.task
    if found is None or machine.find_task(found.pid) is not found:
        return PidfdTask(machine.kernel.refusal.blame(ESRCH, "pidfd", "the process is gone"), None)
    return PidfdTask(0, found)


def pidfd_open(task: Task, pid: int, flags: int) -> int:
    """pidfd_open(2): the descriptor, EINVAL, ESRCH, ENOENT (no group leader) or EMFILE."""
    machine = task.machine
    features = machine.config.features
    known = PIDFD_NONBLOCK | PIDFD_THREAD if features.pidfd_thread else PIDFD_NONBLOCK
    if flags & ~known != 0 or pid <= 0:
        return -EINVAL
    found = machine.find_task(pid)
    if found is None:
        return -ESRCH
    if flags & PIDFD_THREAD == 0 and found.pid != found.tgid:
        return -ENOENT if features.pidfd_open_tells_threads else -EINVAL
    file = anon_file(machine, "anon_inode:[pidfd]")
    file.private_data = Pidfd(found)
    return task.files.install(file, True, task.signal.rlim_cur[RLIMIT_NOFILE])


def ptrace_may_access(task: Task, target: Task) -> bool:
    """Tell whether a task may see another's memory: its own process, the same user, or privilege.

    Dumpability and security modules are not known here.
    """
    own, other = task.cred, target.cred
    if task.tgid == target.tgid or task.ns_capable(other.user_ns, CAP_SYS_PTRACE):
        return True
    if not own.fsuid == other.euid == other.suid == other.uid:
        return False
    if not own.fsgid == other.egid == other.sgid == other.gid:
        return False
    within = own.user_ns is other.user_ns
    return within and other.cap_permitted & ~own.cap_effective == 0
