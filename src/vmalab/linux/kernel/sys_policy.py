# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of NUMA policies and of userfaultfd."""

from collections.abc import Callable
from typing import Final

from vmalab.linux.include.uapi.errno import EBADF, ENOSYS, ENOTTY
from vmalab.linux.include.uapi.fcntl import O_CLOEXEC
from vmalab.linux.kernel.sys_args import SyscallArgs, as_uint
from vmalab.linux.kernel.sys_fs import nofile
from vmalab.linux.kernel.task import Task
from vmalab.linux.mm.mempolicy import (
    ksys_get_mempolicy,
    ksys_mbind,
    ksys_migrate_pages,
    ksys_set_mempolicy,
    ksys_set_mempolicy_home_node,
)
from vmalab.linux.mm.mm_types import UserfaultfdCtx
from vmalab.linux.mm.userfaultfd import (
    check_userfaultfd_flags,
    userfaultfd_file,
    userfaultfd_ioctl,
)


def words(args: SyscallArgs, index: int, pointer: int) -> object:
    """The words of a node mask behind an argument, None for a null pointer."""
    if pointer == 0:
        return None
    return [] if args.mem is None else args.mem.get(index, [])


def sys_mbind(task: Task, args: SyscallArgs) -> int:
    """mbind(addr, len, mode, nodemask, maxnode, flags)."""
    mask = words(args, 3, args.a3)
    return ksys_mbind(task, args.a0, args.a1, args.a2, mask, args.a4, args.a5)


def sys_set_mempolicy(task: Task, args: SyscallArgs) -> int:
    """set_mempolicy(mode, nodemask, maxnode)."""
    return ksys_set_mempolicy(task, args.a0, words(args, 1, args.a1), args.a2)


def sys_get_mempolicy(task: Task, args: SyscallArgs) -> int:
    """get_mempolicy(mode, nodemask, maxnode, addr, flags)."""
    return ksys_get_mempolicy(task, args.a1, args.a2, args.a3, args.a4)


def sys_set_mempolicy_home_node(task: Task, args: SyscallArgs) -> int:
    """set_mempolicy_home_node(start, len, home_node, flags)."""
    return ksys_set_mempolicy_home_node(task, args.a0, args.a1, args.a2, args.a3)


def sys_migrate_pages(task: Task, args: SyscallArgs) -> int:
    """migrate_pages(pid, maxnode, old_nodes, new_nodes)."""
    old, new = words(args, 2, args.a2), words(args, 3, args.a3)
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


def sys_ioctl(task: Task, args: SyscallArgs) -> int:
    """ioctl(fd, request, arg), for the descriptors whose requests change VMAs."""
    file = task.files.fget(as_uint(args.a0))
    if file is None:
        return -EBADF
    ctx = file.private_data
    request = as_uint(args.a1)
    if isinstance(ctx, UserfaultfdCtx):
        return userfaultfd_ioctl(task, ctx, request, None if args.mem is None else args.mem.get(2))
    # A request of userfaultfd's to anything else; other devices' are not modelled.
    return -ENOTTY if request >> 8 & 0xFF == 0xAA else -ENOSYS


POLICY_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "get_mempolicy": sys_get_mempolicy,
    "ioctl": sys_ioctl,
    "mbind": sys_mbind,
    "migrate_pages": sys_migrate_pages,
    "set_mempolicy": sys_set_mempolicy,
    "set_mempolicy_home_node": sys_set_mempolicy_home_node,
    "userfaultfd": sys_userfaultfd,
}
