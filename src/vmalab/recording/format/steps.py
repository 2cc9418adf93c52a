# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads steps.txt: every change of a process's map, call by call, as recorded."""

import re
from collections.abc import Iterator
from sys import intern
from typing import Final, final

from mypy_extensions import mypyc_attr

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.recording.readers.characters import AT, SPACE
from vmalab.recording.readers.line_source import MAX_LINE, LineSource
from vmalab.recording.readers.maps import MAX_VMAS, Flags, parse_flagged_range
from vmalab.recording.readers.scanner import Scanner

_HEAD = re.compile(
    r"@(\d{1,18}) (\d{1,10}) ([XEQ]) (\S{1,64}) (\d{1,18}) (\d{1,18}) (\d{1,18})$", re.ASCII
)
_MAX_KNOWN: Final = 1 << 15
# What usual heads have: numbers of tasks below it, names no longer.
_MAX_TID: Final = 10**10
_MAX_NAME: Final = 64


@final
@mypyc_attr(native_class=True, acyclic=True)
class Step:
    """One change: lines[start:start + ndel] of the map become `new`.

    line: the log line after which it was seen (1-based). which: "X" at the exit of the call that
    ends on that line, "E" at the entry of tid's next call, "Q" at its death. start, ndel: in lines.
    """

    __slots__ = ("line", "ndel", "new", "start", "syscall", "tid", "which")

    def __init__(
        self,
        line: int,
        tid: int,
        which: str,
        syscall: str,
        start: int,
        ndel: int,
        new: list[VmaLine],
    ) -> None:
        self.line = line
        self.tid = tid
        self.which = which
        self.syscall = syscall
        self.start = start
        self.ndel = ndel
        self.new = new

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
        self._batches = iter(source)
        self._batch: list[str] = []
        # The line that comes next, of the batch at hand; and how many lines of the file have come.
        self._next = 0
        self._at = 0
        # Lines that the step at hand has.
        self._count = 0
        self._flags = Flags()
        self._known: dict[str, VmaLine] = {}

    def _line(self) -> str | None:
        """Return the next line; None at the end of the file. Errors: ReadError."""
        while self._next == len(self._batch):
            batch = next(self._batches, None)
            if batch is None:
                if self._source.last is not None:
                    self._at += 1
                    raise self._error("the file ends in this line, without a newline")
                if self._source.broken is not None:
                    raise self._error(self._source.broken)
                return None
            self._batch, self._next = batch, 0
        line = self._batch[self._next]
        self._next += 1
        self._at += 1
        return line

    def steps(self) -> Iterator[Step]:
        while (line := self._line()) is not None:
            if not line:
                continue
            step = self._usual_head(line) or self._any_head(line)
            if self._count > MAX_VMAS:
                raise self._error(f"a step of {self._count} lines")
            for _ in range(self._count):
                step.new.append(self._range())
            yield step

    def _usual_head(self, line: str) -> Step | None:
        """Return a step without its lines; None where the head takes a closer look."""
        if ord(line[0]) != AT:
            return None
        scanner = Scanner(line, 1)
        at = scanner.decimal(SPACE)
        tid = scanner.decimal(SPACE)
        if at < 0 or not 0 <= tid < _MAX_TID:
            return None
        which, syscall = scanner.word(), scanner.word()
        start = scanner.decimal(SPACE)
        ndel = scanner.decimal(SPACE)
        count = scanner.decimal(SPACE)
        if which not in ("X", "E", "Q") or min(start, ndel, count) < 0 or not scanner.done:
            return None
        if not syscall.isidentifier() or len(syscall) > _MAX_NAME:
            return None
        self._count = int(count)
        return Step(int(at), int(tid), which, intern(syscall), int(start), int(ndel), [])

    def _any_head(self, line: str) -> Step:
        """Return a step without its lines. Errors: ReadError."""
        match = _HEAD.match(line)
        if match is None:
            raise self._error("not the head of a step (@LINE TID WHICH SYSCALL START NDEL NINS)")
        at, tid, which, syscall, start, ndel, count = match.groups()
        self._count = int(count)
        return Step(int(at), int(tid), which, intern(syscall), int(start), int(ndel), [])

    def _range(self) -> VmaLine:
        line = self._line()
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
