# SPDX-License-Identifier: GPL-2.0-or-later
"""A map to look at: VMAs as values, as the text of /proc/PID/maps, as a table for notebooks."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import final, overload

from vmalab.calls.snapshot import VmaLine
from vmalab.views.html.notebook import map_svg

_HEAD = ("range", "size", "perms", "offset", "dev", "inode", "name")
# Rows of a table in a notebook: the first and the last ones of a longer map.
_SHOWN = 200


@final
class Maps(Sequence[VmaLine]):
    """The VMAs of an address space at one moment, lowest first; `print` gives /proc/PID/maps."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Iterable[VmaLine]) -> None:
        self._lines = tuple(lines)

    @overload
    def __getitem__(self, index: int) -> VmaLine: ...

    @overload
    def __getitem__(self, index: slice) -> "Maps": ...

    def __getitem__(self, index: int | slice) -> "VmaLine | Maps":
        if isinstance(index, slice):
            return Maps(self._lines[index])
        return self._lines[index]

    def __len__(self) -> int:
        return len(self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Maps) and self._lines == other._lines

    def __hash__(self) -> int:
        return hash(self._lines)

    def at(self, address: int) -> VmaLine | None:
        """Return the VMA that holds an address (bytes), None when nothing is mapped there."""
        low, high = 0, len(self._lines)
        while low < high:
            middle = (low + high) // 2
            if self._lines[middle].end <= address:
                low = middle + 1
            else:
                high = middle
        if low < len(self._lines) and self._lines[low].start <= address:
            return self._lines[low]
        return None

    def __str__(self) -> str:
        return "\n".join(line.text for line in self._lines)

    def __repr__(self) -> str:
        size = sum(line.size for line in self._lines)
        return f"<Maps: {len(self._lines)} VMAs, {size} bytes>"

    def _repr_html_(self) -> str:
        rows = [_row(line) for line in self._lines[:_SHOWN]]
        left = len(self._lines) - _SHOWN
        if left > 0:
            rows.append(f"<tr><td colspan={len(_HEAD)}>and {left} more</td></tr>")
        head = "".join(f"<th>{name}</th>" for name in _HEAD)
        drawn = map_svg(self._lines)
        return f"{drawn}<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(line: VmaLine) -> str:
    cells = (
        f"{line.start:08x}-{line.end:08x}",
        f"{line.size >> 10} KiB",
        line.perms,
        f"{line.pgoff:08x}",
        line.dev,
        str(line.inode),
        line.name,
    )
    return "<tr>" + "".join(f"<td><code>{escape(cell)}</code></td>" for cell in cells) + "</tr>"
