# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors and files as a log tells them: which number an open answered, and what it stands for.

Whether a file exists is no question of memory. So calls that failed are not made at all, and those
that succeeded leave the descriptor that they are recorded with.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vmalab.calls.call import Call, FdPath
from vmalab.calls.table import DUPS, FOLLOWED, MAKES_FD, OPENS
from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs
from vmalab.linux.arch.x86.entry.syscalls.fs import path_at
from vmalab.linux.arch.x86.entry.syscalls.table import SYSCALLS, do_syscall_64
from vmalab.linux.fs.open import anon_file, file_open, generic_fops, open_mode
from vmalab.linux.include.uapi.fcntl import (
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    O_CLOEXEC,
    O_CREAT,
    O_RDWR,
    O_TRUNC,
    O_WRONLY,
)
from vmalab.linux.include.uapi.memfd import MFD_ALLOW_SEALING
from vmalab.linux.include.uapi.userfaultfd import USERFAULTFD_IOC_NEW
from vmalab.linux.mm.memfd import memfd_alloc_file
from vmalab.linux.mm.shmem import SHMEM_DEV, shmem_fops
from vmalab.linux.types.file import File
from vmalab.linux.types.files import get_file
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.task import Task

# The index in an id of System V shared memory.
IPC_INDEX: Final = 0x7FFF

# What a recorder notes behind a mapped file.
_DETAILED = re.compile(r"(.*)<([0-9a-f]{2,8}:[0-9a-f]{2,8}) (\d{1,19}) ([0-7]{1,12})>$", re.ASCII)
# Where names are links to what is open, mapped or run.
_LINKS: Final = ("/proc/", "/dev/fd/")


def carry_out(task: Task, call: Call) -> int:
    """Return the engine's answer to a call. Errors: ENOSYS when it has no such call."""
    return do_syscall_64(task, call.name, SyscallArgs(call.args, call.mem))


def follow(task: Task, call: Call) -> None:
    """Let a call that is no memory call have the effect on descriptors that was recorded."""
    ret = call.ret
    if ret is None or ret < 0 or call.lenient:
        return
    name = call.name
    row = call.row
    if row.family & OPENS:
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
    if isinstance(call.ret_mem, FdPath) and (where == "" or where.startswith(_LINKS)):
        where = str(call.ret_mem)
    machine = task.machine
    if where == "":
        file = anon_file(machine, path or "")
    else:
        file = file_open(machine, where, flags)
    task.files.install_at(ret, file, flags & O_CLOEXEC != 0)


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
    for fd in pair:
        if isinstance(fd, int) and 0 <= fd < 1 << 31:
            task.files.install_at(fd, anon_file(task.machine, call.name))


def _follow_maker(task: Task, call: Call, ret: int) -> None:
    if call.name in SYSCALLS:
        got = carry_out(task, call)
        if got == ret:
            return
        if got >= 0:
            move_fd(task, got, ret)
            return
    task.files.install_at(ret, anon_file(task.machine, call.name))


def _follow_shmget(task: Task, call: Call, ret: int) -> None:
    """A segment has the id that the log tells: those of before it began are not known."""
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


def _memory_file(machine: MachineState, path: str) -> File:
    """Return a memory file that was made before, or by somebody else; perhaps it is a known one."""
    name = path.removeprefix("/memfd:").removesuffix(" (deleted)")
    file = memfd_alloc_file(name, MFD_ALLOW_SEALING, shmem_fops, SHMEM_DEV)
    file.inode.size = -1
    return file


def inherit(task: Task, fds: Mapping[int, tuple[str, int]]) -> None:
    """Open what was open when the log began: descriptor -> (name in /proc/PID/fd, O_* flags)."""
    machine = task.machine
    for fd, (name, flags) in fds.items():
        path = name.removesuffix(" (deleted)")
        if path.startswith("/memfd:"):
            file = _memory_file(machine, path)
        elif path.startswith("/"):
            file = file_open(machine, path, flags & ~(O_CREAT | O_TRUNC))
        else:
            file = anon_file(machine, name)
        task.files.install_at(fd, file, flags & O_CLOEXEC != 0)


@dataclass(frozen=True, slots=True)
class Told:
    """What a tracer's note at a descriptor tells: `path`, or `path<dev inode flags>`.

    dev as maps prints it, inode -1 where it is not told; flags: O_* of its open.
    """

    path: str
    dev: str = ""
    inode: int = -1
    flags: int = O_RDWR

    @property
    def is_memory_file(self) -> bool:
        """Whether it is one of memfd_create, which has no name to be known by."""
        return self.path.startswith("/memfd:") and self.inode >= 0


def told_by(call: Call, index: int) -> Told | None:
    """Return the note at a descriptor in an argument of a call, if there is one."""
    note = None if call.mem is None else call.mem.get(index)
    if not isinstance(note, FdPath):
        return None
    match = _DETAILED.match(note)
    if match is None:
        return Told(str(note))
    path, dev, inode, flags = match.groups()
    return Told(path, dev, int(inode), int(flags, 8))


def install_unseen(task: Task, fd: int, told: Told) -> File:
    """Return a file that can be mapped, for a descriptor whose opening the log does not show."""
    machine = task.machine
    path = told.path
    if path.startswith("/memfd:"):
        file = _memory_file(machine, path)
    else:
        file = file_open(machine, path, 0) if path else anon_file(machine, f"fd {fd}")
    file.f_mode = open_mode(told.flags)
    if not file.f_op.can_mmap:
        file.f_op = generic_fops
    task.files.install_at(fd, file)
    return file
