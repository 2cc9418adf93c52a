# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads steps.txt: every change of a process's map, call by call, as recorded."""

import re
from collections.abc import Iterator
from sys import intern
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.calls.errors import ReadError
from vmalab.calls.map_line import RecordedLine
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.patterns import pattern
from vmalab.recording.readers.characters import NEWLINE, SPACE
from vmalab.recording.readers.flagged_lines import FlaggedLines
from vmalab.recording.readers.known_words import KnownWords
from vmalab.recording.readers.line_source import LineSource
from vmalab.recording.readers.maps import MAX_VMAS
from vmalab.recording.readers.scanner import Scanner

_HEAD = pattern(
    r"@(\d{1,18}) (\d{1,10}) ([XEQ]) (\S{1,64}) (\d{1,18}) (\d{1,18}) (\d{1,18})$", re.ASCII
)
# What usual heads have: numbers of tasks below it, names no longer.
_MAX_TID: Final = 10**10
_MAX_NAME: Final = 64


@final
@mypyc_attr(native_class=True, acyclic=True)
class Step:
    """One change: lines[start:start + ndel] of the map become `new`.

    line: the log line after which it was seen (1-based). which: "X" at the exit of the call that
    ends on that line, "E" at the entry of tid's next call, "Q" at its death. start, ndel: in lines.
    low, high: what its lines span, old and new, `[low, high)` in bytes; once it has been applied.
    """

    __slots__ = ("high", "line", "low", "ndel", "new", "start", "syscall", "tid", "which")

    def __init__(
        self,
        line: int,
        tid: int,
        which: str,
        syscall: str,
        start: int,
        ndel: int,
        new: list[RecordedLine],
    ) -> None:
        self.line = line
        self.tid = tid
        self.which = which
        self.syscall = syscall
        self.start = start
        self.ndel = ndel
        self.new = new
        self.low: i64 = 0
        self.high: i64 = 0

    def apply(self, snapshot: Snapshot) -> None:
        """Change the snapshot in place. Errors: ValueError when it has too few lines."""
        if self.start + self.ndel > len(snapshot):
            raise ValueError(
                f"the step at line {self.line} takes lines {self.start} to "
                f"{self.start + self.ndel} of a map of {len(snapshot)}"
            )
        snapshot[self.start : self.start + self.ndel] = [line.line for line in self.new]

    def line_at(self, addr: int) -> VmaLine | None:
        """Return the new line that holds an address (bytes)."""
        for line in self.new:
            if line.start <= addr < line.end:
                return line.line
        return None


@final
class Steps:
    """The steps of one file in order, as they are read; source: None for none."""

    def __init__(self, source: LineSource | None) -> None:
        self._source = source
        self._blocks: Iterator[bytes] = iter(() if source is None else source.blocks())
        # The block at hand, and how many lines of the file have come.
        self._scanner = Scanner(b"")
        self._at = 0
        # Lines that the step at hand has.
        self._count: i64 = 0
        self._names = KnownWords()
        self._lines = FlaggedLines()

    def _has_line(self) -> bool:
        """Return whether there is another line, which the scanner is at then. Errors: ReadError."""
        while self._scanner.at == self._scanner.size:
            block = next(self._blocks, None)
            if block is None:
                source = self._source
                if source is not None and source.last is not None:
                    self._at += 1
                    raise self._error("the file ends in this line, without a newline")
                if source is not None and source.broken is not None:
                    raise self._error(source.broken)
                return False
            self._scanner = Scanner(block)
        self._at += 1
        return True

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps that are left. Errors: ReadError."""
        while (step := self.next()) is not None:
            yield step

    def next(self) -> Step | None:
        """Return the step that comes next; None at the end. Errors: ReadError."""
        while self._has_line():
            if not self._scanner.passes(b"\n"):
                return self._step()
        return None

    def _step(self) -> Step:
        """Return the step that comes next. Errors: ReadError."""
        start = self._scanner.at
        step = self._usual_head()
        if step is None:
            self._scanner.at = start
            step = self._any_head(self._scanner.line())
        count = self._count
        if count > MAX_VMAS:
            raise self._error(f"a step of {count} lines")
        new = step.new
        while count > 0:
            new.append(self._range())
            count -= 1
        return step

    def _usual_head(self) -> Step | None:
        """Return a step without its lines; None where the head takes a closer look."""
        scanner = self._scanner
        if not scanner.passes(b"@"):
            return None
        at = scanner.decimal(SPACE)
        tid = scanner.decimal(SPACE)
        if at < 0 or not 0 <= tid < _MAX_TID:
            return None
        which = "X" if scanner.passes(b"X ") else scanner.word()
        if which not in ("X", "E", "Q"):
            return None
        name = self._names.word(scanner)
        start = scanner.decimal(SPACE)
        ndel = scanner.decimal(SPACE)
        count = scanner.decimal(NEWLINE)
        if not 0 < len(name) <= _MAX_NAME or start < 0 or ndel < 0 or count < 0:
            return None
        self._count = count
        return Step(int(at), int(tid), which, name, int(start), int(ndel), [])

    def _any_head(self, line: str) -> Step:
        """Return a step without its lines. Errors: ReadError."""
        match = _HEAD().match(line)
        if match is None:
            raise self._error("not the head of a step (@LINE TID WHICH SYSCALL START NDEL NINS)")
        at, tid, which, syscall, start, ndel, count = match.groups()
        self._count = int(count)
        return Step(int(at), int(tid), which, intern(syscall), int(start), int(ndel), [])

    def _range(self) -> RecordedLine:
        if not self._has_line():
            raise self._error("the file ends inside a step")
        try:
            return self._lines.read(self._scanner)
        except ValueError as error:
            raise self._error(str(error)) from None

    def _error(self, why: str) -> ReadError:
        return ReadError("" if self._source is None else self._source.path, self._at, why)


def read_steps(path: str, *, follow: bool = True) -> Steps:
    """Return the steps of a file in order, one at a time. Errors: ReadError."""
    return Steps(LineSource(path, follow=follow))
