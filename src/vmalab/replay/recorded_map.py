# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded map of one process image: its lines in order, kept up to date step by step."""

from typing import final

from mypy_extensions import i64

from vmalab.calls.map_line import BEYOND, RecordedLine, map_lines
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.recording.format.steps import Step


def _span(lines: list[RecordedLine], start: i64, end: i64) -> tuple[i64, i64]:
    """Return `[start, end)` widened to what lines of VMAs span, in bytes."""
    for line in lines:
        if line.start < BEYOND:
            if line.start < start:
                start = line.start
            if line.end > end:
                end = line.end
    return start, end


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

    def apply(self, step: Step) -> tuple[int, int]:
        """Make the step; answers the range [start, end) of bytes that its lines span, old and new.

        Errors: ValueError when the step does not fit the map.
        """
        lines, new = self._lines, step.new
        last = step.start + step.ndel
        if last > len(lines):
            raise ValueError(
                f"the step at line {step.line} takes lines {step.start} to {last} "
                f"of a map of {len(lines)}"
            )
        start, end = _span(lines[step.start : last], BEYOND, 0)
        start, end = _span(new, start, end)
        if step.ndel == 1 and len(new) == 1:
            lines[step.start] = new[0]
        else:
            lines[step.start : last] = new
        return (int(start), int(end)) if end > 0 else (0, 0)

    def window(self, start: int, end: int) -> list[RecordedLine]:
        """Return the lines that have an address in `[start, end)` (bytes), or touch its ends."""
        low: i64 = start - 1
        high: i64 = min(end, BEYOND - 1)
        lines = self._lines
        first = self._count_up_to(low)
        if first > 0 and lines[first - 1].end > low:
            first -= 1
        last = first
        size: i64 = len(lines)
        while last < size and lines[last].start <= high:
            last += 1
        return lines[first:last]

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
