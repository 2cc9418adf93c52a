# SPDX-License-Identifier: GPL-2.0-or-later
"""Resource limits: getrlimit, setrlimit, prlimit64, and personality.

Mirrors do_prlimit() of kernel/sys.c (v6.18).
"""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import NO_NUMBER, SyscallArgs, as_int, as_uint
from vmalab.linux.include.uapi.capability import CAP_SYS_RESOURCE
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, EPERM, ESRCH
from vmalab.linux.include.uapi.resource import RLIM_INFINITY, RLIM_NLIMITS, RLIMIT_NOFILE
from vmalab.linux.mm.usercopy import copy_to_user
from vmalab.linux.types.files import SYSCTL_NR_OPEN
from vmalab.linux.types.task import Task

# RLIM_INFINITY as a 32-bit program writes it.
COMPAT_INFINITY: Final = 0xFFFFFFFF


def do_prlimit(task: Task, target: Task, resource: int, cur: int, top: int) -> int:
    """Set the limits of a task, by another or itself: 0 or -errno; `cur` NO_NUMBER sets nothing.

    Limits are in the resource's own unit, RLIM_INFINITY for none.  Errors: EINVAL (resource, the
    soft limit above the hard one), EPERM (raising the hard one without CAP_SYS_RESOURCE).
    """
    if resource >= RLIM_NLIMITS:
        return -EINVAL
    if cur == NO_NUMBER:
        return 0
    if cur > top:
        return -EINVAL
    if resource == RLIMIT_NOFILE and top > SYSCTL_NR_OPEN:
        return -EPERM
    signal = target.signal
    if top > signal.rlim_max[resource] and not task.capable(CAP_SYS_RESOURCE):
        return -EPERM
    signal.rlim_cur[resource] = cur
    signal.rlim_max[resource] = top
    return 0


def limit_target(task: Task, pid: int) -> Task | None:
    """Return the task whose limits a call is about: 0 is the caller; None when there is none."""
    return task if pid == 0 else task.machine.find_task(pid)


def may_limit(task: Task, target: Task) -> bool:
    """Tell whether a task may ask of, and set, another's limits (`check_prlimit_permission`)."""
    own, other = task.cred, target.cred
    if task is target:
        return True
    same_user = own.uid == other.euid == other.suid == other.uid
    if same_user and own.gid == other.egid == other.sgid == other.gid:
        return True
    return task.ns_capable(other.user_ns, CAP_SYS_RESOURCE)


def sys_prlimit64(task: Task, args: SyscallArgs) -> int:
    """prlimit64(pid, resource, new, old): 0, EFAULT, ESRCH, EPERM, or `do_prlimit`'s errors."""
    cur, top = args.field(2, "rlim_cur"), args.field(2, "rlim_max")
    if args.a2 != 0 and (cur == NO_NUMBER or top == NO_NUMBER):
        return -EFAULT
    target = limit_target(task, as_int(args.a0))
    if target is None:
        return -ESRCH
    if not may_limit(task, target):
        return -EPERM
    err = do_prlimit(task, target, as_uint(args.a1), cur, top)
    return told(task, args.a3, err) if args.a3 != 0 else err


def told(task: Task, pointer: int, err: int) -> int:
    """Return the result of a call that writes a limit to memory when it succeeds."""
    mm = task.mm
    if err == 0 and (mm is None or not copy_to_user(mm, pointer, 16)):
        return -EFAULT
    return err


def sys_setrlimit(task: Task, args: SyscallArgs) -> int:
    """setrlimit(resource, limits): 0, or EFAULT and `do_prlimit`'s errors."""
    cur, top = args.field(1, "rlim_cur"), args.field(1, "rlim_max")
    if cur == NO_NUMBER or top == NO_NUMBER:
        return -EFAULT
    if task.compat:
        cur = RLIM_INFINITY if cur == COMPAT_INFINITY else cur
        top = RLIM_INFINITY if top == COMPAT_INFINITY else top
    return do_prlimit(task, task, as_uint(args.a0), cur, top)


def sys_getrlimit(task: Task, args: SyscallArgs) -> int:
    """getrlimit(resource, limits): 0, EINVAL (resource) or EFAULT."""
    err = do_prlimit(task, task, as_uint(args.a0), NO_NUMBER, NO_NUMBER)
    return told(task, args.a1, err)


def sys_personality(task: Task, args: SyscallArgs) -> int:
    """personality(persona): the old one; 0xffffffff only asks."""
    old = task.personality
    persona = as_uint(args.a0)
    if persona != 0xFFFFFFFF:
        task.personality = persona
    return old


LIMIT_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "getrlimit": sys_getrlimit,
    "personality": sys_personality,
    "prlimit64": sys_prlimit64,
    "setrlimit": sys_setrlimit,
}
