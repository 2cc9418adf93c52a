# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of calls on other processes: pidfds, process_madvise, move_pages."""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs, as_int, as_uint
from vmalab.linux.include.uapi.capability import CAP_SYS_NICE
from vmalab.linux.include.uapi.errno import EACCES, EFAULT, EINVAL, ENOSYS, EPERM, ESRCH
from vmalab.linux.include.uapi.mempolicy import MPOL_MF_MOVE, MPOL_MF_MOVE_ALL
from vmalab.linux.kernel.pidfd import pidfd_get_task, pidfd_open, ptrace_may_access
from vmalab.linux.mm.madvise import (
    madvise_behavior_valid,
    process_madvise_remote_valid,
    vector_madvise,
)
from vmalab.linux.mm.mempolicy import check_move_nodes
from vmalab.linux.mm.mmap_lock import mmap_write_lock, mmap_write_unlock
from vmalab.linux.mm.usercopy import access_ok, copy_from_user, copy_to_user
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

# The most ranges in one call, and the most bytes of all.
UIO_MAXIOV: Final = 1024
MAX_RW_COUNT: Final = 0x7FFFF000
# Bytes of an iovec.
IOVEC_SIZE: Final = 16


def sys_pidfd_open(task: Task, args: SyscallArgs) -> int:
    """pidfd_open(pid, flags)."""
    return pidfd_open(task, as_int(args.a0), as_uint(args.a1))


def import_iovec(mm: Mm, args: SyscallArgs, starts: list[int], lengths: list[int]) -> int:
    """Read the ranges that arguments 1 and 2 give into two lists: 0 or -errno.

    Errors: EINVAL (too many, a negative length), EFAULT; ENOSYS when a log has not kept them all.
    Kernel: import_iovec().
    """
    count = args.a2
    if count > UIO_MAXIOV:
        return mm.refusal.blame(EINVAL, "vlen", "more than UIO_MAXIOV")
    if count == 0:
        return 0
    if not copy_from_user(mm, args.a1, count * IOVEC_SIZE):
        return mm.refusal.blame(EFAULT, "iovec", "cannot be read")
    vector = None if args.mem is None else args.mem.get(1)
    if not isinstance(vector, list) or len(vector) != count:
        return -ENOSYS
    for item in vector:
        base = item.get("iov_base") if isinstance(item, dict) else None
        length = item.get("iov_len") if isinstance(item, dict) else None
        if not isinstance(base, int) or not isinstance(length, int):
            return -ENOSYS
        starts.append(base)
        lengths.append(length)
    return clip_iovec(mm, starts, lengths, mm.features.iovec_clips_single_first)


def clip_iovec(mm: Mm, starts: list[int], lengths: list[int], single_first: bool) -> int:
    """Check the ranges' addresses, and cut the lengths off at MAX_RW_COUNT: 0, EINVAL or EFAULT.

    single_first: a range that is alone is cut off before the check.
    """
    total = 0
    for length in lengths:
        if length >> 63 != 0:
            return mm.refusal.blame(EINVAL, "iovec", "a negative length")
    if single_first and len(lengths) == 1:
        lengths[0] = min(lengths[0], MAX_RW_COUNT)
    for i in range(len(lengths)):
        if not access_ok(mm, starts[i], lengths[i]):
            return mm.refusal.blame(EFAULT, "iovec", "a range outside the address space")
        lengths[i] = min(lengths[i], MAX_RW_COUNT - total)
        total += lengths[i]
    return 0


def may_advise(task: Task, target: Task, behavior: int) -> int:
    """Tell whether a task may give an advice to a process: 0, ESRCH, EACCES, EINVAL or EPERM."""
    features = task.machine.config.features
    other = target.mm is not task.mm
    if target.mm is None:
        return task.machine.kernel.refusal.blame(ESRCH, "pidfd", "a process without memory")
    allowed = process_madvise_remote_valid(behavior)
    if not features.process_madvise_self_is_free and not allowed:
        return task.machine.kernel.refusal.blame(EINVAL, "advice", "not for another process")
    if other and not ptrace_may_access(task, target):
        return task.machine.kernel.refusal.blame(EACCES, "pidfd", "the process may not be traced")
    if features.process_madvise_checks_advice_once and not madvise_behavior_valid(
        target.mm, behavior
    ):
        return task.machine.kernel.refusal.blame(EINVAL, "advice", "unknown advice")
    if other and not allowed:
        return task.machine.kernel.refusal.blame(EINVAL, "advice", "not for another process")
    nice = other or not features.process_madvise_self_without_nice
    if nice and not task.capable(CAP_SYS_NICE):
        return task.machine.kernel.refusal.blame(EPERM, "advice", "needs CAP_SYS_NICE")
    return 0


def sys_process_madvise(task: Task, args: SyscallArgs) -> int:
    """process_madvise(pidfd, iovec, vlen, advice, flags): the bytes advised, or -errno.

    Errors: EINVAL (flags, vector, advice), EFAULT, EBADF, ESRCH, EACCES (another's memory may not
    be seen), EPERM (or may not be advised), and madvise's own for the first range.  A range that
    fails ends the call, with the number of bytes before it unless that is 0.
    """
    own = task.mm
    if as_uint(args.a4) != 0:
        return task.machine.kernel.refusal.blame(EINVAL, "flags", "must be 0")
    if own is None:
        return -EFAULT
    starts: list[int] = []
    lengths: list[int] = []
    err = import_iovec(own, args, starts, lengths)
    if err != 0:
        return err
    found = pidfd_get_task(task, as_int(args.a0))
    target = found.task
    if target is None:
        return found.error
    mm = target.mm
    err = may_advise(task, target, as_uint(args.a3))
    if mm is None or err != 0:
        return err
    taken = mmap_write_lock(mm)
    result = vector_madvise(mm, starts, lengths, as_uint(args.a3))
    mmap_write_unlock(mm, taken)
    return result


def sys_move_pages(task: Task, args: SyscallArgs) -> int:
    """move_pages(pid, count, pages, nodes, status, flags): 0 or -errno; no page moves here.

    Errors: EINVAL (flags), EPERM, ESRCH, EFAULT, ENODEV (no such node).
    """
    own = task.mm
    pid, count, flags = as_int(args.a0), args.a1, as_uint(args.a5)
    if flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL) != 0:
        return task.machine.kernel.refusal.blame(EINVAL, "flags", "unknown flag")
    if own is None:
        return -EINVAL
    if flags & MPOL_MF_MOVE_ALL != 0 and not task.capable(CAP_SYS_NICE):
        return task.machine.kernel.refusal.blame(
            EPERM, "flags", "MPOL_MF_MOVE_ALL needs CAP_SYS_NICE"
        )
    if pid != 0:
        target = task.machine.find_task(pid)
        if target is None:
            return task.machine.kernel.refusal.blame(ESRCH, "pid", "no such process")
        if not ptrace_may_access(task, target):
            return task.machine.kernel.refusal.blame(EPERM, "pid", "the process may not be traced")
        if target.mm is None:
            return task.machine.kernel.refusal.blame(EINVAL, "pid", "a process without memory")
    if count == 0:
        return 0
    if not copy_from_user(own, args.a2, count * 8):
        return task.machine.kernel.refusal.blame(EFAULT, "pages", "cannot be read")
    if args.a3 != 0:
        nodes = [] if args.mem is None else args.mem.get(3)
        if not copy_from_user(own, args.a3, count * 4):
            return task.machine.kernel.refusal.blame(EFAULT, "nodes", "cannot be read")
        err = check_move_nodes(own, nodes)
        if err != 0:
            return err
    if copy_to_user(own, args.a4, count * 4):
        return 0
    return task.machine.kernel.refusal.blame(EFAULT, "status", "the result cannot be written there")


PIDFD_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "move_pages": sys_move_pages,
    "pidfd_open": sys_pidfd_open,
    "process_madvise": sys_process_madvise,
}
