# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of NUMA policies and of userfaultfd."""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs, as_uint
from vmalab.linux.arch.x86.entry.syscalls.fs import nofile
from vmalab.linux.fs.proc.procmap_query import procfs_procmap_ioctl
from vmalab.linux.fs.userfaultfd import (
    check_userfaultfd_flags,
    userfaultfd_file,
    userfaultfd_ioctl,
)
from vmalab.linux.include.uapi.errno import EBADF, EFAULT, EINVAL, ENOSYS, ENOTTY
from vmalab.linux.include.uapi.fcntl import O_CLOEXEC, O_NONBLOCK
from vmalab.linux.include.uapi.procfs import PROCMAP_QUERY
from vmalab.linux.include.uapi.userfaultfd import UFFD_USER_MODE_ONLY, USERFAULTFD_IOC_NEW
from vmalab.linux.mm.mempolicy import (
    MAX_MASK_BITS,
    UNREADABLE,
    ksys_get_mempolicy,
    ksys_mbind,
    ksys_migrate_pages,
    ksys_set_mempolicy,
    ksys_set_mempolicy_home_node,
)
from vmalab.linux.mm.usercopy import copy_from_user, copy_to_user
from vmalab.linux.types.files import fget
from vmalab.linux.types.mm_types import UserfaultfdCtx
from vmalab.linux.types.task import Task


def words(task: Task, args: SyscallArgs, index: int, pointer: int, maxnode: int) -> object:
    """Return the words of a node mask behind an argument, None for a null pointer.

    `UNREADABLE` when there is no memory to read the bits of `maxnode` nodes from.
    """
    mm = task.mm
    if pointer == 0 or mm is None:
        return None
    bits = maxnode - 1
    if 0 < bits <= MAX_MASK_BITS and not copy_from_user(mm, pointer, (bits + 63) // 64 * 8):
        return UNREADABLE
    return [] if args.mem is None else args.mem.get(index, [])


def sys_mbind(task: Task, args: SyscallArgs) -> int:
    """mbind(addr, len, mode, nodemask, maxnode, flags)."""
    mask = words(task, args, 3, args.a3, args.a4)
    return ksys_mbind(task, args.a0, args.a1, args.a2, mask, args.a4, args.a5)


def sys_set_mempolicy(task: Task, args: SyscallArgs) -> int:
    """set_mempolicy(mode, nodemask, maxnode)."""
    mask = words(task, args, 1, args.a1, args.a2)
    return ksys_set_mempolicy(task, args.a0, mask, args.a2)


def sys_get_mempolicy(task: Task, args: SyscallArgs) -> int:
    """get_mempolicy(mode, nodemask, maxnode, addr, flags)."""
    mm = task.mm
    mode, mask, maxnode = args.a0, args.a1, args.a2
    err = ksys_get_mempolicy(task, mask, maxnode, args.a3, args.a4)
    if err != 0 or mm is None:
        return err
    if mode != 0 and not copy_to_user(mm, mode, 4):
        return mm.refusal.blame(EFAULT, "mode", "the result cannot be written there")
    if mask == 0:
        return 0
    # The mask is written in words, those beyond the machine's nodes as zeros.
    size = (maxnode - 1 + 63) // 64 * 8
    if size > 4096:
        return mm.refusal.blame(EINVAL, "maxnode", "more nodes than fit in a page")
    if copy_to_user(mm, mask, size):
        return 0
    return mm.refusal.blame(EFAULT, "nodemask", "the result cannot be written there")


def sys_set_mempolicy_home_node(task: Task, args: SyscallArgs) -> int:
    """set_mempolicy_home_node(start, len, home_node, flags)."""
    return ksys_set_mempolicy_home_node(task, args.a0, args.a1, args.a2, args.a3)


def sys_migrate_pages(task: Task, args: SyscallArgs) -> int:
    """migrate_pages(pid, maxnode, old_nodes, new_nodes)."""
    old = words(task, args, 2, args.a2, args.a1)
    new = words(task, args, 3, args.a3, args.a1)
    return ksys_migrate_pages(task, args.a0, args.a1, old, new)


def sys_userfaultfd(task: Task, args: SyscallArgs) -> int:
    """userfaultfd(flags): the descriptor, EPERM, EINVAL or EMFILE."""
    mm = task.mm
    flags = as_uint(args.a0)
    error = check_userfaultfd_flags(task, flags)
    if error != 0 or mm is None:
        return error
    file = userfaultfd_file(task.machine, mm)
    return task.files.install(file, flags & O_CLOEXEC != 0, nofile(task))


def new_userfaultfd(task: Task, flags: int) -> int:
    """USERFAULTFD_IOC_NEW: the descriptor, EINVAL or EMFILE; opening the device is the right."""
    mm = task.mm
    if mm is None or flags & ~(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY) != 0:
        return -EINVAL
    file = userfaultfd_file(task.machine, mm)
    return task.files.install(file, flags & O_CLOEXEC != 0, nofile(task))


def sys_ioctl(task: Task, args: SyscallArgs) -> int:
    """ioctl(fd, request, arg), for the descriptors whose requests change VMAs."""
    file = fget(task.files, as_uint(args.a0))
    if file is None:
        return task.machine.kernel.refusal.blame(EBADF, "fd", "not an open descriptor")
    ctx = file.private_data
    request = as_uint(args.a1)
    if request == PROCMAP_QUERY:
        mem = None if args.mem is None else args.mem.get(2)
        return procfs_procmap_ioctl(task, file.path, args.a2, mem)
    if request == USERFAULTFD_IOC_NEW and file.path == "/dev/userfaultfd":
        return new_userfaultfd(task, args.a2)
    if isinstance(ctx, UserfaultfdCtx):
        return userfaultfd_ioctl(task, ctx, request, None if args.mem is None else args.mem.get(2))
    # A request of userfaultfd's to anything else; other devices' are not modelled.
    if request >> 8 & 0xFF == 0xAA:
        return task.machine.kernel.refusal.blame(ENOTTY, "fd", "not a userfaultfd")
    return -ENOSYS


POLICY_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "get_mempolicy": sys_get_mempolicy,
    "ioctl": sys_ioctl,
    "mbind": sys_mbind,
    "migrate_pages": sys_migrate_pages,
    "set_mempolicy": sys_set_mempolicy,
    "set_mempolicy_home_node": sys_set_mempolicy_home_node,
    "userfaultfd": sys_userfaultfd,
}
