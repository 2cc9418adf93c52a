# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: files of all kinds, System V segments."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import MAX_FDS, PAGE, Draw, call
from vmalab.check.moves.anonymous import map_alike
from vmalab.linux.include.uapi import mman as m
from vmalab.linux.include.uapi.fcntl import (
    AT_FDCWD,
    F_ADD_SEALS,
    F_GET_SEALS,
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    O_RDONLY,
    O_RDWR,
)
from vmalab.linux.include.uapi.memfd import MFD_ALLOW_SEALING
from vmalab.linux.include.uapi.shm import IPC_PRIVATE, IPC_RMID, SHM_RDONLY, SHM_REMAP, SHM_RND

_RW: Final = m.PROT_READ | m.PROT_WRITE
_CWD: Final = AT_FDCWD & 0xFFFFFFFF

# Files.


def open_file(s: Draw) -> Call:
    """Open one of the two files, or /dev/zero, or make a memfd."""
    kind = "file" if s.abilities.files and s.chance(60) else "memfd"
    if len(s.fds[kind]) >= MAX_FDS:
        return call("close", s.fds[kind][0])
    if kind == "memfd":
        flags = MFD_ALLOW_SEALING if s.chance(40) else 0
        return call("memfd_create", 0, flags, mem={0: s.pick(("x", "y", "z"))})
    path = s.pick(("f0", "f0", "f1", "f1", "/dev/zero"))
    return call("openat", _CWD, 0, s.pick((O_RDWR, O_RDWR, O_RDONLY)), mem={1: path})


def size_file(s: Draw) -> Call:
    """Give a memfd a size."""
    fd = s.fd("memfd") if s.chance(80) else s.fd("file")
    return call("ftruncate", fd, s.pick((0, 64, 64, 64, 48, 16, 5)) * PAGE)


def seal_file(s: Draw) -> Call:
    """Add a seal to a memfd, or ask for them."""
    fd = s.fd("memfd")
    if s.chance(20):
        return call("fcntl", fd, F_GET_SEALS)
    seals = s.pick((F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE))
    return call("fcntl", fd, F_ADD_SEALS, seals)


def map_file(s: Draw) -> Call:
    """Map a file in the window, its offset often fitting the place."""
    start, length = s.range()
    fd = s.fd("file") if s.chance(60) else s.fd("memfd")
    offset = start - s.window.base if s.chance(75) else s.below(32) * PAGE
    flags = s.pick((m.MAP_PRIVATE, m.MAP_PRIVATE, m.MAP_SHARED)) | m.MAP_FIXED
    prot = s.pick((_RW, _RW, m.PROT_READ, m.PROT_READ | m.PROT_EXEC, m.PROT_NONE))
    return call("mmap", start, length, prot, flags, fd, offset)


def open_secret(s: Draw) -> Call:
    """Make a file of secret memory, which nobody but its mappers can reach."""
    fds = s.fds["secret"]
    if not s.abilities.secretmem:
        return map_alike(s)
    if len(fds) >= MAX_FDS:
        return call("close", fds[0])
    return call("memfd_secret", 0)


def map_secret(s: Draw) -> Call:
    """Map secret memory in the window, its offset often fitting the place."""
    if not s.fds["secret"]:
        return open_secret(s)
    start, length = s.range()
    offset = start - s.window.base if s.chance(80) else s.below(32) * PAGE
    flags = m.MAP_SHARED | m.MAP_FIXED if s.chance(95) else m.MAP_PRIVATE | m.MAP_FIXED
    fd = s.fd("secret")
    return call("mmap", start, length, s.pick((_RW, _RW, _RW, m.PROT_READ)), flags, fd, offset)


def map_file_anywhere(s: Draw) -> Call:
    """Map a file where the kernel likes."""
    fd = s.fd("file") if s.chance(60) else s.fd("memfd")
    flags = s.pick((m.MAP_PRIVATE, m.MAP_SHARED, m.MAP_SHARED))
    pages = s.pick((1, 2, 4, 16, 512))
    return call("mmap", 0, pages * PAGE, s.pick((_RW, m.PROT_READ)), flags, fd, s.below(8) * PAGE)


def close_file(s: Draw) -> Call:
    """Close a file; its mappings stay."""
    return call("close", s.fd(s.pick(("file", "memfd"))))


# System V segments.


def get_segment(s: Draw) -> Call:
    """shmget of a new segment."""
    if not s.abilities.ipc or len(s.segments) > 5:
        return attach(s)
    return call("shmget", IPC_PRIVATE, s.pick((1, 2, 4, 9)) * PAGE, 0o1600)


def attach(s: Draw) -> Call:
    """shmat, in the window or anywhere."""
    if not s.segments:
        return map_alike(s) if not s.abilities.ipc else call("shmget", 0, 3 * PAGE, 0o1600)
    flags = s.pick((0, 0, SHM_RDONLY, SHM_REMAP, SHM_RND | SHM_REMAP, SHM_RND))
    start = s.page() + (s.below(PAGE) if flags & SHM_RND else 0)
    if s.chance(30) and flags & SHM_REMAP == 0:
        start = 0
    return call("shmat", s.pick(s.segments), start, flags)


def detach(s: Draw) -> Call:
    """shmdt, or removal of a segment."""
    if s.segments and s.chance(10):
        return call("shmctl", s.segments.pop(0), IPC_RMID)
    if not s.attached:
        return call("shmdt", s.page())
    return call("shmdt", s.attached.pop(s.below(len(s.attached))))
