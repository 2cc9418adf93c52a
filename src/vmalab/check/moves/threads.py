# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: threads that begin and end, and what each of them has for itself."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import MAX_THREADS, Draw, call
from vmalab.check.moves.anonymous import map_alike, protect
from vmalab.linux.include.uapi.fcntl import AT_FDCWD, O_PATH, O_RDWR
from vmalab.linux.include.uapi.personality import ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC
from vmalab.linux.include.uapi.sched import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CLONE_VM,
)

_THREAD: Final = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
_UNSHARE: Final = 2


def begin(s: Draw) -> Call:
    """Start a thread, most of the time one with the same descriptors."""
    if len(s.threads) >= MAX_THREADS:
        return end(s)
    return call("clone", _THREAD | (CLONE_FILES if s.chance(85) else 0))


def end(s: Draw) -> Call:
    """End a thread; another one, or the first, carries on."""
    if not s.threads:
        return map_alike(s)
    return s.by_thread(call("exit"), s.pick(s.threads))


def unshare_files(s: Draw) -> Call:
    """Give the thread descriptors of its own, without some of them."""
    first = s.pick((3, 4, 6, 12))
    return call("close_range", first, first + s.below(4), _UNSHARE)


def read_executes(s: Draw) -> Call:
    """Let a thread execute what it reads, or no more."""
    return call("personality", s.pick((0, READ_IMPLIES_EXEC)) | ADDR_NO_RANDOMIZE)


def open_again(s: Draw) -> Call:
    """Open a file, or its path, by the descriptors of the thread that does."""
    if not s.abilities.files:
        return protect(s)
    fds = s.fds["file"]
    if len(fds) > 4:
        return call("close", fds[0])
    flags = s.pick((O_RDWR, O_RDWR, O_PATH))
    return call("openat", AT_FDCWD & 0xFFFFFFFF, 0, flags, mem={1: s.pick(("f0", "f1"))})
