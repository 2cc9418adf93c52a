# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: descriptors out of the ordinary, and offsets near the end of files."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import FD_LINK, MAX_FDS, PAGE, Draw, call
from vmalab.linux.include.uapi import mman as m
from vmalab.linux.include.uapi.fcntl import (
    AT_FDCWD,
    F_ADD_SEALS,
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_GET_SEALS,
    F_GETFD,
    F_SEAL_FUTURE_WRITE,
    F_SETFD,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECT,
    O_DIRECTORY,
    O_EXCL,
    O_NONBLOCK,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_TRUNC,
    O_WRONLY,
)

_RW: Final = m.PROT_READ | m.PROT_WRITE
_CWD: Final = AT_FDCWD & 0xFFFFFFFF
_NAMES: Final = ("f0", "f0", "f1", "f1", ".", "/dev/zero", "new")
_OPENED: Final = (
    O_PATH,
    O_PATH,
    O_WRONLY,
    O_WRONLY,
    O_RDONLY | O_CLOEXEC,
    O_RDONLY | O_DIRECTORY,
    O_PATH | O_DIRECTORY,
    O_RDWR | O_CREAT,
    O_RDWR | O_CREAT | O_EXCL,
    O_RDWR | O_TRUNC,
)
# The last pages that an offset of a file can name, by its bytes and by what a long holds.
_LAST: Final = ((1 << 63) - PAGE, (1 << 63) - 2 * PAGE, (1 << 63) - 9 * PAGE)
_PAST: Final = (1 << 63, (1 << 64) - PAGE, (1 << 64) - 3 * PAGE)
# Numbers of descriptors that streams may give: below the executor's own.
_NUMBERS: Final = (3, 5, 8, 40, 60)


def _any_fd(s: Draw) -> int:
    """Return a descriptor of any kind, or one that is not open, or none at all."""
    if s.chance(10):
        return s.pick((0, 1, 2, 99, 0xFFFFFFFF))
    return s.fd(s.pick(("file", "file", "file", "memfd", "memfd", "secret", "pipe")))


def open_oddly(s: Draw) -> Call:
    """Open a file or a directory for its path alone, for writing alone, anew, emptied."""
    if not s.abilities.files:
        return seal_more(s)
    if len(s.fds["file"]) >= MAX_FDS:
        return call("close", s.fds["file"][0])
    return call("openat", _CWD, 0, s.pick(_OPENED), 0o666, mem={1: s.pick(_NAMES)})


def reopen(s: Draw) -> Call:
    """Open what is open once more, through its link in /proc."""
    if not s.abilities.files:
        return seal_more(s)
    if len(s.fds["file"]) >= MAX_FDS:
        return call("close", s.fds["file"][0])
    fds = s.fds["memfd"] or s.fds["file"]
    name = f"{FD_LINK}{s.pick(fds) if fds else 9}"
    return call("openat", _CWD, 0, s.pick((O_RDWR, O_RDWR, O_RDONLY, O_WRONLY)), mem={1: name})


def seal_more(s: Draw) -> Call:
    """Add the seal against writing to come, or ask what seals there are."""
    if s.chance(40):
        return call("fcntl", _any_fd(s), F_GET_SEALS)
    return call("fcntl", s.fd("memfd"), F_ADD_SEALS, F_SEAL_FUTURE_WRITE)


def make_pipe(s: Draw) -> Call:
    """Make a pipe: an end to read from, and one to write to."""
    if len(s.fds["pipe"]) >= 2 * MAX_FDS:
        return call("close", s.pick(s.fds["pipe"]))
    flags = s.pick((0, 0, O_CLOEXEC, O_NONBLOCK, O_DIRECT, O_CREAT))
    if s.chance(4):
        return call("pipe2", s.pick((0, 1 << 47)), flags)
    return call("pipe2", 0, flags, mem={0: []})


def copy_fd(s: Draw) -> Call:
    """Copy a descriptor, to the lowest free number or to one that may be taken."""
    fd = s.fd(s.pick(("file", "file", "memfd")))
    how = s.below(5)
    if how == 0:
        return call("dup", fd)
    if how == 1:
        return call("dup2", fd, s.pick(_NUMBERS))
    if how == 2:
        return call("dup3", fd, s.pick(_NUMBERS), s.pick((0, O_CLOEXEC, 1)))
    if how == 3:
        return call("fcntl", fd, s.pick((F_DUPFD, F_DUPFD_CLOEXEC)), s.pick(_NUMBERS))
    return call("fcntl", fd, s.pick((F_GETFD, F_SETFD)), s.below(2))


def close_several(s: Draw) -> Call:
    """close_range of a few numbers, below those of the executor."""
    first = s.pick((3, 5, 8, 12, 40))
    return call("close_range", first, first + s.below(5) - 1, s.pick((0, 0, 0, 4, 8)))


def map_oddly(s: Draw) -> Call:
    """Map any descriptor, also where it does not let itself be mapped, with all kinds of rights."""
    start, length = s.range()
    kinds = (m.MAP_PRIVATE, m.MAP_PRIVATE, m.MAP_SHARED, m.MAP_SHARED, m.MAP_SHARED_VALIDATE)
    flags = s.pick(kinds) | m.MAP_FIXED | s.pick((0, 0, 0, m.MAP_SYNC, m.MAP_NORESERVE, 0x100))
    prot = s.pick((_RW, _RW, m.PROT_READ, m.PROT_WRITE, m.PROT_NONE, m.PROT_READ | m.PROT_EXEC))
    return call("mmap", start, length, prot, flags, _any_fd(s), s.below(32) * PAGE)


def map_far(s: Draw) -> Call:
    """Map a file at an offset near the last that there is, or past it."""
    start, length = s.range()
    offset = s.pick(_LAST) if s.chance(75) else s.pick(_PAST)
    flags = s.pick((m.MAP_PRIVATE, m.MAP_SHARED)) | m.MAP_FIXED
    return call("mmap", start, length, s.pick((_RW, m.PROT_READ)), flags, _any_fd(s), offset)


def size_far(s: Draw) -> Call:
    """Give a file a size near the largest, or reserve room there."""
    fd = s.fd(s.pick(("memfd", "memfd", "memfd", "file", "pipe")))
    size = s.pick((*_LAST, (1 << 63) - 1, 1 << 63, 64 * PAGE))
    if s.chance(30):
        # A hole punched there: no room is ever taken.
        return call("fallocate", fd, s.pick((3, 3, 2, 1 << 8)), size - PAGE, s.pick((PAGE, 0, 9)))
    return call("ftruncate", fd, size)


def remap_far(s: Draw) -> Call:
    """remap_file_pages to a page offset near the last."""
    start, length = s.one_vma_range()
    pgoff = s.pick(((1 << 51) - 1, (1 << 51) - 2, 1 << 51, (1 << 52) - 1, (1 << 52) - 3))
    return call("remap_file_pages", start, length, 0, pgoff, 0)
