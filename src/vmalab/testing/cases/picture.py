# SPDX-License-Identifier: GPL-2.0-or-later
"""Drawings of a stretch of address space: a ruler in pages, and boxes for VMAs below it.

    pages   10    12    14    18
    before  |AAAAA|     |BBBBB|

The ruler names pages in hexadecimal: page 10 is address 0x10000.  A number names the column of its
first digit; between two numbers the columns may be divided evenly.  Each `|` stands in the column
of a page; letters between two of them make a VMA, spaces a hole.  Reading and writing are inverse.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LABEL_WIDTH = 12
PITCH = 3
WIDEST = 18
# Beyond what any address space has, so that a typo cannot become a huge number.
MAX_PAGE = 1 << 45


@dataclass(frozen=True, slots=True)
class Box:
    """One VMA of a drawing: pages `[start, end)` and the letter of its kind."""

    start: int
    end: int
    letter: str


Boxes = tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Ruler:
    """Which column stands for which page: (column, page) pairs, both rising."""

    marks: tuple[tuple[int, int], ...]

    def page(self, column: int) -> int:
        """Return the page that a column stands for.  ValueError when it stands for none."""
        for (left, low), (right, high) in zip(self.marks, self.marks[1:], strict=False):
            if left <= column <= right:
                pages = (column - left) * (high - low)
                if pages % (right - left):
                    raise ValueError(f"column {column + 1} stands under no page of the ruler")
                return low + pages // (right - left)
        if self.marks and column == self.marks[0][0]:
            return self.marks[0][1]
        raise ValueError(f"column {column + 1} is beyond the ruler")

    def column(self, page: int) -> int:
        """Return the column of a page that is marked."""
        return next(column for column, marked in self.marks if marked == page)


def parse_ruler(line: str, begin: int) -> Ruler:
    """Read the numbers of a ruler's line from column `begin` on.  ValueError: why not."""
    marks = []
    for match in re.finditer(r"\S+", line[begin:]):
        if not re.fullmatch("[0-9a-f]+", match[0]):
            raise ValueError(f"{match[0]!r} is no hexadecimal page number")
        if int(match[0], 16) >= MAX_PAGE:
            raise ValueError(f"page {match[0]} is beyond every address space")
        marks.append((begin + match.start(), int(match[0], 16)))
    if any(low >= high for (_, low), (_, high) in itertools.pairwise(marks)):
        raise ValueError("the pages of a ruler rise from left to right")
    if not marks:
        raise ValueError("a ruler names at least one page")
    return Ruler(tuple(marks))


def parse_boxes(line: str, begin: int, ruler: Ruler) -> Boxes:
    """Read the boxes of a drawing's line from column `begin` on.  ValueError: why not."""
    if line[begin:].strip() == "empty":
        return ()
    borders = [column for column in range(begin, len(line)) if line[column] == "|"]
    outside = line[begin : borders[0]] + line[borders[-1] + 1 :] if borders else line[begin:]
    if outside.strip() or not borders:
        raise ValueError(f"boxes stand between | and |, or it is `empty`: {outside.strip()!r}")
    boxes = []
    for left, right in itertools.pairwise(borders):
        letters = set(line[left + 1 : right])
        if letters <= {" "}:
            continue
        letter = min(letters)
        if len(letters) > 1 or not (letter.isalpha() and letter.isascii()):
            raise ValueError(f"a box is filled with one letter, not {line[left + 1 : right]!r}")
        boxes.append(Box(ruler.page(left), ruler.page(right), letter))
    for column in borders:
        ruler.page(column)
    return tuple(boxes)


def ruler_for(pages: Iterable[int]) -> Ruler:
    """Return a ruler that marks each of the pages, to scale as far as the width allows."""
    marks: list[tuple[int, int]] = []
    for page in sorted(set(pages)):
        column = LABEL_WIDTH
        if marks:
            last_column, last = marks[-1]
            width = min((page - last) * PITCH, WIDEST)
            column = last_column + max(width, len(f"{last:x}") + 1)
        marks.append((column, page))
    return Ruler(tuple(marks))


def draw_ruler(ruler: Ruler, label: str = "  pages") -> str:
    """Return the line of a ruler that marks every page it knows."""
    line = label
    for column, page in ruler.marks:
        line = f"{line:{column}}{page:x}"
    return line


def draw_boxes(label: str, boxes: Sequence[Box], ruler: Ruler) -> str:
    """Return the line of a drawing; every border's page is marked on the ruler."""
    if not boxes:
        return f"{label:{LABEL_WIDTH}}empty"
    line = list(f"{label:{ruler.column(boxes[-1].end) + 1}}")
    for box in boxes:
        left, right = ruler.column(box.start), ruler.column(box.end)
        line[left + 1 : right] = box.letter * (right - left - 1)
        line[left] = line[right] = "|"
    return "".join(line)


def draw(rows: Sequence[tuple[str, Sequence[Box]]]) -> list[str]:
    """Several drawings under one ruler, as lines."""
    borders = [page for _, boxes in rows for box in boxes for page in (box.start, box.end)]
    ruler = ruler_for(borders or [0])
    return [draw_ruler(ruler)] + [draw_boxes("  " + label, boxes, ruler) for label, boxes in rows]
