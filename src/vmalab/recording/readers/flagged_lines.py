# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads lines of maps with their VmFlags behind ` |`, of which a recording's steps have very many.

Addresses, permissions and the offset are read number by number. What stands behind them many lines
have in common; it is understood once.
"""

from typing import Final, final

from mypy_extensions import i64

from vmalab.calls.map_line import LineEnd, RecordedLine, map_line
from vmalab.calls.snapshot import VmaLine
from vmalab.linux.include.mm_flags import VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE
from vmalab.recording.readers.characters import MINUS, NEWLINE, SPACE
from vmalab.recording.readers.known_parts import MAX_PARTS, KnownParts
from vmalab.recording.readers.line_source import MAX_LINE
from vmalab.recording.readers.maps import Flags, parse_flagged_range
from vmalab.recording.readers.scanner import Scanner, text_of

# The column of an end that means the same in each.
_ANY: Final = -1
_LOWER_R: Final = 114
_LOWER_W: Final = 119
_LOWER_X: Final = 120
_LOWER_P: Final = 112
_LOWER_S: Final = 115


@final
class FlaggedLines:
    """Reads the lines of one file. Memory: bounded, by a clear when full."""

    def __init__(self) -> None:
        self._flags = Flags()
        self._parts = KnownParts()
        self._ends: list[LineEnd] = []
        # Where in its line each end began: that can decide what the name is.
        self._columns: list[int] = []

    def read(self, scanner: Scanner) -> RecordedLine:
        """Return what the next line says, and pass it. Errors: ValueError with the reason."""
        text = scanner.text
        begin = scanner.at
        start = scanner.hexadecimal(MINUS)
        end = scanner.hexadecimal(SPACE)
        permissions = _permissions(scanner)
        pgoff = scanner.hexadecimal(SPACE)
        if not 0 <= start < end or permissions < 0 or pgoff < 0:
            scanner.at = begin
            return map_line(self._parsed(scanner))
        column = scanner.at - begin
        first = scanner.at
        at = scanner.place_of(NEWLINE, NEWLINE)
        known = self._parts.find(scanner, first, at)
        if known >= 0 and self._columns[known] in (column, _ANY):
            scanner.at = at + 1
            return RecordedLine(start, end, permissions, int(pgoff), self._ends[known])
        scanner.at = begin
        line = self._parsed(scanner)
        behind = LineEnd(line.dev, line.inode, line.name, line.flags)
        if known < 0:
            self._learn(text[first:at], behind, int(column))
        return RecordedLine(start, end, permissions, int(pgoff), behind, line)

    def _parsed(self, scanner: Scanner) -> VmaLine:
        """Return what a line says that takes a closer look. Errors: ValueError with the reason."""
        line = scanner.line()
        if len(line) > MAX_LINE:
            raise ValueError(f"longer than {MAX_LINE} characters")
        return parse_flagged_range(line, self._flags)

    def _learn(self, raw: bytes, behind: LineEnd, column: int) -> None:
        if self._parts.count >= MAX_PARTS:
            self._parts.clear()
            self._ends.clear()
            self._columns.clear()
        text = text_of(raw)
        shown = text.rpartition(" |")[0] or text
        file = f"{behind.dev} {behind.inode}"
        self._parts.add(raw)
        self._ends.append(behind)
        self._columns.append(_ANY if shown in (file, f"{file} ") else column)


def _permissions(scanner: Scanner) -> i64:
    """Pass the four letters of permissions and the space behind them: their bits, -1 for others."""
    text = scanner.text
    at = scanner.at
    bits: i64 = 0
    if text[at] == _LOWER_R:
        bits = VM_READ
    elif text[at] != MINUS:
        return -1
    if text[at + 1] == _LOWER_W:
        bits |= VM_WRITE
    elif text[at + 1] != MINUS:
        return -1
    if text[at + 2] == _LOWER_X:
        bits |= VM_EXEC
    elif text[at + 2] != MINUS:
        return -1
    if text[at + 3] == _LOWER_S:
        bits |= VM_MAYSHARE
    elif text[at + 3] != _LOWER_P:
        return -1
    if text[at + 4] != SPACE:
        return -1
    scanner.at = at + 5
    return bits
