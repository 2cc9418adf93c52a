# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors and files as a log tells them: which number an open answered, and what it stands for.

Whether a file exists is no question of memory. So calls that failed are not made at all, and those
that succeeded leave the descriptor that they are recorded with.
"""

from collections.abc import Mapping
from typing import Final

from vmalab.calls.call import Call, FdPath, TruncatedStr
from vmalab.calls.table import DUPS, FOLLOWED, MAKES_FD, OPENS, sets_credentials
from vmalab.linux.arch.x86.entry.syscalls.args import args_of
from vmalab.linux.arch.x86.entry.syscalls.fs import nofile, open_at, path_at
from vmalab.linux.arch.x86.entry.syscalls.table import (
    SYSCALLS,
    do_int80_syscall_32,
    do_syscall_64,
)
from vmalab.linux.fs.open import anon_file, file_open
from vmalab.linux.fs.proc.fd import proc_fd_link
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM
from vmalab.linux.include.uapi.fcntl import (
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECT,
    O_NONBLOCK,
    O_TRUNC,
    O_WRONLY,
)
from vmalab.linux.include.uapi.memfd import MFD_ALLOW_SEALING
from vmalab.linux.include.uapi.shm import SHM_HUGE_MASK, SHM_HUGE_SHIFT, SHM_HUGETLB
from vmalab.linux.include.uapi.userfaultfd import USERFAULTFD_IOC_NEW
from vmalab.linux.kernel.pidfd import Pidfd
from vmalab.linux.mm.hugetlb_pool import hstate_sizelog
from vmalab.linux.mm.memfd import memfd_alloc_file
from vmalab.linux.mm.secretmem import SECRETMEM_NAME, secretmem_file_create
from vmalab.linux.mm.shmem import SHMEM_DEV, shmem_fops
from vmalab.linux.mm.usercopy import copy_to_user
from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE, File
from vmalab.linux.types.files import get_file
from vmalab.linux.types.task import Task
from vmalab.targets.model.compat_calls import is_32bit
from vmalab.targets.model.credentials import follow_credentials

# The index in an id of System V shared memory.
IPC_INDEX: Final = 0x7FFF

BOTH: Final = FMODE_READ | FMODE_WRITE
# Calls whose descriptors are only for reading.
READ_ONLY: Final = ("inotify_init", "inotify_init1")
_PIPE_FLAGS: Final = O_CLOEXEC | O_DIRECT | O_NONBLOCK
# Bytes of two descriptors.
_PAIR_SIZE: Final = 8
# Where names are links to what is open, mapped or run.
_LINKS: Final = ("/proc/", "/dev/fd/")


def carry_out(task: Task, call: Call) -> int:
    """Return the engine's answer to a call. Errors: ENOSYS when it has no such call."""
    args = args_of(call.args, call.mem)
    if is_32bit(task, call):
        return do_int80_syscall_32(task, call.name, args)
    return do_syscall_64(task, call.name, args)


def follow(task: Task, call: Call) -> None:
    """Let a call that is no memory call have the effect on descriptors that was recorded."""
    ret = call.ret
    if ret is None or ret < 0 or call.lenient:
        return
    name = call.name
    row = call.row
    if sets_credentials(name, call.args):
        follow_credentials(task, call)
    elif row.family & OPENS:
        _follow_open(task, call, ret)
    elif row.family & DUPS or (name == "fcntl" and call.args[1] in (F_DUPFD, F_DUPFD_CLOEXEC)):
        _follow_dup(task, call, ret)
    elif row.family & MAKES_FD:
        _follow_maker(task, call, ret)
    elif row.family & FOLLOWED:
        carry_out(task, call)
    elif row.index("&fds") >= 0:
        _follow_pair(task, call, row.index("&fds"))
    elif name == "shmget":
        _follow_shmget(task, call, ret)
    elif name == "ioctl" and call.args[1] == USERFAULTFD_IOC_NEW:
        made = Call(call.tid, "userfaultfd", (call.args[2], 0, 0, 0, 0, 0))
        _follow_maker(task, made, ret)


def _path(call: Call, index: int) -> str | None:
    value = None if call.mem is None else call.mem.get(index)
    return value if isinstance(value, str) and not isinstance(value, FdPath) else None


def _follow_open(task: Task, call: Call, ret: int) -> None:
    index = call.row.string
    at = call.row.index("open")
    if at >= 0:
        flags = call.args[at] & 0xFFFFFFFF
    elif call.name == "creat":
        flags = O_CREAT | O_WRONLY | O_TRUNC
    else:
        how = None if call.mem is None else call.mem.get(2)
        asked = how.get("flags") if isinstance(how, dict) else 0
        flags = asked if isinstance(asked, int) else 0
    path = _path(call, index)
    where = ""
    if path is not None:
        where = path_at(task, call.args[0] if index == 1 else -100, path)
    if isinstance(call.ret_mem, FdPath) and not _leads_to_file(task, path, where):
        where = str(call.ret_mem)
    machine = task.machine
    if where == "":
        file = anon_file(machine, path or "")
    else:
        file = open_at(task, where, flags)
    task.files.install_at(ret, file, flags & O_CLOEXEC != 0)


def _leads_to_file(task: Task, path: str | None, where: str) -> bool:
    """Tell whether a path that was opened tells as much as the tracer's note at its descriptor.

    One that starts in a directory may start elsewhere, a link in /proc may lead anywhere, and one
    that the tracer cut names many files.
    """
    if path is None or isinstance(path, TruncatedStr) or not path.startswith("/"):
        return False
    return not where.startswith(_LINKS) or proc_fd_link(task, where) is not None


def _follow_dup(task: Task, call: Call, ret: int) -> None:
    files = task.files
    source = files.fget(call.args[0] & 0xFFFFFFFF)
    if call.name == "dup2" and ret == call.args[0]:
        return
    if source is None:
        # Nothing is known of it, nor of its copy.
        files.close(ret)
        return
    cloexec = call.name == "fcntl" and call.args[1] == F_DUPFD_CLOEXEC
    cloexec = cloexec or (call.name == "dup3" and call.args[2] & O_CLOEXEC != 0)
    files.install_at(ret, get_file(source), cloexec)


def _follow_pair(task: Task, call: Call, index: int) -> None:
    pair = None if call.mem is None else call.mem.get(index)
    if pair is None:
        pair = call.out
    if not isinstance(pair, list):
        return
    # A pipe has an end to read from and one to write to; sockets are both.
    modes = (FMODE_READ, FMODE_WRITE) if call.name.startswith("pipe") else (BOTH, BOTH)
    for fd, mode in zip(pair, modes, strict=False):
        if isinstance(fd, int) and 0 <= fd < 1 << 31:
            task.files.install_at(fd, anon_file(task.machine, call.name, mode))


def make_pipe(task: Task, call: Call) -> list[int] | int:
    """Carry out pipe2: the two descriptors, or EINVAL, EFAULT, EMFILE."""
    flags = call.args[1] & 0xFFFFFFFF
    if flags & ~_PIPE_FLAGS != 0:
        return -EINVAL
    ends: list[int] = []
    for mode in (FMODE_READ, FMODE_WRITE):
        file = anon_file(task.machine, call.name, mode)
        fd = task.files.install(file, flags & O_CLOEXEC != 0, nofile(task))
        if fd < 0:
            for end in ends:
                task.files.close(end)
            return fd
        ends.append(fd)
    mm = task.mm
    if call.mem is None and (mm is None or not copy_to_user(mm, call.args[0], _PAIR_SIZE)):
        for end in ends:
            task.files.close(end)
        return -EFAULT
    return ends


def _follow_maker(task: Task, call: Call, ret: int) -> None:
    if call.name in SYSCALLS:
        got = carry_out(task, call)
        if got == ret:
            return
        if got >= 0:
            move_fd(task, got, ret)
            return
    mode = FMODE_READ if call.name in READ_ONLY else BOTH
    file = anon_file(task.machine, call.name, mode)
    if call.name == "pidfd_open":
        # Of a process that had ended by then, and whose parent had not asked how.
        file.private_data = Pidfd(None)
    task.files.install_at(ret, file)


def _follow_shmget(task: Task, call: Call, ret: int) -> None:
    """A segment has the id that the log tells: those of before it began are not known."""
    got = carry_out(task, call)
    flags = call.args[2]
    if got == -ENOMEM and flags & SHM_HUGETLB != 0:
        # There were huge pages; how many is not known then.
        pool = hstate_sizelog(task.machine.hstates, flags >> SHM_HUGE_SHIFT & SHM_HUGE_MASK)
        if pool is not None:
            pool.known = False
            got = carry_out(task, call)
    segments = task.machine.ipc_ns
    segment = segments.find(got) if got >= 0 and got != ret else None
    if segment is not None:
        segments.shm_ids.remove(got & IPC_INDEX)
        segments.add_at(segment, ret)
        # The inode of a segment has its id for a number.
        segment.shm_file.inode.ino = ret


def move_fd(task: Task, old: int, new: int) -> None:
    """A descriptor has the number `new` instead of `old`."""
    files = task.files
    file = files.fget(old)
    if file is None:
        return
    cloexec = old in files.close_on_exec
    files.install_at(new, get_file(file), cloexec)
    files.close(old)


def memory_file(path: str) -> File:
    """Return a memory file that was made before, or by somebody else; perhaps it is a known one."""
    name = path.removeprefix("/memfd:").removesuffix(" (deleted)")
    file = memfd_alloc_file(name, MFD_ALLOW_SEALING, shmem_fops, SHMEM_DEV)
    file.inode.size = -1
    return file


def inherit(
    task: Task, fds: Mapping[int, tuple[str, int]], seals: Mapping[int, int] | None = None
) -> None:
    """Open what was open when the log began: descriptor -> (name in /proc/PID/fd, O_* flags).

    seals: of the memory files among them, as far as they are known.
    """
    machine = task.machine
    for fd, (name, flags) in fds.items():
        path = name.removesuffix(" (deleted)")
        if path.startswith("/memfd:"):
            file = memory_file(path)
            file.inode.seals = (seals or {}).get(fd, file.inode.seals)
        elif name == SECRETMEM_NAME:
            file = secretmem_file_create()
            file.inode.size = -1
        elif path.startswith("/"):
            file = file_open(machine, path, flags & ~(O_CREAT | O_TRUNC))
        else:
            file = anon_file(machine, name)
        task.files.install_at(fd, file, flags & O_CLOEXEC != 0)
