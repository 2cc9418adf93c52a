# SPDX-License-Identifier: GPL-2.0-or-later
"""What is kept of every moment of a recording: a row of numbers, in columns.

A moment is the state after one event: a memory call, a new program's first map, a fork's copy, a
change without a call, the end of an image.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, final

# What the flags of a moment say: what kind of event it was, and what became of VMAs.
CALL: Final = 1
BEGAN: Final = 2
FORKED: Final = 4
CHANGED: Final = 8
ENDED: Final = 16
FAILED: Final = 32
SPLIT: Final = 64
MERGED: Final = 128
MADE: Final = 256
GONE: Final = 512
DIFFERS: Final = 1024
ADOPTED: Final = 2048
# Those that one can step along.
STEPS: Final = (SPLIT, MERGED, FAILED)

# The columns, and their types as `array` has them.
_TYPES: Final = {
    "line": "I",
    "tid": "I",
    "image": "I",
    "flags": "H",
    "name": "I",
    "stack": "I",
    "vmas": "I",
    "origin": "Q",
    "start": "Q",
    "end": "Q",
}
# An image and a VMA of it, as one number.
_NUMBER_BITS: Final = 40


def vma_key(image: int, number: int) -> int:
    """Return what names a VMA of an image among those of all images."""
    return image << _NUMBER_BITS | number


@dataclass(slots=True)
class MomentBatch:
    """Some moments in a row, as they are sent home.

    rows: one for each moment: what the columns have, in their order. names, images, stacks: those
    that occur for the first time; the rows have their places in lists of all. A stack begins with
    the frame that the call is put down to. dead: VMAs by `vma_key` that are gone; died: since which
    moment.
    ends: images that have ended, with their last moment.
    """

    rows: list[tuple[int, ...]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    stacks: list[tuple[str, ...]] = field(default_factory=list)
    dead: "array[int]" = field(default_factory=lambda: array("Q"))
    died: "array[int]" = field(default_factory=lambda: array("I"))
    ends: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


@final
class MomentIndex:
    """All moments that are known so far, by their numbers from 0.

    line: of the log, 0 before it. origin: the index of the latest origin of blame then. start, end:
    what the event changed, or was about, in bytes.
    """

    def __init__(self) -> None:
        self.columns = {name: array(kind) for name, kind in _TYPES.items()}
        self.line = self.columns["line"]
        self.tid = self.columns["tid"]
        self.image = self.columns["image"]
        self.flags = self.columns["flags"]
        self.name = self.columns["name"]
        self.stack = self.columns["stack"]
        self.vmas = self.columns["vmas"]
        self.origin = self.columns["origin"]
        self.start = self.columns["start"]
        self.end = self.columns["end"]
        self.names: list[str] = []
        self.images: list[str] = []
        self.stacks: list[tuple[str, ...]] = []
        self._steps: dict[int, array[int]] = {flag: array("I") for flag in STEPS}
        self._dead = array("Q")
        self._died = array("I")
        self._ends: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.line)

    def add(self, batch: MomentBatch) -> None:
        """Add the moments that follow those that are known."""
        first = len(self)
        if batch.rows:
            values = zip(*batch.rows, strict=True)
            for column, added in zip(self.columns.values(), values, strict=True):
                column.extend(added)
        self.names += batch.names
        self.images += batch.images
        self.stacks += batch.stacks
        self._dead.extend(batch.dead)
        self._died.extend(batch.died)
        self._ends.update(batch.ends)
        for flag in STEPS:
            found = (at for at in range(first, len(self)) if self.flags[at] & flag)
            self._steps[flag].extend(found)

    # Where to go.

    def next_step(self, at: int, flag: int) -> int | None:
        """Return the first moment after one that has a flag of `STEPS`."""
        steps = self._steps[flag]
        place = bisect_right(steps, at)
        return steps[place] if place < len(steps) else None

    def previous_step(self, at: int, flag: int) -> int | None:
        """Return the last moment before one that has a flag of `STEPS`."""
        steps = self._steps[flag]
        place = bisect_left(steps, at)
        return steps[place - 1] if place > 0 else None

    def count(self, flag: int) -> int:
        """Return how many moments have a flag of `STEPS`."""
        return len(self._steps[flag])

    def of_line(self, line: int) -> int | None:
        """Return the last moment that is not after a line of the log."""
        place = bisect_right(self.line, line)
        return place - 1 if place > 0 else None

    def of_origin(self, origin: int) -> int | None:
        """Return the moment whose event is an origin, by the origin's index."""
        place = bisect_left(self.origin, origin)
        return place if place < len(self) else None

    def death(self, at: int, image: int, number: int) -> int | None:
        """Return when a VMA that is there at a moment is gone; None: not as far as is known."""
        place = bisect_right(self._died, at)
        try:
            found = self._dead.index(vma_key(image, number), place)
        except ValueError:
            return self._ends.get(image)
        return self._died[found]

    def peak(self) -> int | None:
        """Return the first moment at which an image had the most VMAs."""
        return self.vmas.index(max(self.vmas)) if len(self) else None

    # Searches. Each goes through all moments once, from one on, and round.

    def _around(self, at: int, backwards: bool) -> Iterable[int]:
        count = len(self)
        if backwards:
            return chain(range(at - 1, -1, -1), range(count - 1, at - 1, -1))
        return chain(range(at + 1, count), range(min(at + 1, count)))

    def find_value(
        self, column: str, values: frozenset[int], at: int, *, backwards: bool = False
    ) -> int | None:
        """Return the next moment where a column has one of some values."""
        found = self.columns[column]
        return next(
            (place for place in self._around(at, backwards) if found[place] in values), None
        )

    def find_address(self, address: int, at: int, *, backwards: bool = False) -> int | None:
        """Return the next moment whose event is about an address (bytes)."""
        start, end = self.start, self.end
        for place in self._around(at, backwards):
            if start[place] <= address < end[place]:
                return place
        return None
