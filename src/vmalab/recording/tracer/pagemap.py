# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds VMAs and written memory in /proc/PID/maps and pagemap, where a kernel has no faster way.

Before Linux 6.7 nothing but the number of its frame tells the page of zeros, which memory that was
only read has, from a page of one's own. Frames are shown to root alone.
"""

import ctypes
import mmap
import os
import struct
from collections.abc import Iterator
from typing import Final

from vmalab.linux.include.page import PAGE_SIZE, TASK_SIZE_5LEVEL

# Bits of an entry of pagemap.
PM_UFFD_WP: Final = 1 << 57
PM_GUARD_REGION: Final = 1 << 58
_FILE: Final = 1 << 61
_SWAPPED: Final = 1 << 62
_PRESENT: Final = 1 << 63
# Frame of a page; type and place of one that is swapped out.
_PLACE: Final = (1 << 55) - 1
_TYPE: Final = 0x1F
# The type of markers, the last one (SWP_PTE_MARKER).
_MARKER: Final = 0x1F
_ENTRY: Final = 8
# Bytes of pagemap, and of maps, that are read at a time.
_CHUNK: Final = 1 << 18
# Memory of more bytes than this is not read page by page: smaps tells less, but at once.
LARGE: Final = 1 << 30

# start, end, whether it is shared.
Span = tuple[int, int, bool]


def spans_of(maps: int, address: int) -> Iterator[Span]:
    """Yield the VMA that covers an address, or comes next, and those above it.

    maps: /proc/PID/maps, opened; nothing when the process is gone.
    """
    at, rest = 0, b""
    while True:
        try:
            raw = os.pread(maps, _CHUNK, at)
        except ProcessLookupError:
            return
        if not raw:
            return
        at += len(raw)
        *lines, rest = (rest + raw).split(b"\n")
        for line in lines:
            span, perms, _ = line.split(b" ", 2)
            start, _, end = span.partition(b"-")
            first, last = int(start, 16), int(end, 16)
            if address < last < TASK_SIZE_5LEVEL:
                yield first, last, perms.endswith(b"s")


def written_page(pages: int, start: int, end: int, zero: int) -> int:
    """Return the first page in `[start, end)` that is the process's own; -1: none.

    pages: /proc/PID/pagemap, opened. zero: the frame of the page of zeros. Errors: OSError.
    """
    while start < end:
        size = min((end - start) // PAGE_SIZE * _ENTRY, _CHUNK)
        raw = os.pread(pages, size, start // PAGE_SIZE * _ENTRY)
        if not raw:
            return -1
        # Of most memory that was never touched all entries are 0.
        if raw.strip(b"\0"):
            for number, (entry,) in enumerate(struct.iter_unpack("=Q", raw)):
                if entry and _is_own(entry, zero):
                    return start + number * PAGE_SIZE
        start += len(raw) // _ENTRY * PAGE_SIZE
    return -1


def large_page(pid: int, start: int) -> int:
    """Return `start`, if the VMA that covers it holds pages of its own, else -1. Errors: OSError.

    For a VMA that is too large to be read page by page: where its pages are is not known.
    """
    covers = False
    with open(f"/proc/{pid}/smaps", "rb") as smaps:
        for line in smaps:
            if not line[:1].isupper():
                first, _, last = line.split(b" ", 1)[0].partition(b"-")
                covers = int(first, 16) <= start < int(last, 16)
            elif covers and line.startswith((b"Anonymous:", b"Swap:")) and int(line.split()[1]):
                return start
    return -1


def _is_own(entry: int, zero: int) -> bool:
    if entry & _PRESENT:
        return not entry & _FILE and entry & _PLACE != zero
    return entry & _SWAPPED != 0 and not is_marker(entry)


def is_marker(entry: int) -> bool:
    """Return whether pagemap's entry of a swapped page stands for a mark, not for a page.

    Who may not see where pages are is told of guard regions, and of write protection by a
    userfaultfd, which a page that is really swapped out may have as well.
    """
    if entry & _PLACE:
        return entry & _TYPE == _MARKER
    return entry & (PM_GUARD_REGION | PM_UFFD_WP) != 0


def zero_frame() -> int:
    """Return the frame of the page of zeros, by memory of this process; 0 when it is hidden."""
    with mmap.mmap(-1, PAGE_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        # Reading it gives it the page.
        assert memory[0] == 0
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        own = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        try:
            raw = os.pread(own, _ENTRY, address // PAGE_SIZE * _ENTRY)
        finally:
            os.close(own)
    (entry,) = struct.unpack("=Q", raw)
    return int(entry) & _PLACE if entry & _PRESENT else 0
