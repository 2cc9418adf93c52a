# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes lines out of cells of a table in CSV, as a spreadsheet or a log's web page saves it.

    "2026-11-29T10:00:00Z","12 execve(""./a"", [""./a""], 0x7ffdaf3e8588 /* 35 vars */) = 0","app-1"

A cell may have several lines, with all of a log. In which column they are shows where the lines are
that are known for what they are.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, final

from vmalab.patterns import pattern
from vmalab.recording.readers.wrapped import LOOKED_AT

# What separates cells.
_SEPARATORS: Final = (",", ";", "\t")
_MAX_COLUMNS: Final = 256
# The longest line that is looked at to find the column.
_MAX_LOOKED_AT: Final = 1 << 14
# The inside of a quoted cell, as far as a line has it.
_INSIDE = pattern(r'(?:[^"]|"")*')
_HEADING = pattern(r"[@A-Za-z_][\w.@-]{0,40}(?: [\w.@-]{1,20}){0,2}")
_QUOTE: Final = '"'


class CellPacking(NamedTuple):
    """Where in its row a line is.

    column: from 0. heading: what the table's first row calls it, "" where that is none. known: how
    many lines show it.
    """

    column: int
    separator: str
    heading: str
    known: int

    @property
    def remark(self) -> str:
        """Where the lines were, as a sentence."""
        called = f" ({self.heading!r})" if self.heading else ""
        return f"the lines are in column {self.column + 1}{called} of a table"

    def unpacker(self) -> "CellUnpacker":
        """Return what takes lines out."""
        return CellUnpacker(self)


@final
class CellUnpacker:
    """Takes lines of a table, gives what each has of one column; see `json_lines.JsonUnpacker`."""

    def __init__(self, packing: CellPacking) -> None:
        self.several = False
        self.goes_on = False
        self._column = packing.column
        # To come first, if at all.
        self._heading = packing.heading
        self._cells = _Cells(packing.separator)

    def feed(self, line: str) -> list[str]:
        """One line of the file, without its newline."""
        parts = self._cells.feed(line)
        if parts is None:
            return [line]
        text = parts[self._column].text if self._column in parts else ""
        heading, self._heading = self._heading, ""
        return ["" if text == heading else text]

    def finish(self) -> list[str]:
        """Return what is not whole where the file ends: nothing, a line has what it has."""
        return []

    def ends_with(self, line: str) -> bool:
        """Return whether nothing can be missing of a line, the next, by itself."""
        parts = self._cells.feed(line, stay=True)
        return bool(parts) and self._cells.is_closed(line)


class _CellPart(NamedTuple):
    """What a line has of a cell."""

    text: str
    quoted: bool


@final
class _Cells:
    """Takes lines, gives the parts of cells in each, by column."""

    def __init__(self, separator: str) -> None:
        self._separator = separator
        # The column of a cell that goes on in the next line; None where none does.
        self._goes_on: int | None = None

    def is_closed(self, line: str) -> bool:
        """Return whether a line, the next, ends its row."""
        return line.count(_QUOTE) % 2 == (self._goes_on is not None)

    def feed(self, line: str, *, stay: bool = False) -> dict[int, _CellPart] | None:
        """Return what a line has of cells, None where it is of no such table.

        stay: it is not passed.
        """
        found: dict[int, _CellPart] = {}
        column = self._goes_on or 0
        inside = self._goes_on is not None
        at = 0
        while column < _MAX_COLUMNS:
            if not inside and line[at : at + 1] != _QUOTE:
                end = line.find(self._separator, at)
                end = len(line) if end < 0 else end
                found[column] = _CellPart(line[at:end], False)
            else:
                within = _INSIDE().match(line, at if inside else at + 1)
                assert within is not None
                found[column] = _CellPart(within.group().replace('""', _QUOTE), True)
                end = within.end() + 1
                if end > len(line):
                    self._goes_on = self._goes_on if stay else column
                    return found
                if end < len(line) and line[end] != self._separator:
                    break
            if end >= len(line):
                self._goes_on = self._goes_on if stay else None
                return found
            at, column, inside = end + 1, column + 1, False
        self._goes_on = self._goes_on if stay else None
        return None


def packing_of(
    lines: Sequence[str], known: Callable[[Sequence[str]], Sequence[object]]
) -> CellPacking | None:
    """Return in which column the lines of a text are, None where most are in no quoted cells.

    known: gives something for each of some lines that is known for what it is.
    """
    lines = [line for line in lines[:LOOKED_AT] if len(line) <= _MAX_LOOKED_AT]
    least = sum(1 for line in lines if line.strip()) // 2 + 1
    for separator in _SEPARATORS:
        if not any(line[:1] == _QUOTE or separator + _QUOTE in line for line in lines):
            continue
        cells = _Cells(separator)
        columns: dict[int, list[_CellPart]] = {}
        for parts in map(cells.feed, lines):
            for column, part in (parts or {}).items():
                columns.setdefault(column, []).append(part)
        counts = {
            column: len(known([part.text for part in each if part.quoted]))
            for column, each in columns.items()
            if len(each) >= least and any(part.quoted for part in each)
        }
        best = max(counts, key=lambda column: counts[column], default=0)
        if counts.get(best):
            heading = columns[best][0].text
            if _HEADING().fullmatch(heading) is None or known([heading]):
                heading = ""
            return CellPacking(best, separator, heading, counts[best])
    return None
