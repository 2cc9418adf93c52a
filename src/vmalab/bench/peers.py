# SPDX-License-Identifier: GPL-2.0-or-later
"""The same streams on what else is used to keep an address space: Unicorn, and a sorted list.

Neither knows Linux's rules: they keep ranges with a protection, and answer no errno. Unicorn's map
is asked by its Python binding, which must be installed.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final, Protocol, final

from vmalab.bench.stream import Row, Stream
from vmalab.linux.include.uapi import unistd as nr

UNICORN: Final = "Unicorn"
SORTED_LIST: Final = "sorted list"
# The profiles whose calls peers can carry out.
PEER_PROFILES: Final = ("dense", "pages4096")
# A peer that has spent this time on a stream, in ns, has shown what it costs.
BUDGET: Final = 2_000_000_000
# Calls between two looks at the clock.
_BLOCK: Final = 50

# What a call comes to: number, start, end, protection.
Step = tuple[int, int, int, int]


class Ranges(Protocol):
    """What a peer can do; ranges `[start, end)` in bytes."""

    def map(self, start: int, end: int, prot: int) -> object:
        """Map a range."""

    def unmap(self, start: int, end: int) -> object:
        """Unmap a range."""

    def protect(self, start: int, end: int, prot: int) -> object:
        """Change the protection of a range."""


@final
class SortedList:
    """Ranges `[start, end)` with a protection, in order, as many emulators keep them."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.prots: list[int] = []

    def _cut(self, at: int) -> None:
        """Let a range end, and another one begin, at an address."""
        index = bisect_right(self.starts, at) - 1
        if index >= 0 and self.starts[index] < at < self.ends[index]:
            self._insert(index + 1, at, self.ends[index], self.prots[index])
            self.ends[index] = at

    def _insert(self, index: int, start: int, end: int, prot: int) -> None:
        self.starts.insert(index, start)
        self.ends.insert(index, end)
        self.prots.insert(index, prot)

    def _within(self, start: int, end: int) -> tuple[int, int]:
        """Return the indices of the ranges within `[start, end)`, which begin and end there."""
        self._cut(start)
        self._cut(end)
        return bisect_left(self.starts, start), bisect_left(self.starts, end)

    def _join(self, index: int) -> None:
        """Make one of two ranges that touch and are alike."""
        if 0 < index < len(self.starts) and self.ends[index - 1] == self.starts[index]:
            if self.prots[index - 1] == self.prots[index]:
                self.ends[index - 1] = self.ends[index]
                del self.starts[index], self.ends[index], self.prots[index]

    def unmap(self, start: int, end: int) -> int:
        """Take out what lies there; answers where that was, as an index."""
        first, last = self._within(start, end)
        del self.starts[first:last], self.ends[first:last], self.prots[first:last]
        return first

    def map(self, start: int, end: int, prot: int) -> None:
        """Map over whatever is there."""
        index = self.unmap(start, end)
        self._insert(index, start, end, prot)
        self._join(index + 1)
        self._join(index)

    def protect(self, start: int, end: int, prot: int) -> None:
        """Change what is mapped there."""
        first, last = self._within(start, end)
        for index in range(first, last):
            self.prots[index] = prot
        for index in range(last, first - 1, -1):
            self._join(index)

    def within(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the mapped parts of `[start, end)`, those that touch as one."""
        found: list[tuple[int, int]] = []
        for index in range(max(bisect_right(self.starts, start) - 1, 0), len(self.starts)):
            low, high = max(self.starts[index], start), min(self.ends[index], end)
            if self.starts[index] >= end:
                break
            if low >= high:
                continue
            if found and found[-1][1] == low:
                found[-1] = (found[-1][0], high)
            else:
                found.append((low, high))
        return found


@final
class Unicorn:
    """Unicorn's memory map. It takes no range twice, and none that is not mapped."""

    def __init__(self, unicorn: Any) -> None:
        self._engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)

    def map(self, start: int, end: int, prot: int) -> None:
        """Map what is free."""
        self._engine.mem_map(start, end - start, prot)

    def unmap(self, start: int, end: int) -> None:
        """Unmap what is mapped."""
        self._engine.mem_unmap(start, end - start)

    def protect(self, start: int, end: int, prot: int) -> None:
        """Change what is mapped."""
        self._engine.mem_protect(start, end - start, prot)


def steps_of(rows: Iterable[Row]) -> list[list[Step]]:
    """Return the mmap, munmap and mprotect calls of a stream; the others mean nothing to a peer."""
    known = (nr.NR_mmap, nr.NR_munmap, nr.NR_mprotect)
    return [
        [(number, start, start + length, prot)]
        for number, start, length, prot, *_ in rows
        if number in known
    ]


def legal_steps(calls: list[list[Step]], ranges: SortedList) -> list[list[Step]]:
    """Return the same for a peer that takes legal ranges only; `ranges` keeps what is mapped.

    Finding them out is work that such a peer leaves to its user; it is not timed.
    """
    found: list[list[Step]] = []
    for call in calls:
        legal: list[Step] = []
        for number, start, end, prot in call:
            mapped = ranges.within(start, end)
            if number == nr.NR_mprotect:
                legal += [(number, low, high, prot) for low, high in mapped]
                continue
            legal += [(nr.NR_munmap, low, high, 0) for low, high in mapped]
            if number == nr.NR_mmap:
                legal.append((number, start, end, prot))
                ranges.map(start, end, prot)
            else:
                ranges.unmap(start, end)
        found.append(legal)
    return found


def carry_out(peer: Ranges, calls: list[list[Step]], budget: int) -> float:
    """Make the calls until the budget (ns) is spent: ns a call."""
    done = 0
    began = time.thread_time_ns()
    taken = 0
    while done < len(calls) and taken < budget:
        for call in calls[done : done + _BLOCK]:
            for number, start, end, prot in call:
                if number == nr.NR_mmap:
                    peer.map(start, end, prot)
                elif number == nr.NR_munmap:
                    peer.unmap(start, end)
                else:
                    peer.protect(start, end, prot)
        done = min(done + _BLOCK, len(calls))
        taken = time.thread_time_ns() - began
    return taken / max(done, 1)


def peer_costs(stream: Stream) -> dict[str, float]:
    """Return what the calls of a stream cost each peer that is here, in ns a call."""
    setup, timed = steps_of(stream.setup), steps_of(stream.timed)
    plain = SortedList()
    carry_out(plain, setup, 1 << 62)
    found = {SORTED_LIST: carry_out(plain, timed, BUDGET)}
    try:
        unicorn = Unicorn(import_module("unicorn"))
    except ImportError:
        return found
    ranges = SortedList()
    carry_out(unicorn, legal_steps(setup, ranges), 1 << 62)
    found[UNICORN] = carry_out(unicorn, legal_steps(timed, ranges), BUDGET)
    return found
