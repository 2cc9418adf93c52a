# SPDX-License-Identifier: GPL-2.0-or-later
"""Layouts by themselves, for tests written in Python: drawn, built on a bench, compared with one.

bench = parse_layout('''
    A = rw-p
    pages   10    12    14
    layout  |AAAAA|     |AAAAA|
''').build()
"""

from collections.abc import Callable
from dataclasses import dataclass

from vmalab.linux.types.kernel_state import KernelState
from vmalab.testing.cases.kinds import Kind, parse_kind
from vmalab.testing.cases.parser import LEGEND, CaseError
from vmalab.testing.cases.picture import Boxes, Ruler, draw, parse_boxes, parse_ruler
from vmalab.testing.cases.show import Letters, show_layouts
from vmalab.testing.cases.workbench import Bench
from vmalab.testing.seams.checking import CheckingInternal


@dataclass(frozen=True, slots=True)
class Layout:
    """VMAs as boxes, and what their letters stand for."""

    legend: dict[str, Kind]
    boxes: Boxes

    def text(self) -> str:
        """Return the drawing with its letters, as `parse_layout` reads it."""
        used = {box.letter for box in self.boxes}
        lines = [f"  {name} = {kind.text()}" for name, kind in self.legend.items() if name in used]
        return "\n".join([*lines, *draw([("layout", self.boxes)])]) + "\n"

    def build(self, seam: Callable[[KernelState], CheckingInternal] = CheckingInternal) -> Bench:
        """Return an address space with this layout, which the caller tears down."""
        bench = Bench(self.legend, seam)
        bench.build(self.boxes)
        return bench


def parse_layout(text: str, path: str = "layout") -> Layout:
    """Read one drawing with its letters.  CaseError: what is wrong, with the line in `text`."""
    legend: dict[str, Kind] = {}
    ruler: Ruler | None = None
    boxes: Boxes | None = None
    for number, line in enumerate(text.splitlines(), 1):
        keyword = line.split()[0] if line.strip() else ""
        begin = line.find(keyword) + len(keyword)
        try:
            if match := LEGEND.fullmatch(line):
                legend[match[1]] = parse_kind(match[2])
            elif keyword == "pages":
                ruler = parse_ruler(line, begin)
            elif keyword == "layout" and ruler is not None and boxes is None:
                boxes = parse_boxes(line, begin, ruler)
            elif keyword:
                raise ValueError(
                    f"a layout has letters, one `pages`, one `layout`, not {keyword!r}"
                )
        except ValueError as error:
            raise CaseError(path, number, str(error)) from None
    if boxes is None:
        raise CaseError(path, 0, "there is no `layout` line")
    return Layout(legend, boxes)


def layout_of(bench: Bench) -> Layout:
    """Return what is mapped on a bench, with the letters of its legend where they fit."""
    letters = Letters(bench.legend, bench.deltas)
    boxes = tuple(letters.box(region) for region in bench.regions())
    return Layout({**bench.legend, **letters.found}, boxes)


def compare_layout(bench: Bench, layout: Layout) -> list[str]:
    """Return how a bench differs from a layout, drawn and in words; empty when it does not.

    Letters that the bench knows keep their meaning; the layout's others are added to it.
    """
    bench.legend = {**layout.legend, **bench.legend}
    expected = bench.expected(layout.boxes)
    bench.adopt_names(expected)
    actual = bench.regions()
    if actual == expected:
        return []
    return show_layouts(bench.legend, bench.deltas, expected, actual)
