# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of files and descriptors.

Opens succeed here unless the machine knows all files (`MachineState.closed_world`); else whether
they did is for the caller to know, who then calls `file_open` and `FilesStruct.install_at`.
"""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs, as_int, as_uint
from vmalab.linux.fs.hugetlbfs import hugetlb_fops
from vmalab.linux.fs.open import (
    absolute_path,
    file_open,
    file_open_checked,
    file_reopen,
    link_open_checked,
)
from vmalab.linux.fs.proc.clear_refs import CLEAR_REFS, clear_refs_write, may_open_clear_refs
from vmalab.linux.fs.proc.fd import proc_fd_link
from vmalab.linux.fs.truncate import MAX_LFS_FILESIZE, do_truncate, ksys_fallocate, ksys_ftruncate
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EBADF,
    EFAULT,
    EINVAL,
    EISDIR,
    ENODEV,
    ENOENT,
    ENOSYS,
    EOPNOTSUPP,
)
from vmalab.linux.include.uapi.fcntl import (
    AT_FDCWD,
    CLOSE_RANGE_CLOEXEC,
    CLOSE_RANGE_UNSHARE,
    F_ADD_SEALS,
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_GET_SEALS,
    F_GETFD,
    F_SETFD,
    FD_CLOEXEC,
    O_CLOEXEC,
    O_CREAT,
    O_NOFOLLOW,
    O_TRUNC,
    O_WRONLY,
)
from vmalab.linux.include.uapi.memfd import MFD_CLOEXEC, MFD_HUGE_MASK, MFD_HUGE_SHIFT, MFD_HUGETLB
from vmalab.linux.include.uapi.resource import RLIMIT_NOFILE
from vmalab.linux.mm.hugetlb_pool import HugetlbInode, hstate_sizelog
from vmalab.linux.mm.memfd import (
    check_name,
    memfd_add_seals,
    memfd_alloc_file,
    memfd_get_seals,
    sanitize_flags,
)
from vmalab.linux.mm.secretmem import secretmem_file_create
from vmalab.linux.mm.shmem import SHMEM_DEV, shmem_fops
from vmalab.linux.mm.usercopy import copy_from_user, copy_to_user
from vmalab.linux.types.file import FMODE_PATH, FMODE_WRITE, I_CHR, I_DIR, I_REG, File
from vmalab.linux.types.files import check_close_range, fget, unshare_files
from vmalab.linux.types.task import Task

# Bytes of struct cachestat_range and struct cachestat.
CACHESTAT_RANGE_BYTES: Final = 16
CACHESTAT_BYTES: Final = 40


def nofile(task: Task) -> int:
    """Return how many descriptors a task may have (RLIMIT_NOFILE)."""
    return task.signal.rlim_cur[RLIMIT_NOFILE]


def no_string(task: Task, pointer: int) -> int:
    """Return why a string is not known: EFAULT when it cannot be read.

    ENOSYS: a log did not keep it.
    """
    mm = task.mm
    return -ENOSYS if mm is not None and copy_from_user(mm, pointer, 1) else -EFAULT


def fd_file(task: Task, fd: int) -> File | None:
    """Return the file behind a descriptor in a register, also one of O_PATH."""
    return task.files.fget(as_uint(fd))


# Opening.


def path_at(task: Task, dirfd: int, path: str) -> str:
    """Return the absolute path of `path`, seen from a directory's descriptor.

    "" when that is not open.
    """
    if path.startswith("/") or as_int(dirfd) == AT_FDCWD:
        return absolute_path(task.fs.pwd, path)
    base = fd_file(task, dirfd)
    return "" if base is None else absolute_path(base.path, path)


def do_open(task: Task, dirfd: int, path: str | None, pointer: int, flags: int) -> int:
    """Open a path under the lowest free descriptor: it, or -errno.

    Errors: EFAULT (NULL), EBADF (dirfd), EMFILE, and those of `file_open_checked`; EACCES
    (clear_refs of a process that has changed its user); ENOSYS when the path is not known.
    """
    if path is None:
        return no_string(task, pointer)
    if path == "":
        return -ENOENT
    where = path_at(task, dirfd, path)
    if where == "":
        return -EBADF
    machine = task.machine
    if machine.closed_world:
        linked = proc_fd_link(task, where)
        if linked is None:
            err = file_open_checked(machine, where, flags)
            if err == 0 and where == CLEAR_REFS and not may_open_clear_refs(task.cred, flags):
                err = -EACCES
        else:
            err = link_open_checked(linked, flags)
        if err != 0:
            return err
    file = open_at(task, where, flags)
    return task.files.install(file, flags & O_CLOEXEC != 0, nofile(task))


def open_at(task: Task, where: str, flags: int) -> File:
    """Open an absolute path that is known to have been opened, be it a link to an open file."""
    linked = proc_fd_link(task, where) if flags & O_NOFOLLOW == 0 else None
    if linked is not None and linked.inode.kind in (I_REG, I_CHR, I_DIR):
        return file_reopen(linked, flags)
    file = file_open(task.machine, where, flags)
    if where == CLEAR_REFS:
        # Of the process that opens it, whoever writes to it then.
        file.private_data = task
    return file


def sys_open(task: Task, args: SyscallArgs) -> int:
    """open(path, flags, mode)."""
    return do_open(task, AT_FDCWD, args.text(0), args.a0, as_uint(args.a1))


def sys_creat(task: Task, args: SyscallArgs) -> int:
    """creat(path, mode)."""
    return do_open(task, AT_FDCWD, args.text(0), args.a0, O_CREAT | O_WRONLY | O_TRUNC)


def sys_openat(task: Task, args: SyscallArgs) -> int:
    """openat(dirfd, path, flags, mode)."""
    return do_open(task, args.a0, args.text(1), args.a1, as_uint(args.a2))


def sys_openat2(task: Task, args: SyscallArgs) -> int:
    """openat2(dirfd, path, how, size)."""
    flags = args.field(2, "flags")
    if flags < 0:
        return -EFAULT if args.a2 == 0 else -ENOSYS
    return do_open(task, args.a0, args.text(1), args.a1, flags)


# Sizes.


def sys_ftruncate(task: Task, args: SyscallArgs) -> int:
    """ftruncate(fd, length)."""
    return int(ksys_ftruncate(fget(task.files, as_uint(args.a0)), args.a1))


def sys_truncate(task: Task, args: SyscallArgs) -> int:
    """truncate(path, length): of a path that was never opened nothing is known."""
    if args.a1 > MAX_LFS_FILESIZE:
        return -EINVAL
    path = args.text(0)
    if path is None:
        return no_string(task, args.a0)
    machine = task.machine
    inode = machine.inodes.get(absolute_path(task.fs.pwd, path))
    if inode is None:
        return -ENOENT if machine.closed_world else 0
    if inode.kind != I_REG:
        return -EISDIR if inode.kind == I_DIR else -EINVAL
    return int(do_truncate(inode, args.a1))


def sys_fallocate(task: Task, args: SyscallArgs) -> int:
    """fallocate(fd, mode, offset, length)."""
    file = fget(task.files, as_uint(args.a0))
    return int(ksys_fallocate(file, as_uint(args.a1), args.a2, args.a3))


def sys_write(task: Task, args: SyscallArgs) -> int:
    """write(fd, text, count): only what is written to clear_refs has an effect here."""
    file = fget(task.files, as_uint(args.a0))
    if file is None or file.f_mode & FMODE_WRITE == 0:
        return -EBADF
    text, whose = args.text(1), file.private_data
    if text is None or not isinstance(whose, Task) or whose.mm is None:
        return -ENOSYS
    return clear_refs_write(whose.mm, text[: args.a2])


# Descriptors.


def sys_close(task: Task, args: SyscallArgs) -> int:
    """close(fd)."""
    return task.files.close(as_uint(args.a0))


def sys_close_range(task: Task, args: SyscallArgs) -> int:
    """close_range(first, last, flags)."""
    first, last, flags = as_uint(args.a0), as_uint(args.a1), as_uint(args.a2)
    err = check_close_range(first, last, flags)
    if err != 0:
        return err
    if flags & CLOSE_RANGE_CLOEXEC != 0 and not task.machine.config.features.close_range_cloexec:
        return -EINVAL
    if flags & CLOSE_RANGE_UNSHARE != 0:
        task.files = unshare_files(task.files)
    task.files.close_range(first, last, flags & CLOSE_RANGE_CLOEXEC != 0)
    return 0


def sys_dup(task: Task, args: SyscallArgs) -> int:
    """dup(fd)."""
    return task.files.dup(as_uint(args.a0), 0, False, nofile(task))


def sys_dup2(task: Task, args: SyscallArgs) -> int:
    """dup2(old, new): `new`, even when it is `old`."""
    old, new = as_uint(args.a0), as_uint(args.a1)
    if old == new:
        return new if fd_file(task, old) is not None else -EBADF
    return task.files.dup_to(old, new, False, nofile(task))


def sys_dup3(task: Task, args: SyscallArgs) -> int:
    """dup3(old, new, flags): EINVAL when both are the same."""
    old, new, flags = as_uint(args.a0), as_uint(args.a1), as_uint(args.a2)
    if flags & ~O_CLOEXEC != 0 or old == new:
        return -EINVAL
    return task.files.dup_to(old, new, flags & O_CLOEXEC != 0, nofile(task))


def sys_fcntl(task: Task, args: SyscallArgs) -> int:
    """fcntl(fd, cmd, arg): what concerns descriptors and seals; other commands are not modelled."""
    files = task.files
    fd, cmd, arg = as_uint(args.a0), as_uint(args.a1), args.a2
    file = files.fget(fd)
    if file is None or (file.f_mode & FMODE_PATH != 0 and cmd in (F_ADD_SEALS, F_GET_SEALS)):
        return -EBADF
    if cmd in (F_DUPFD, F_DUPFD_CLOEXEC):
        start, limit = as_uint(arg), nofile(task)
        return -EINVAL if start >= limit else files.dup(fd, start, cmd == F_DUPFD_CLOEXEC, limit)
    if cmd == F_GETFD:
        return FD_CLOEXEC if fd in files.close_on_exec else 0
    if cmd == F_SETFD:
        files.put_at(fd, file, arg & FD_CLOEXEC != 0)
        return 0
    if cmd == F_ADD_SEALS:
        return int(memfd_add_seals(task.machine.config, file, as_uint(arg)))
    if cmd == F_GET_SEALS:
        return int(memfd_get_seals(file))
    return -ENOSYS


def sys_memfd_create(task: Task, args: SyscallArgs) -> int:
    """memfd_create(name, flags): a descriptor, or EINVAL, EACCES, EFAULT, ENODEV, EMFILE."""
    machine = task.machine
    flags = sanitize_flags(machine.config, as_uint(args.a1))
    if flags < 0:
        return flags
    name = args.text(0)
    if name is None and machine.closed_world and no_string(task, args.a0) == -ENOSYS:
        # Nobody writes to the memory of a stream: it holds zeros.
        name = ""
    if name is None:
        return no_string(task, args.a0)
    err = check_name(name)
    if err != 0:
        return err
    if flags & MFD_HUGETLB != 0:
        h = hstate_sizelog(machine.hstates, flags >> MFD_HUGE_SHIFT & MFD_HUGE_MASK)
        if h is None:
            return -ENODEV
        file = memfd_alloc_file(name, flags, hugetlb_fops, h.dev)
        file.inode.hugetlb = HugetlbInode(h, False)
    else:
        file = memfd_alloc_file(name, flags, shmem_fops, SHMEM_DEV)
    return task.files.install(file, flags & MFD_CLOEXEC != 0, nofile(task))


def sys_memfd_secret(task: Task, args: SyscallArgs) -> int:
    """memfd_secret(flags): a descriptor, or EINVAL, EMFILE; ENOSYS when the kernel has none."""
    machine = task.machine
    flags = as_uint(args.a0)
    if not machine.config.secretmem:
        return -ENOSYS
    if flags & ~O_CLOEXEC != 0:
        return -EINVAL
    file = secretmem_file_create()
    return task.files.install(file, flags & O_CLOEXEC != 0, nofile(task))


def sys_cachestat(task: Task, args: SyscallArgs) -> int:
    """cachestat(fd, range, result, flags): 0 or -errno; what it tells is not known.

    Errors: ENOSYS, EBADF, EFAULT, EOPNOTSUPP (huge pages), EINVAL (flags).  Whether a file that is
    open for reading only may be asked about is not known here either.
    """
    mm = task.mm
    if mm is None or not task.machine.config.features.cachestat:
        return -ENOSYS
    file = fget(task.files, as_uint(args.a0))
    if file is None:
        return -EBADF
    if not copy_from_user(mm, args.a1, CACHESTAT_RANGE_BYTES):
        return -EFAULT
    if file.f_op.is_hugetlb:
        return -EOPNOTSUPP
    if as_uint(args.a3) != 0:
        return -EINVAL
    return 0 if copy_to_user(mm, args.a2, CACHESTAT_BYTES) else -EFAULT


FS_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "cachestat": sys_cachestat,
    "close": sys_close,
    "close_range": sys_close_range,
    "creat": sys_creat,
    "dup": sys_dup,
    "dup2": sys_dup2,
    "dup3": sys_dup3,
    "fallocate": sys_fallocate,
    "fcntl": sys_fcntl,
    "ftruncate": sys_ftruncate,
    "memfd_create": sys_memfd_create,
    "memfd_secret": sys_memfd_secret,
    "open": sys_open,
    "openat": sys_openat,
    "openat2": sys_openat2,
    "truncate": sys_truncate,
    "write": sys_write,
}
