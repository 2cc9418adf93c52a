# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws the calls of a conformance stream: all of them work within one window of addresses.

Nothing in a stream depends on where a kernel puts mappings of its own choice, on limits, or on
what else a process has mapped. So it can be carried out anywhere, as it stands.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.linux.include.uapi.mman import (
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_KEEPONFORK,
    MADV_NORMAL,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_STACK,
    MLOCK_ONFAULT,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    MS_ASYNC,
    MS_SYNC,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)

# Above what programs that are not moved have, below all else; the pages of the window.
BASE: Final = 0x2_0000_0000
PAGES: Final = 64
END: Final = BASE + PAGES * PAGE_SIZE
# Files of a stream, and their pages.
FILES: Final = 2
FILE_PAGES: Final = 96
_MOST: Final = 8
_PROTS: Final = (
    PROT_NONE,
    PROT_READ,
    PROT_READ | PROT_WRITE,
    PROT_READ | PROT_WRITE,
    PROT_READ | PROT_WRITE,
    PROT_READ | PROT_EXEC,
)
_ADVICE: Final = (
    *(MADV_DONTFORK, MADV_DOFORK, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK),
    *(MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE),
)
_HUGE: Final = (1 << 64) - PAGE_SIZE


@dataclass(frozen=True, slots=True)
class WindowCall:
    """A call. args: numbers; a str is a file ("file:0") or text that is pointed to ("text:v0")."""

    name: str
    args: tuple[int | str, ...]


Move = Callable[["WindowDraw"], WindowCall]


@final
class WindowDraw:
    """What moves draw from: a seed, and the map as it is."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.map: Snapshot = []

    def span(self, most: int = _MOST) -> tuple[int, int]:
        """Return a place in the window and a length, in bytes."""
        pages = self.random.randint(1, most)
        return BASE + self.random.randint(0, PAGES - pages) * PAGE_SIZE, pages * PAGE_SIZE

    def within(self, lines: list[VmaLine]) -> tuple[int, int] | None:
        """Return a part of one of some VMAs; None: there are none."""
        if not lines:
            return None
        line = self.random.choice(lines)
        pages = (line.end - line.start) // PAGE_SIZE
        first = self.random.randrange(pages)
        return (
            line.start + first * PAGE_SIZE,
            self.random.randint(1, pages - first) * PAGE_SIZE,
        )

    def inner(self) -> tuple[int, int]:
        """Return a place and a length after which there is another page of the window."""
        pages = self.random.randint(1, _MOST)
        return BASE + self.random.randint(0, PAGES - pages - 1) * PAGE_SIZE, pages * PAGE_SIZE

    def of_map(self) -> tuple[int, int]:
        """Return a part of a VMA, or now and then any place."""
        found = self.within(self.map) if self.random.random() < 0.8 else None
        return found or self.span()

    def is_free(self, start: int, length: int) -> bool:
        """Whether nothing is mapped in a range."""
        return all(line.end <= start or line.start >= start + length for line in self.map)

    def prot(self) -> int:
        """Return a protection."""
        return self.random.choice(_PROTS)


def map_fixed(draw: WindowDraw) -> WindowCall:
    """Map anonymous memory over whatever is there."""
    flags = MAP_ANONYMOUS | MAP_FIXED
    flags |= MAP_SHARED if draw.random.random() < 0.1 else MAP_PRIVATE
    flags |= draw.random.choice((0, 0, 0, 0, MAP_NORESERVE, MAP_STACK))
    return WindowCall("mmap", (*draw.span(), draw.prot(), flags, -1, 0))


def map_beside(draw: WindowDraw) -> WindowCall:
    """Map what may become one with the VMA that ends where it begins."""
    lines = [line for line in draw.map if line.end < END]
    if not lines:
        return map_fixed(draw)
    line = draw.random.choice(lines)
    prot = sum(bit for bit, letter in zip((1, 2, 4), line.perms, strict=False) if letter != "-")
    length = min(draw.random.randint(1, 4) * PAGE_SIZE, END - line.end)
    flags = MAP_ANONYMOUS | MAP_FIXED | (MAP_SHARED if line.perms[3] == "s" else MAP_PRIVATE)
    return WindowCall("mmap", (line.end, length, prot, flags, -1, 0))


def map_where_free(draw: WindowDraw) -> WindowCall:
    """Map where it must not replace anything."""
    flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
    return WindowCall("mmap", (*draw.span(), draw.prot(), flags, -1, 0))


def map_hinted(draw: WindowDraw) -> WindowCall:
    """Ask for a place that is free: it is given."""
    for _ in range(20):
        start, length = draw.span(4)
        if draw.is_free(start, length):
            return WindowCall(
                "mmap", (start, length, draw.prot(), MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            )
    return map_where_free(draw)


def unmap(draw: WindowDraw) -> WindowCall:
    """Unmap a part of something, or a hole."""
    return WindowCall("munmap", draw.of_map())


def protect(draw: WindowDraw) -> WindowCall:
    """Change a protection."""
    return WindowCall("mprotect", (*draw.of_map(), draw.prot()))


def touch(draw: WindowDraw) -> WindowCall:
    """Write to pages: private ones get an anon_vma, which decides of merges."""
    # Beyond the end of its file a page is no memory but a signal.
    place = draw.within([line for line in draw.map if line.perms[1] == "w" and in_file(line)])
    return map_fixed(draw) if place is None else WindowCall("touch", place)


def in_file(line: VmaLine) -> bool:
    """Whether all pages of a VMA are there: private anonymous ones, or within a stream's file.

    Shared anonymous memory that has grown is not: the kernel's file behind it has not.
    """
    if line.name.startswith("/memfd:"):
        return line.pgoff + line.end - line.start <= FILE_PAGES * PAGE_SIZE
    return line.perms[3] == "p"


def odd(draw: WindowDraw) -> WindowCall:
    """Ask for what the numbers forbid."""
    start, length = draw.inner()
    private = MAP_PRIVATE | MAP_ANONYMOUS
    calls: tuple[WindowCall, ...] = (
        WindowCall("mmap", (start + 1, length, PROT_READ, private | MAP_FIXED, -1, 0)),
        WindowCall("mmap", (start, 0, PROT_READ, private | MAP_FIXED, -1, 0)),
        WindowCall("mmap", (start, length, PROT_READ, MAP_ANONYMOUS | MAP_FIXED, -1, 0)),
        WindowCall("mmap", (start, _HUGE, PROT_READ, private | MAP_FIXED, -1, 0)),
        WindowCall("mmap", (start, length, PROT_READ, MAP_PRIVATE | MAP_FIXED, -1, 0)),
        WindowCall("munmap", (start + 8, length)),
        WindowCall("munmap", (start, 0)),
        WindowCall("munmap", (start, _HUGE)),
        WindowCall("mprotect", (start + 1, length, PROT_READ)),
        WindowCall("mprotect", (start, 0, PROT_READ)),
        WindowCall("mprotect", (start, length, 0x40)),
        WindowCall("madvise", (start + 1, length, MADV_NORMAL)),
        WindowCall("madvise", (start, length, 77)),
        WindowCall("munmap", (start, length - 1)),
        WindowCall("mprotect", (start, length - 1, PROT_READ)),
    )
    return draw.random.choice(calls)


def resize(draw: WindowDraw) -> WindowCall:
    """Grow or shrink in place."""
    start, length = draw.of_map()
    most = (END - start) // PAGE_SIZE
    wanted = min(draw.random.randint(1, 12), most) * PAGE_SIZE
    return WindowCall("mremap", (start, length, wanted, 0, 0))


def move(draw: WindowDraw) -> WindowCall:
    """Move, or leave an empty mapping behind, or copy a shared one."""
    start, length = draw.of_map()
    to, wanted = draw.span()
    flags = MREMAP_MAYMOVE | MREMAP_FIXED
    kind = draw.random.random()
    if kind < 0.5:
        wanted = min(length, END - to)
    if kind > 0.85:
        flags |= MREMAP_DONTUNMAP
        wanted = length if to + length <= END else wanted
    if 0.8 < kind < 0.85:
        length = 0
    return WindowCall("mremap", (start, length, wanted, flags, to))


def odd_move(draw: WindowDraw) -> WindowCall:
    """Ask mremap for what the numbers forbid."""
    start, length = draw.of_map()
    if start + length == END:
        start, length = draw.inner()
    fixed = MREMAP_MAYMOVE | MREMAP_FIXED
    calls = (
        WindowCall("mremap", (start + 1, length, length, 0, 0)),
        WindowCall("mremap", (start, length, 0, 0, 0)),
        WindowCall("mremap", (start, length, length, MREMAP_FIXED, start)),
        WindowCall("mremap", (start, length, length, fixed, start + 1)),
        WindowCall("mremap", (start, length, length, fixed, start)),
        WindowCall("mremap", (start, length, length, 0x80, 0)),
        WindowCall("mremap", (start, length, _HUGE, 0, 0)),
    )
    return draw.random.choice(calls)


def map_file(draw: WindowDraw) -> WindowCall:
    """Map a file's pages."""
    start, length = draw.span()
    flags = MAP_FIXED | draw.random.choice((MAP_SHARED, MAP_PRIVATE))
    offset = draw.random.randint(0, FILE_PAGES - _MOST) * PAGE_SIZE
    # Where it goes on from the VMA before it, half of the time.
    before = next((line for line in draw.map if line.end == start and line.inode), None)
    if before is not None and draw.random.random() < 0.5:
        offset = min(before.pgoff + before.end - before.start, (FILE_PAGES - _MOST) * PAGE_SIZE)
    name = f"file:{draw.random.randrange(FILES)}"
    return WindowCall("mmap", (start, length, draw.prot(), flags, name, offset))


def odd_file(draw: WindowDraw) -> WindowCall:
    """Map a file at an offset that is none."""
    offset = draw.random.choice((1, PAGE_SIZE // 2, _HUGE))
    flags = MAP_FIXED | MAP_SHARED
    return WindowCall("mmap", (*draw.span(), PROT_READ, flags, "file:0", offset))


def sync(draw: WindowDraw) -> WindowCall:
    """Write pages to their file."""
    flags = draw.random.choice((MS_SYNC, MS_ASYNC, MS_SYNC | MS_ASYNC, 0))
    return WindowCall("msync", (*draw.of_map(), flags))


def advise(draw: WindowDraw) -> WindowCall:
    """Advise on a range, with or without holes."""
    return WindowCall("madvise", (*draw.of_map(), draw.random.choice(_ADVICE)))


def lock(draw: WindowDraw) -> WindowCall:
    """Lock pages, now or when they come."""
    if draw.random.random() < 0.3:
        return WindowCall("mlock2", (*draw.of_map(), MLOCK_ONFAULT))
    return WindowCall("mlock", draw.of_map())


def unlock(draw: WindowDraw) -> WindowCall:
    """Unlock pages."""
    return WindowCall("munlock", draw.of_map())


def map_locked(draw: WindowDraw) -> WindowCall:
    """Map memory that is locked from the start."""
    flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_LOCKED
    return WindowCall("mmap", (*draw.span(), draw.prot(), flags, -1, 0))


_ANONYMOUS: Final[tuple[tuple[Move, int], ...]] = (
    (map_fixed, 14),
    (map_beside, 12),
    (map_where_free, 6),
    (map_hinted, 6),
    (unmap, 12),
    (protect, 16),
    (touch, 10),
    (odd, 5),
)
# What a runtime needs first comes first: profiles, by what they add to anonymous memory.
PROFILES: Final[dict[str, tuple[tuple[Move, int], ...]]] = {
    "anonymous": _ANONYMOUS,
    "mremap": (*_ANONYMOUS, (resize, 20), (move, 24), (odd_move, 5)),
    "files": (*_ANONYMOUS, (map_file, 40), (odd_file, 2), (sync, 5), (resize, 8), (move, 8)),
    "advice": (*_ANONYMOUS, (advise, 50)),
    "locks": (*_ANONYMOUS, (lock, 20), (unlock, 14), (map_locked, 8), (move, 6)),
}


def draw_call(draw: WindowDraw, profile: str) -> WindowCall:
    """Return the next call of a stream."""
    moves = PROFILES[profile]
    [chosen] = draw.random.choices([move for move, _ in moves], [weight for _, weight in moves])
    return chosen(draw)
