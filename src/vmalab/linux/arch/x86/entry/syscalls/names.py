# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of names and directories.

That a name exists is for the caller to know, unless the machine knows all files.
"""

from collections.abc import Callable
from typing import Final, final

from mypy_extensions import mypyc_attr

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs
from vmalab.linux.arch.x86.entry.syscalls.fs import fd_file, no_string, path_at
from vmalab.linux.fs.open import absolute_path, exchange, link, rename, unlink
from vmalab.linux.include.uapi.errno import EBADF, EISDIR, ENOSYS
from vmalab.linux.include.uapi.fcntl import AT_FDCWD, AT_REMOVEDIR, AT_RENAME_EXCHANGE
from vmalab.linux.types.file import I_DIR
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.task import Task


def do_unlink(task: Task, dirfd: int, path: str | None) -> int:
    """Remove a name: 0 or -errno; names that are not known count as removed in an open world."""
    if path is None:
        return -ENOSYS
    where = path_at(task, dirfd, path)
    if where == "":
        return -EBADF
    machine = task.machine
    inode = machine.inodes.get(where)
    if inode is not None and inode.kind == I_DIR:
        return -EISDIR
    err = unlink(machine, where)
    return err if machine.closed_world else 0


def sys_unlink(task: Task, args: SyscallArgs) -> int:
    """unlink(path)."""
    return do_unlink(task, AT_FDCWD, args.text(0))


def sys_unlinkat(task: Task, args: SyscallArgs) -> int:
    """unlinkat(dirfd, path, flags); removing directories is not modelled."""
    if args.a2 & AT_REMOVEDIR != 0:
        return -ENOSYS
    return do_unlink(task, args.a0, args.text(1))


def sys_chdir(task: Task, args: SyscallArgs) -> int:
    """chdir(path); that it is a directory is for the caller to know."""
    path = args.text(0)
    if path is None:
        return no_string(task, args.a0)
    task.fs.pwd = absolute_path(task.fs.pwd, path)
    return 0


def sys_fchdir(task: Task, args: SyscallArgs) -> int:
    """fchdir(fd)."""
    file = fd_file(task, args.a0)
    if file is None:
        return -EBADF
    task.fs.pwd = file.path
    return 0


@final
@mypyc_attr(native_class=True, acyclic=True)
class Name:
    """A path in a call's arguments: the directory it starts in, its pointer and what that holds."""

    def __init__(self, dirfd: int, pointer: int, path: str | None) -> None:
        self.dirfd: int = dirfd
        self.pointer: int = pointer
        self.path: str | None = path

    def where(self, task: Task) -> tuple[int, str]:
        """Return 0 and the absolute path, or -errno: EFAULT, EBADF; ENOSYS: it is not known."""
        if self.path is None:
            return no_string(task, self.pointer), ""
        where = path_at(task, self.dirfd, self.path)
        return (-EBADF if where == "" else 0), where


def two_names(args: SyscallArgs) -> tuple[Name, Name]:
    """Return the names of a call whose arguments are two paths."""
    return Name(AT_FDCWD, args.a0, args.text(0)), Name(AT_FDCWD, args.a1, args.text(1))


def two_names_at(args: SyscallArgs) -> tuple[Name, Name]:
    """Return the names of a call with a directory's descriptor before each of two paths."""
    return Name(args.a0, args.a1, args.text(1)), Name(args.a2, args.a3, args.text(3))


def do_names(
    task: Task, names: tuple[Name, Name], act: Callable[[MachineState, str, str], None]
) -> int:
    """Do something to two paths: 0, or -errno when one of them is not known."""
    err, old = names[0].where(task)
    if err != 0:
        return err
    err, new = names[1].where(task)
    if err == 0:
        act(task.machine, old, new)
    return err


def sys_rename(task: Task, args: SyscallArgs) -> int:
    """rename(old, new)."""
    return do_names(task, two_names(args), rename)


def sys_renameat(task: Task, args: SyscallArgs) -> int:
    """renameat(olddirfd, old, newdirfd, new)."""
    return do_names(task, two_names_at(args), rename)


def sys_renameat2(task: Task, args: SyscallArgs) -> int:
    """renameat2(olddirfd, old, newdirfd, new, flags)."""
    swaps = args.a4 & AT_RENAME_EXCHANGE != 0
    return do_names(task, two_names_at(args), exchange if swaps else rename)


def sys_link(task: Task, args: SyscallArgs) -> int:
    """link(old, new)."""
    return do_names(task, two_names(args), link)


def sys_linkat(task: Task, args: SyscallArgs) -> int:
    """linkat(olddirfd, old, newdirfd, new, flags)."""
    return do_names(task, two_names_at(args), link)


NAME_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "chdir": sys_chdir,
    "fchdir": sys_fchdir,
    "link": sys_link,
    "linkat": sys_linkat,
    "rename": sys_rename,
    "renameat": sys_renameat,
    "renameat2": sys_renameat2,
    "unlink": sys_unlink,
    "unlinkat": sys_unlinkat,
}
