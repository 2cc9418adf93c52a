# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: calls of i386 that a 64-bit process makes by int 0x80.

What the kernel places for such a call lies below 4 GiB, from a base of its own.
"""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import PAGE, Draw
from vmalab.check.moves.anonymous import map_alike
from vmalab.linux.include.uapi import mman as m
from vmalab.targets.real.config_probes import TID

_RW: Final = m.PROT_READ | m.PROT_WRITE
_ANON: Final = m.MAP_PRIVATE | m.MAP_ANONYMOUS
_NO_FD: Final = 0xFFFFFFFF
_LIMIT: Final = 1 << 32


def _by_32(name: str, *args: int) -> Call:
    """Return a call by int 0x80."""
    return Call(TID, name, (*args, 0, 0, 0, 0, 0, 0)[:6], abi="i386")


def _low_range(s: Draw) -> tuple[int, int]:
    """Return a range that 32 bits can name: placed there, or of the window."""
    found = s.placed_range()
    if found is not None and sum(found) < _LIMIT and s.chance(60):
        return found
    return s.mapped_range()


def map_by_32(s: Draw) -> Call:
    """mmap2 where the kernel likes, at a hint, or at a fixed place."""
    if not s.abilities.int80:
        return map_alike(s)
    pages = s.pick((1, 1, 2, 3, 5, 17, 512, 600, 4096))
    flags = _ANON | s.pick((0, 0, 0, m.MAP_32BIT, m.MAP_NORESERVE, m.MAP_GROWSDOWN, m.MAP_STACK))
    if s.chance(15):
        flags = (flags & ~m.MAP_TYPE) | m.MAP_SHARED
    how = s.below(8)
    if how == 0:
        return _by_32("mmap", *s.range(), s.pick((_RW, 1)), _ANON | m.MAP_FIXED, _NO_FD)
    hint = 0
    if how < 3:
        start, length = _low_range(s)
        hint = s.pick((start + length, max(start - pages * PAGE, 0), start))
    if s.chance(3):
        pages = s.pick((1 << 18, 1 << 19, (1 << 20) - 1))
        return _by_32("mmap", 0, pages * PAGE, 0, flags | m.MAP_NORESERVE, _NO_FD)
    return _by_32("mmap", hint, pages * PAGE, s.pick((_RW, _RW, 1, 5)), flags, _NO_FD)


def map_file_by_32(s: Draw) -> Call:
    """mmap2 of a file, whose offset counts pages there."""
    if not s.abilities.int80:
        return map_alike(s)
    fd = s.fd(s.pick(("file", "memfd")))
    flags = s.pick((m.MAP_PRIVATE, m.MAP_SHARED))
    pages, at = s.pick((1, 2, 9, 512)), s.pick((0, 1, 7, 512, (1 << 32) - 1, (1 << 32) - 2))
    return _by_32("mmap", 0, pages * PAGE, s.pick((_RW, 1)), flags, fd, at * PAGE)


def change_by_32(s: Draw) -> Call:
    """munmap, mprotect, madvise, mlock and munlock of a range."""
    if not s.abilities.int80:
        return map_alike(s)
    start, length = _low_range(s)
    length = min(length, 1 << 24)
    how = s.below(10)
    if how < 4:
        return _by_32("munmap", start, length)
    if how < 6:
        return _by_32("mprotect", start, length, s.pick((_RW, 1, 0, 5)))
    if how < 8:
        return _by_32("madvise", start, length, s.pick((16, 17, 4, 10, 11, 23)))
    length = min(length, 64 * PAGE)
    return _by_32("mlock", start, length) if how == 8 else _by_32("munlock", start, length)


def resize_by_32(s: Draw) -> Call:
    """mremap to another length, in place or where the kernel likes."""
    if not s.abilities.int80:
        return map_alike(s)
    start, length = _low_range(s)
    length = min(length, 1 << 24)
    new = s.pick((length, length + PAGE, 2 * length, PAGE, 513 * PAGE))
    return _by_32("mremap", start, length, new, s.pick((0, 1, 1, 1, 5)), 0)


def grow_heap_by_32(s: Draw) -> Call:
    """brk, whose answer has 32 bits."""
    if not s.abilities.int80 or s.brk >= _LIMIT:
        return map_alike(s)
    return _by_32("brk", s.pick((0, s.brk + PAGE, s.brk + 5 * PAGE, s.start_brk)))


def attach_by_32(s: Draw) -> Call:
    """shmat where the kernel likes, or in the window."""
    if not s.abilities.int80 or not s.segments:
        return map_alike(s)
    return _by_32("shmat", s.pick(s.segments), s.pick((0, 0, s.page())), 0)
