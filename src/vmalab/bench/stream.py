# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams of calls to be timed: rows of numbers, drawn with the model's answers at hand.

A stream is made once, with a model that is in the state of a fresh worker. Worker and model then
make exactly these calls from that same state, so they do the same work and must answer alike.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, final

from vmalab.calls.call import U64_MAX, Call
from vmalab.check.twin import Twin
from vmalab.linux.arch.x86.entry.syscalls.batch import FORK_AND_EXIT, Batch, do_batch
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.linux.include.uapi import unistd as nr
from vmalab.linux.include.uapi.mman import (
    MADV_DODUMP,
    MADV_DONTDUMP,
    MADV_NORMAL,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    MLOCK_ONFAULT,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)
from vmalab.linux.types.task import Task
from vmalab.targets.model.descriptors import carry_out
from vmalab.targets.real.real import TID

Row = tuple[int, int, int, int, int, int, int]
PAGE: Final = PAGE_SIZE
# Where streams work: far from everything that a worker has.
WINDOW: Final = 0x1000000000
SECOND: Final = 0x2000000000
_ANON: Final = MAP_PRIVATE | MAP_ANONYMOUS
_PROTS: Final = (PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE)
_ADVICE: Final = (MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_DONTDUMP, MADV_DODUMP)
# How often a stream looks anew which VMAs there are, in calls.
_LOOK_EVERY: Final = 64


@dataclass(slots=True)
class Stream:
    """Calls to be timed, and what is done before them, untimed.

    opening: calls that need memory behind pointers. setup, timed: rows of a call's number and six
    arguments. forks: the calls make processes, whose time is that of the clock on the wall.
    """

    opening: list[Call] = field(default_factory=list)
    setup: list[Row] = field(default_factory=list)
    timed: list[Row] = field(default_factory=list)
    forks: bool = False


@final
class Maker:
    """Draws a stream's rows; each is carried out in the model as it is drawn."""

    def __init__(self, task: Task, seed: str) -> None:
        self._task = task
        self.random = random.Random(seed)
        self.stream = Stream()
        self.rows = self.stream.setup
        # Mappings that the kernel found a place for: address, bytes.
        self.placed: list[tuple[int, int]] = []
        self._vmas: list[tuple[int, int]] = []
        self._looked = 0

    def open(self, name: str, args: tuple[int, ...], mem: dict[int, object] | None = None) -> int:
        """Return a call before all others, with memory behind its pointers: its result."""
        call = Call(TID, name, (*args, 0, 0, 0, 0, 0, 0)[:6], mem)
        self.stream.opening.append(call)
        return carry_out(self._task, call)

    def row(self, number: int, *args: int) -> int:
        """Return a call: its result."""
        a0, a1, a2, a3, a4, a5 = (*args, 0, 0, 0, 0, 0, 0)[:6]
        row = (number, a0, a1, a2, a3, a4, a5)
        self.rows.append(row)
        batch = Batch([row])
        do_batch(self._task, batch)
        return batch.answers()[0]

    def begin_timing(self) -> None:
        """What is drawn from here on is timed."""
        self.rows = self.stream.timed

    def some_vma(self, low: int, high: int) -> tuple[int, int] | None:
        """Return a VMA within `[low, high)` (bytes) that was there a short while ago."""
        self._looked -= 1
        if self._looked <= 0:
            self._looked = _LOOK_EVERY
            mm = self._task.mm
            assert mm is not None
            self._vmas = [(vma.vm_start, vma.vm_end) for vma in mm_vmas(mm)]
        inside = [vma for vma in self._vmas if low <= vma[0] and vma[1] <= high]
        return self.random.choice(inside) if inside else None

    # Moves.

    def place(self, pages: int) -> tuple[int, int]:
        """Return bytes `(addr, length)` within a window of `pages` pages."""
        count = self.random.randint(1, 16)
        at = self.random.randrange(max(pages - count, 1))
        return WINDOW + at * PAGE, count * PAGE

    def fixed(self, pages: int) -> None:
        """One of the calls that work on what lies in a window: most of what programs do."""
        addr, size = self.place(pages)
        kind = self.random.random()
        if kind < 0.4:
            prot = self.random.choice(_PROTS)
            self.row(nr.NR_mmap, addr, size, prot, _ANON | MAP_FIXED, U64_MAX, 0)
        elif kind < 0.65:
            self.row(nr.NR_munmap, addr, size)
        elif kind < 0.9:
            self.row(nr.NR_mprotect, addr, size, self.random.choice(_PROTS))
        else:
            self.row(nr.NR_madvise, addr, size, self.random.choice(_ADVICE))

    def map_anywhere(self) -> None:
        """A mapping that the kernel finds a place for."""
        size = self.random.randint(1, 16) * PAGE
        prot = self.random.choice((*_PROTS, PROT_READ | PROT_EXEC))
        addr = self.row(nr.NR_mmap, 0, size, prot, _ANON, U64_MAX, 0)
        if addr > 0:
            self.placed.append((addr, size))

    def unmap_placed(self) -> None:
        """One of those mappings goes."""
        at = self.random.randrange(len(self.placed))
        self.placed[at], self.placed[-1] = self.placed[-1], self.placed[at]
        self.row(nr.NR_munmap, *self.placed.pop())

    def remap(self, pages: int) -> None:
        """A move to a fixed place, a move back, or a change of size where it lies."""
        window = SECOND if self.random.random() < 0.5 else WINDOW
        vma = self.some_vma(window, window + pages * PAGE)
        if vma is None:
            self.fixed(pages)
            return
        start, end = vma
        count = self.random.randint(1, min((end - start) // PAGE, 16))
        if self.random.random() < 0.7:
            flags = MREMAP_MAYMOVE | MREMAP_FIXED
            other = WINDOW + SECOND - window
            to = other + self.random.randrange(pages - count) * PAGE
            self.row(nr.NR_mremap, start, count * PAGE, count * PAGE, flags, to)
        elif self.random.random() < 0.5:
            grown = end - start + self.random.randint(1, 8) * PAGE
            self.row(nr.NR_mremap, start, end - start, grown, 0)
        else:
            self.row(nr.NR_mremap, start, end - start, count * PAGE, 0)

    def map_file(self, pages: int, fd: int, size: int) -> None:
        """A part of a file at a fixed place."""
        addr, length = self.place(pages)
        # In half of the cases where it would lie if the window were the file.
        offset = addr - WINDOW
        if self.random.random() < 0.5:
            offset = self.random.randrange(size // PAGE) * PAGE
        flags = MAP_FIXED | (MAP_SHARED if self.random.random() < 0.5 else MAP_PRIVATE)
        prot = self.random.choice(_PROTS)
        self.row(nr.NR_mmap, addr, length, prot, flags, fd, offset % size)

    def lock(self, pages: int) -> None:
        """Locks, without touching a page, or unlocks."""
        addr, size = self.place(pages)
        if self.random.random() < 0.6:
            self.row(nr.NR_mlock2, addr, size, MLOCK_ONFAULT)
        else:
            self.row(nr.NR_munlock, addr, size)


Draw = Callable[[Maker, int], None]


def _window(pages: int) -> Draw:
    def draw(maker: Maker, calls: int) -> None:
        for _ in range(min(pages, 40_000)):
            maker.fixed(pages)
        maker.begin_timing()
        for _ in range(calls):
            maker.fixed(pages)

    return draw


def _placement(vmas: int) -> Draw:
    """Mappings come and go at places that the kernel finds, among the gaps that others left."""

    def draw(maker: Maker, calls: int) -> None:
        for _ in range(vmas * 2):
            maker.map_anywhere()
        for _ in range(vmas):
            maker.unmap_placed()
        maker.begin_timing()
        for _ in range(calls // 2):
            maker.unmap_placed()
            maker.map_anywhere()

    return draw


def _mremap(maker: Maker, calls: int) -> None:
    pages = 1024
    for _ in range(pages):
        maker.fixed(pages)
    maker.begin_timing()
    for _ in range(calls):
        if maker.random.random() < 0.7:
            maker.remap(pages)
        else:
            maker.fixed(pages)


def _file(maker: Maker, calls: int) -> None:
    pages = 1024
    size = pages * PAGE
    fd = maker.open("memfd_create", (0,), {0: "bench"})
    maker.open("ftruncate", (fd, size))
    for _ in range(pages):
        maker.map_file(pages, fd, size)
    maker.begin_timing()
    for _ in range(calls):
        if maker.random.random() < 0.45:
            maker.map_file(pages, fd, size)
        else:
            maker.fixed(pages)


def _mlock(maker: Maker, calls: int) -> None:
    pages = 1024
    for _ in range(pages):
        maker.fixed(pages)
    maker.begin_timing()
    for _ in range(calls):
        if maker.random.random() < 0.5:
            maker.lock(pages)
        else:
            maker.fixed(pages)


def _fork(maker: Maker, calls: int) -> None:
    maker.stream.forks = True
    for _ in range(512):
        maker.fixed(1024)
    maker.begin_timing()
    # A fork copies every VMA: one is worth many other calls.
    for _ in range(max(calls // 100, 1)):
        maker.row(FORK_AND_EXIT)


PROFILES: Final[dict[str, Draw]] = {
    "dense": _window(256),
    "pages4096": _window(4096),
    "pages65536": _window(65536),
    "placement": _placement(1000),
    "mremap": _mremap,
    "file": _file,
    "mlock": _mlock,
    "fork": _fork,
}


def make_stream(profile: str, twin: Twin, seed: int, calls: int) -> Stream:
    """Return the stream of a profile; `calls`, roughly how many are timed. Uses the twin up."""
    maker = Maker(twin.task, f"{profile}/{seed}")
    PROFILES[profile](maker, calls)
    return maker.stream
