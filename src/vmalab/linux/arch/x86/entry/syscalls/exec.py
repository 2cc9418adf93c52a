# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of exec: a file that is known to hold a program takes the caller's place.

A file's headers are known once `add_program` has told them; what the kernel would draw at random
is `LinuxMachine.exec_draws`.
"""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs, as_int
from vmalab.linux.arch.x86.entry.syscalls.fs import fd_file, no_string, path_at
from vmalab.linux.fs.binfmt_elf import load_elf_binary
from vmalab.linux.fs.binfmts import LinuxBinprm
from vmalab.linux.fs.elf import read_elf, read_elf_interp
from vmalab.linux.fs.open import absolute_path, file_open, file_open_checked
from vmalab.linux.include.uapi.errno import EACCES, EBADF, EINVAL, ENOENT, ENOSYS
from vmalab.linux.include.uapi.fcntl import (
    AT_EMPTY_PATH,
    AT_EXECVE_CHECK,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    O_RDONLY,
)
from vmalab.linux.kernel.exit import exit_task
from vmalab.linux.types.file import I_REG, File, Inode
from vmalab.linux.types.files import fput, get_file
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.task import Task


def add_program(machine: MachineState, path: str, dev: str, ino: int, data: bytes) -> Inode:
    """State that a file exists and what it holds; `dev` and `ino` as in maps."""
    inode = machine.add_inode(path, I_REG, dev, ino, len(data))
    inode.program = read_elf(data)
    inode.interp = read_elf_interp(data, inode.program.is_compat())
    return inode


def open_exec(machine: MachineState, path: str) -> tuple[int, File | None]:
    """Open a program: 0 and the file, whose reference is the caller's, or -errno and None.

    Errors: ENOENT, EACCES (a directory, a device, where nothing may be executed); ENOSYS when
    nothing is known of the file.  Kernel: do_open_execat().
    """
    inode = machine.inodes.get(path)
    if inode is None:
        return (file_open_checked(machine, path, 0) if machine.closed_world else -ENOSYS), None
    if inode.kind != I_REG:
        return -EACCES, None
    return 0, file_open(machine, path, O_RDONLY)


def strings(task: Task, args: SyscallArgs, index: int, pointer: int) -> tuple[int, list[bytes]]:
    """Return the strings of an array of pointers: 0 or -errno, and the strings; none for NULL."""
    if pointer == 0:
        return 0, []
    value = None if args.mem is None else args.mem.get(index)
    if not isinstance(value, list):
        return no_string(task, pointer), []
    found: list[bytes] = []
    for item in value:
        if isinstance(item, str):
            found.append(item.encode("utf-8", "surrogateescape"))
        elif isinstance(item, bytes):
            found.append(item)
        else:
            return -ENOSYS, []
    return 0, found


def open_interpreter(task: Task, bprm: LinuxBinprm) -> int:
    """Open what the program names as its interpreter: 0, or -ENOSYS when nothing is known of it.

    That it cannot be opened is for `load_elf_binary` to find.
    """
    name = bprm.elf.interp
    if name is None:
        return 0
    path = absolute_path(task.fs.pwd, name.decode("utf-8", "surrogateescape"))
    err, file = open_exec(task.machine, path)
    if file is None:
        bprm.interp_error = err
        return err if err == -ENOSYS else 0
    bprm.interpreter, bprm.interp_elf = file, file.inode.interp
    return 0 if bprm.interp_elf is not None else -ENOSYS


def exec_file(task: Task, file: File, filename: str, args: SyscallArgs, first: int) -> int:
    """Let a file take the caller's place; `first` is the number of the argument argv.

    A program that cannot be started once the old one is gone ends the process: then the errno is
    why, and nobody sees it.  Errors: those of `load_elf_binary`, EFAULT; EACCES when nothing of the
    file's system may be executed; ENOSYS.
    """
    if file.inode.kind != I_REG or file.noexec:
        return -EACCES
    elf = file.inode.program
    if elf is None:
        return -ENOSYS
    pointers = (args.a1, args.a2, args.a3)
    err, argv = strings(task, args, first, pointers[first - 1])
    if err == 0:
        err, envp = strings(task, args, first + 1, pointers[first])
    if err != 0:
        return err
    bprm = LinuxBinprm(file, elf)
    bprm.set_arguments(filename.encode("utf-8", "surrogateescape"), argv, envp)
    bprm.draw(task.machine.exec_draws)
    err = open_interpreter(task, bprm)
    randomized = task.randomize
    task.randomize = task.machine.randomize_va_space
    if err == 0:
        err = load_elf_binary(task, bprm)
    if not bprm.point_of_no_return:
        task.randomize = randomized
    if bprm.interpreter is not None:
        fput(bprm.interpreter)
    if err != 0 and bprm.point_of_no_return:
        exit_task(task)
    return err


def do_execveat(task: Task, dirfd: int, path: str, args: SyscallArgs, first: int) -> int:
    """Start the program at a path, seen from a directory's descriptor: 0 or -errno."""
    if path == "":
        found = fd_file(task, dirfd)
        if found is None:
            return -EBADF
        file = get_file(found)
        filename = f"/dev/fd/{as_int(dirfd)}"
    else:
        where = path_at(task, dirfd, path)
        if where == "":
            return -EBADF
        err, opened = open_exec(task.machine, where)
        if opened is None:
            return err
        file = opened
        near = path.startswith("/") or as_int(dirfd) == AT_FDCWD
        filename = path if near else f"/dev/fd/{as_int(dirfd)}/{path}"
    err = exec_file(task, file, filename, args, first)
    fput(file)
    return err


def sys_execve(task: Task, args: SyscallArgs) -> int:
    """execve(path, argv, envp)."""
    path = args.text(0)
    if path is None:
        return no_string(task, args.a0)
    if path == "":
        return -ENOENT
    return do_execveat(task, AT_FDCWD, path, args, 1)


def sys_execveat(task: Task, args: SyscallArgs) -> int:
    """execveat(dirfd, path, argv, envp, flags): EINVAL for flags that it does not take.

    AT_EXECVE_CHECK is not modelled: some versions do not have it.
    """
    path = args.text(1)
    flags = as_int(args.a4)
    if path is None:
        return no_string(task, args.a1)
    if path == "" and flags & AT_EMPTY_PATH == 0:
        return -ENOENT
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EXECVE_CHECK) != 0:
        return -EINVAL
    if flags & AT_EXECVE_CHECK != 0:
        return -ENOSYS
    return do_execveat(task, args.a0, path, args, 2)


EXEC_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "execve": sys_execve,
    "execveat": sys_execveat,
}
