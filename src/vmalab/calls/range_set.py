# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps a set of addresses as sorted ranges that neither touch nor overlap."""

from bisect import bisect_left, bisect_right
from typing import final


@final
class RangeSet:
    """Addresses in bytes, as half-open ranges; a change takes the time of those it touches."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        """Return the number of ranges."""
        return len(self._starts)

    def add(self, start: int, end: int) -> None:
        """Add `[start, end)`."""
        if start >= end:
            return
        starts, ends = self._starts, self._ends
        first, last = bisect_left(ends, start), bisect_right(starts, end)
        if first < last:
            start, end = min(start, starts[first]), max(end, ends[last - 1])
        starts[first:last] = [start]
        ends[first:last] = [end]

    def remove(self, start: int, end: int) -> None:
        """Remove `[start, end)`; parts of it that are not there are no matter."""
        if start >= end:
            return
        starts, ends = self._starts, self._ends
        first, last = bisect_right(ends, start), bisect_left(starts, end)
        if first >= last:
            return
        low, high = starts[first], ends[last - 1]
        kept_starts: list[int] = []
        kept_ends: list[int] = []
        if low < start:
            kept_starts.append(low)
            kept_ends.append(start)
        if end < high:
            kept_starts.append(end)
            kept_ends.append(high)
        starts[first:last] = kept_starts
        ends[first:last] = kept_ends

    def meets(self, start: int, end: int) -> bool:
        """Return whether any address of `[start, end)` is in the set."""
        at = bisect_right(self._ends, start)
        return start < end and at < len(self._starts) and self._starts[at] < end

    def copy(self) -> "RangeSet":
        """Return a set of its own with the same addresses."""
        other = RangeSet()
        other._starts, other._ends = self._starts.copy(), self._ends.copy()
        return other
