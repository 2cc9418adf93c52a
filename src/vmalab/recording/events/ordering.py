# SPDX-License-Identifier: GPL-2.0-or-later
"""The order in which recorded events took effect, whichever CPU wrote them down when.

A call that took the lock of its address space stands where it got it; one that frees descriptors
where it began; one that makes a task where that task was made; any other where it ended.  So each
call is a single moment, and what threads did at the same time has one order: that of the kernel.
"""

import mmap
from collections import defaultdict
from typing import Final, final

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.calls.table import CLOSES, FORKS, named
from vmalab.recording.events import layout, rawfile

_FORKS: Final = frozenset(NUMBER_OF_SYSCALL[name] for name in named(FORKS))
_CLOSERS: Final = frozenset(NUMBER_OF_SYSCALL[name] for name in named(CLOSES))
_CALLS: Final = frozenset((layout.CALL, layout.KILLED))
_PIECES: Final = frozenset((layout.CONTENTS, layout.FILE))
# An event's place: its time, then what comes first of those at one time, then where it is.
_OFFSET_BITS: Final = 42
_OFFSET_MASK: Final = (1 << _OFFSET_BITS) - 1
# Bytes that a record of each kind has at least.
_SIZES: Final = {
    layout.CALL: layout.ARGS,
    layout.KILLED: layout.ARGS,
    layout.CONTENTS: layout.DATA,
    layout.FILE: layout.FILE_SIZE,
    layout.WRITTEN: layout.FAULT_SIZE,
    layout.GROWN: layout.FAULT_SIZE,
    layout.TASK: layout.TASK_SIZE,
    layout.EXEC: layout.EXEC_SIZE,
    layout.VMA: layout.VMA_SIZE,
    layout.VMAS: layout.VMAS_SIZE,
    layout.EXIT: layout.EXIT_SIZE,
}


def _place(when: int, rank: int, offset: int) -> int:
    return (when << 2 | rank) << _OFFSET_BITS | offset


@final
class Ordering:
    """The events of one file. pieces: of each thread, the times and places of what its calls'
    arguments point to.
    """

    def __init__(self, view: "mmap.mmap | bytes") -> None:
        self._view = view
        self._places: list[int] = []
        self._calls: list[int] = []
        # By thread: when it made others, and how that is placed.
        self._made: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.pieces: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for kind, offset, size in rawfile.records(view):
            if kind == rawfile.PERF_RECORD_SAMPLE and size >= layout.HEAD:
                self._add(offset, size)
        for offset in self._calls:
            self._add_fork(offset)
        self._places.sort()
        for pieces in self.pieces.values():
            pieces.sort()

    def __iter__(self) -> "OffsetIterator":
        return OffsetIterator(self._places)

    def _add(self, offset: int, size: int) -> None:
        kind, tid, _, word, when = layout.head.unpack_from(self._view, offset)
        if size < _SIZES.get(kind, size + 1):
            return
        if kind in _CALLS and not layout.has_arguments(self._view, offset, size):
            return
        if kind in _PIECES:
            self.pieces[tid].append((when, offset))
            return
        rank = 1
        if kind == layout.CALL:
            entered, locked = layout.moments.unpack_from(self._view, offset + layout.ENTERED)
            if word in _FORKS:
                self._calls.append(offset)
                return
            rank = 2
            when = locked or (entered if word in _CLOSERS else when)
        elif kind == layout.TASK:
            fields = layout.task.unpack_from(self._view, offset)
            # A copy of the address space is as of the moment when that was locked.
            place = fields[8] or when
            self._made[tid].append((when, place))
            when = place
        self._places.append(_place(when, rank, offset))

    def _add_fork(self, offset: int) -> None:
        """A call that makes a task: right behind that, or at its end when it failed."""
        _, tid, _, _, when = layout.head.unpack_from(self._view, offset)
        entered, _ = layout.moments.unpack_from(self._view, offset + layout.ENTERED)
        for made, place in self._made[tid]:
            if entered <= made <= when:
                when = place
                break
        self._places.append(_place(when, 2, offset))


@final
class OffsetIterator:
    """Yields the time at which an event took effect, and where it is in the file."""

    def __init__(self, places: list[int]) -> None:
        self._places = iter(places)

    def __iter__(self) -> "OffsetIterator":
        return self

    def __next__(self) -> tuple[int, int]:
        place = next(self._places)
        return place >> _OFFSET_BITS + 2, place & _OFFSET_MASK
