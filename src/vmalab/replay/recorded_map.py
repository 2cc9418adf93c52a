# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded map of one process image: its lines in order, kept up to date step by step."""

from typing import cast, final

from mypy_extensions import i64

from vmalab.calls.map_line import BEYOND, RecordedLine, map_lines
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.linux.lib.maple_walk import Entries
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.recording.format.steps import Step
from vmalab.targets.model.capture import bounds
from vmalab.targets.model.identity import Identities, difference_of


@final
class RecordedMap:
    """Lines of /proc/PID/maps as a recording has them at the moment."""

    def __init__(self, lines: Snapshot) -> None:
        self._lines = map_lines(lines)

    def __len__(self) -> int:
        """VMAs, without the vsyscall page."""
        count = len(self._lines)
        while count and self._lines[count - 1].start >= BEYOND:
            count -= 1
        return count

    def _count_up_to(self, address: i64) -> i64:
        """Return how many lines start at or below an address (bytes)."""
        lines = self._lines
        low: i64 = 0
        high: i64 = len(lines)
        while low < high:
            middle = (low + high) >> 1
            if lines[middle].start <= address:
                low = middle + 1
            else:
                high = middle
        return low

    def apply(self, step: Step) -> None:
        """Make the step, and note in it what its lines span, old and new.

        Errors: ValueError when the step does not fit the map.
        """
        lines, new = self._lines, step.new
        last = step.start + step.ndel
        if last > len(lines):
            raise ValueError(
                f"the step at line {step.line} takes lines {step.start} to {last} "
                f"of a map of {len(lines)}"
            )
        start, end = _span(lines, step.start, last, BEYOND, 0)
        start, end = _span(new, 0, len(new), start, end)
        if end > 0:
            step.low, step.high = start, end
        if step.ndel == len(new):
            at: i64 = step.start
            for line in new:
                lines[at] = line
                at += 1
        else:
            lines[step.start : last] = new

    def window(self, start: int, end: int) -> list[RecordedLine]:
        """Return the lines that have an address in `[start, end)` (bytes), or touch its ends."""
        high: i64 = min(end, BEYOND - 1)
        lines = self._lines
        first = self._first_from(start)
        last = first
        size: i64 = len(lines)
        while last < size and lines[last].start <= high:
            last += 1
        return lines[first:last]

    def _first_from(self, start: i64) -> i64:
        """Return which line is the first that ends at an address (bytes), or above it."""
        first = self._count_up_to(start - 1)
        if first > 0 and self._lines[first - 1].end >= start:
            first -= 1
        return first

    def is_map_of(self, mm: Mm, start: i64, end: i64, identities: Identities) -> bool:
        """Return whether the VMAs in `[start, end)` (bytes), or next to it, are as the lines show.

        It is what `first_mismatch` finds of them and of `window`, and makes neither of the lists.
        """
        lines = self._lines
        size: i64 = len(lines)
        at = self._first_from(start)
        low, limit = bounds(start, end)
        entries = Entries(mm.mm_mt, low)
        while (vma := cast("Vma | None", entries.next(limit - 1))) is not None:
            if at >= size or difference_of(vma, lines[at], identities, False):
                return False
            at += 1
        return at >= size or lines[at].start > end

    def overlaps(self) -> bool:
        """Return whether two lines overlap: then the map was read while it changed."""
        end: i64 = 0
        for line in self._lines:
            if line.start < end:
                return True
            end = line.end
        return False

    def vmas(self) -> list[RecordedLine]:
        """Return all lines but the vsyscall page."""
        return self._lines[: len(self)]

    def whole(self) -> Snapshot:
        """Return the same as values."""
        return [line.line for line in self.vmas()]

    def covering(self, addr: int) -> VmaLine | None:
        """Return the line that holds an address (bytes)."""
        if addr >= BEYOND:
            return None
        index = self._count_up_to(addr) - 1
        if index >= 0 and self._lines[index].end > addr:
            return self._lines[index].line
        return None


def _span(lines: list[RecordedLine], at: i64, last: i64, start: i64, end: i64) -> tuple[i64, i64]:
    """Return `[start, end)` widened to what lines[at:last] span, in bytes, where they are VMAs."""
    while at < last:
        line = lines[at]
        if line.start < BEYOND:
            start = min(start, line.start)
            end = max(end, line.end)
        at += 1
    return start, end
