# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded map of one process image: its lines in order, kept up to date step by step."""

from typing import final

from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.linux.include.page import USER_END
from vmalab.recording.format.steps import Step


@final
class RecordedMap:
    """Lines of /proc/PID/maps as a recording has them at the moment."""

    def __init__(self, lines: Snapshot) -> None:
        self.lines = list(lines)

    def __len__(self) -> int:
        """VMAs, without the vsyscall page."""
        count = len(self.lines)
        while count and self.lines[count - 1].start >= USER_END:
            count -= 1
        return count

    def _count_up_to(self, address: int) -> int:
        """Return how many lines start at or below an address (bytes)."""
        lines = self.lines
        low, high = 0, len(lines)
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
        last = step.start + step.ndel
        if last > len(self.lines):
            raise ValueError(
                f"the step at line {step.line} takes lines {step.start} to {last} "
                f"of a map of {len(self.lines)}"
            )
        touched = self.lines[step.start : last] + step.new
        self.lines[step.start : last] = step.new
        start, end = USER_END, 0
        for line in touched:
            if line.start < USER_END:
                start, end = min(start, line.start), max(end, line.end)
        return (start, end) if end > 0 else (0, 0)

    def window(self, start: int, end: int) -> Snapshot:
        """Return the lines that have an address in `[start, end)` (bytes), or touch its ends."""
        end = min(end, USER_END - 1)
        first = self._count_up_to(start - 1)
        if first and self.lines[first - 1].end >= start:
            first -= 1
        return self.lines[first : self._count_up_to(end)]

    def overlaps(self) -> bool:
        """Return whether two lines overlap: then the map was read while it changed."""
        end = 0
        for line in self.lines:
            if line.start < end:
                return True
            end = line.end
        return False

    def whole(self) -> Snapshot:
        """Return all lines but the vsyscall page."""
        return self.lines[: len(self)]

    def covering(self, addr: int) -> VmaLine | None:
        """Return the line that holds an address (bytes)."""
        index = self._count_up_to(addr) - 1
        if index >= 0 and self.lines[index].end > addr:
            return self.lines[index]
        return None
