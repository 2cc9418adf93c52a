# SPDX-License-Identifier: GPL-2.0-or-later
"""How the two lists of `explore` read, line by line: the calls, and the map."""

from typing import Final

from rich.text import Text

from vmalab.explain.travel import index
from vmalab.explain.travel.index import MomentIndex
from vmalab.tui.explore.errands import ALTERED, LOST, NEW, SAME, MomentView, VmaRow
from vmalab.views.text_table import size_text
from vmalab.views.visible import visible

# What is said of a call in one letter, and how it is shown. No meaning hangs on a colour alone.
_SIGNS: Final = (
    (index.FAILED, "F", "bold red"),
    (index.DIFFERS, "!", "bold red"),
    (index.SPLIT, "S", "yellow"),
    (index.MERGED, "M", "blue"),
    (index.MADE, "+", "green"),
    (index.GONE, "-", "magenta"),
)
_EVENTS: Final = {
    index.BEGAN: "(the first map)",
    index.FORKED: "(copied by a fork)",
    index.CHANGED: "(changed without a call)",
    index.ENDED: "(the end of the image)",
}
_MARKS: Final = {
    SAME: "",
    NEW: "bold green",
    ALTERED: "bold yellow",
    LOST: "magenta strike",
}
# By what may be done with the memory: told apart also without red and green.
_PERMS: Final = {"---": "bright_black", "r--": "cyan", "r-x": "bright_blue", "rw-": "yellow"}
_FULL: Final = "█"
_BAR: Final = 10


def call_line(known: MomentIndex, at: int, text: str | None) -> Text:
    """Return a moment's line. text: how its call reads, None while that is not known."""
    flags = known.flags[at]
    line = Text(f"{known.line[at]:>8} ", style="bright_black", end="")
    signs = [(sign, style) for flag, sign, style in _SIGNS if flags & flag][:3]
    for sign, style in signs:
        line.append(sign, style)
    line.append(" " * (4 - len(signs)))
    if text is None:
        kind = next((what for flag, what in _EVENTS.items() if flags & flag), None)
        text = kind or f"{known.names[known.name[at]]}(…)"
    style = "red" if flags & index.FAILED else "" if flags & index.CALL else "italic"
    line.append(visible(text), style)
    return line


def map_lines(look: MomentView) -> list["ShownLine"]:
    """Return the lines of a map: its VMAs, the holes between them, what is not sent."""
    lines: list[ShownLine] = []
    if look.first:
        lines.append(ShownLine(f"    ⋮ {look.first} VMAs below", None, look.rows[0].start))
    end = 0
    for row in look.rows:
        if end and row.start > end:
            hole = f"      {'':24}· {size_text(row.start - end)} free"
            lines.append(ShownLine(hole, None, end))
        lines.append(ShownLine("", row, row.start))
        if row.mark != LOST:
            end = row.end
    here = sum(row.mark != LOST for row in look.rows)
    if (above := look.total - look.first - here) > 0:
        lines.append(ShownLine(f"    ⋮ {above} VMAs above", None, look.rows[-1].start))
    return lines


class ShownLine:
    """A line of the map. row: its VMA, None for a hole or a note. address: in bytes."""

    __slots__ = ("address", "row", "text")

    def __init__(self, text: str, row: VmaRow | None, address: int) -> None:
        self.text = text
        self.row = row
        self.address = address

    def drawn(self) -> Text:
        """Return how it reads."""
        row = self.row
        if row is None:
            return Text(self.text, style="bright_black", end="")
        mark = _MARKS[row.mark]
        line = Text(f" {row.mark} ", style=mark, end="")
        line.append(f"{row.start:012x}-{row.end:012x} ", mark)
        colour = _PERMS.get(row.perms[:3], "white")
        line.append(row.perms, mark or colour)
        size = row.end - row.start
        line.append(f" {size_text(size):>9} ", mark)
        # A bar as long as the logarithm of the size, from a page to a tebibyte.
        bar = max(1, min(_BAR, (size.bit_length() - 12) * _BAR // 28 + 1))
        line.append(f"{_FULL * bar:<{_BAR}} ", mark or colour)
        line.append(visible(row.name), mark)
        return line
