# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads steps.txt: every change of a process's map, call by call, as recorded."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from sys import intern
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.recording.readers.line_source import MAX_LINE, LineSource
from vmalab.recording.readers.maps import MAX_VMAS, Flags, parse_flagged_range

_HEAD = re.compile(
    r"@(\d{1,18}) (\d{1,10}) ([XEQ]) (\S{1,64}) (\d{1,18}) (\d{1,18}) (\d{1,18})$", re.ASCII
)
_MAX_KNOWN: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class Step:
    """One change: lines[start:start + ndel] of the map become `new`.

    line: the log line after which it was seen (1-based). which: "X" at the exit of the call that
    ends on that line, "E" at the entry of tid's next call, "Q" at its death. start, ndel: in lines.
    """

    line: int
    tid: int
    which: str
    syscall: str
    start: int
    ndel: int
    new: list[VmaLine]

    def apply(self, snapshot: Snapshot) -> None:
        """Change the snapshot in place. Errors: ValueError when it has too few lines."""
        if self.start + self.ndel > len(snapshot):
            raise ValueError(
                f"the step at line {self.line} takes lines {self.start} to "
                f"{self.start + self.ndel} of a map of {len(snapshot)}"
            )
        snapshot[self.start : self.start + self.ndel] = self.new


@final
class _StepReader:
    """Reads the lines of one file; ranges seen before are taken from a bounded table."""

    def __init__(self, source: LineSource) -> None:
        self._path = source.path
        self._source = source
        self._at = 0
        self._flags = Flags()
        self._known: dict[str, VmaLine] = {}

    def lines(self) -> Iterator[str]:
        for batch in self._source:
            for line in batch:
                self._at += 1
                yield line
        if self._source.last is not None:
            self._at += 1
            raise self._error("the file ends in this line, without a newline")
        if self._source.broken is not None:
            raise self._error(self._source.broken)

    def steps(self) -> Iterator[Step]:
        lines = self.lines()
        for line in lines:
            if not line:
                continue
            match = _HEAD.match(line)
            if match is None:
                raise self._error(
                    "not the head of a step (@LINE TID WHICH SYSCALL START NDEL NINS)"
                )
            at, tid, which, syscall, start, ndel, count = match.groups()
            if int(count) > MAX_VMAS:
                raise self._error(f"a step of {count} lines")
            new = [self._range(lines) for _ in range(int(count))]
            yield Step(int(at), int(tid), which, intern(syscall), int(start), int(ndel), new)

    def _range(self, lines: Iterator[str]) -> VmaLine:
        line = next(lines, None)
        if line is None:
            raise self._error("the file ends inside a step")
        known = self._known.get(line)
        if known is None:
            if len(line) > MAX_LINE:
                raise self._error(f"longer than {MAX_LINE} characters")
            try:
                known = parse_flagged_range(line, self._flags)
            except ValueError as error:
                raise self._error(str(error)) from None
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[line] = known
        return known

    def _error(self, why: str) -> ReadError:
        return ReadError(self._path, self._at, why)


def read_steps(path: str, *, follow: bool = True) -> Iterator[Step]:
    """Return the steps of a file in order, one at a time. Errors: ReadError."""
    return _StepReader(LineSource(path, follow=follow)).steps()
