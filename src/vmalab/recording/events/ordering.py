# SPDX-License-Identifier: GPL-2.0-or-later
"""The order in which recorded events took effect, whichever CPU wrote them down when.

A call that took the lock of its address space stands where it got it; one that frees descriptors
where it began; one that makes a task where that task was made; any other where it ended.  So each
call is a single moment, and what threads did at the same time has one order: that of the kernel.
"""

import mmap
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, final

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.calls.table import CLOSES, FORKS, named
from vmalab.recording.events import layout, rawfile

_FORKS: Final = frozenset(NUMBER_OF_SYSCALL[name] for name in named(FORKS))
_CLOSERS: Final = frozenset(NUMBER_OF_SYSCALL[name] for name in named(CLOSES))
_CALLS: Final = frozenset((layout.CALL, layout.KILLED))
_PIECES: Final = frozenset((layout.CONTENTS, layout.FILE, layout.STACK))
# An event's place: its time, then what comes first of those at one time, then where it is.
_OFFSET_BITS: Final = 42
_OFFSET_MASK: Final = (1 << _OFFSET_BITS) - 1
# Threads that have made others, and are remembered while events still come.
_MOST_MADE: Final = 1 << 14
# Events between two pauses.
_PAUSE_EVERY: Final = 256
# Bytes that a record of each kind has at least.
_SIZES: Final = {
    layout.CALL: layout.ARGS,
    layout.KILLED: layout.ARGS,
    layout.CONTENTS: layout.DATA,
    layout.FILE: layout.FILE_SIZE,
    layout.STACK: layout.STACK_DATA,
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


class Ordering:
    """The events of one file. pieces: of each thread, the times and places of what its calls'
    arguments point to.
    """

    def __init__(self, view: "mmap.mmap | bytes | bytearray") -> None:
        self._view = view
        self._places: list[int] = []
        self._calls: list[int] = []
        # By thread: when it made others, and how that is placed.
        self._made: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.pieces: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._add_all(0)

    def _add_all(self, begin: int) -> None:
        """Add the events of all chunks from one on, which begins there."""
        for kind, offset, size in rawfile.records(self._view, begin):
            if kind == rawfile.PERF_RECORD_SAMPLE and size >= layout.HEAD:
                self._add(offset, size)
        for offset in self._calls:
            self._add_fork(offset)
        self._calls.clear()
        self._places.sort()
        for pieces in self.pieces.values():
            pieces.sort()

    def __iter__(self) -> Iterator[tuple[int, int]]:
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
class LiveOrdering(Ordering):
    """The events of what comes still. `ready` holds those that nothing earlier is expected for."""

    def __init__(self, pause: Callable[[], None]) -> None:
        """pause: called now and then while events are gone through."""
        super().__init__(b"")
        self._pause = pause
        self._ready: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Iterate over what is ready, once."""
        ready, self._ready = self._ready, []
        for number, found in enumerate(OffsetIterator(ready)):
            if number % _PAUSE_EVERY == 0:
                self._pause()
            yield found

    def extend(self, view: bytearray, begin: int, until: int) -> None:
        """Add chunks from `begin` on; what took effect by a time (nanoseconds) is ready."""
        self._view = view
        self._add_all(begin)
        count = bisect_left(self._places, _place(until, 0, 0))
        self._ready += self._places[:count]
        del self._places[:count]

    def drop(self, used: dict[int, int], old: int) -> int:
        """Forget pieces that were used, by thread, or are older than a time.

        Preconditions: nothing is ready. Returns: the offset before which nothing is needed.
        """
        for tid in list(self.pieces):
            kept = [piece for piece in self.pieces[tid][used.get(tid, 0) :] if piece[0] >= old]
            self.pieces[tid] = kept
            if not kept:
                del self.pieces[tid]
        used.clear()
        offsets = [place & _OFFSET_MASK for place in self._places]
        offsets += [offset for pieces in self.pieces.values() for _, offset in pieces]
        return min(offsets, default=len(self._view))

    def shift(self, by: int) -> None:
        """So many bytes at the beginning of the view are gone."""
        self._places = [place - by for place in self._places]
        for tid, pieces in self.pieces.items():
            self.pieces[tid] = [(when, offset - by) for when, offset in pieces]
        if len(self._made) > _MOST_MADE:
            self._made.clear()


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
