# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures for notebooks, as SVG without scripts: a map's VMAs side by side, VMAs over calls."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from math import log2
from typing import Final

from vmalab.calls.snapshot import VmaLine
from vmalab.views.visible import visible

_WIDTH: Final = 760
_HEIGHT: Final = 46
_CHART: Final = 150
# Of a hole, whatever its size; the least of a VMA.
_HOLE: Final = 8.0
_LEAST: Final = 3.0
# VMAs beyond which boxes cannot be told apart.
_MOST: Final = 160
# By what may be done with the memory: fill colours that stand on white and on black.
_COLOURS: Final = {"x": "#c2703d", "w": "#4878a8", "r": "#6a9a5b", "-": "#9a9a9a"}
_TEXT: Final = 'font-family="sans-serif" font-size="11" fill="currentColor"'


def map_svg(lines: Sequence[VmaLine]) -> str:
    """Return a drawing of a map: a box a VMA, wide as the logarithm of its size; holes are gaps."""
    if not lines or len(lines) > _MOST:
        return ""
    weights = [log2(line.size >> 12) + 1 for line in lines]
    holes = sum(one.end != two.start for one, two in pairwise(lines))
    scale = max(_WIDTH - _HOLE * holes - _LEAST * len(lines), 0.0) / sum(weights)
    boxes, left = [], 0.0
    for at, (line, weight) in enumerate(zip(lines, weights, strict=True)):
        if at and lines[at - 1].end != line.start:
            left += _HOLE
        width = _LEAST + weight * scale
        boxes.append(
            f'<rect x="{left:.1f}" y="4" width="{width - 1:.1f}" height="22" rx="2"'
            f' fill="{_colour(line.perms)}"><title>{escape(visible(line.text))}</title></rect>'
        )
        left += width
    ends = (
        f'<text x="0" y="40" {_TEXT}>{lines[0].start:x}</text>'
        f'<text x="{left:.0f}" y="40" text-anchor="end" {_TEXT}>{lines[-1].end:x}</text>'
    )
    return _svg(max(left, _WIDTH), _HEIGHT, "".join(boxes) + ends)


def curve_svg(points: Sequence[tuple[int, int]], name: str) -> str:
    """Return a curve of how many VMAs there were after which call. points: (call, VMAs)."""
    if not points:
        return ""
    last, most = max(points[-1][0], 1), max(max(vmas for _, vmas in points), 1)
    height = _CHART - 34
    corners = []
    for call, vmas in points:
        x, y = 40 + call * (_WIDTH - 44) / last, 8 + height - vmas * height / most
        corners.append(f"{x:.1f},{y:.1f}")
    drawn = (
        f'<polyline points="{" ".join(corners)}" fill="none" stroke="#4878a8" stroke-width="1.5"/>'
        f'<line x1="40" y1="{8 + height}" x2="{_WIDTH}" y2="{8 + height}" stroke="currentColor"/>'
        f'<text x="34" y="16" text-anchor="end" {_TEXT}>{most}</text>'
        f'<text x="34" y="{8 + height}" text-anchor="end" {_TEXT}>0</text>'
        f'<text x="40" y="{_CHART - 8}" {_TEXT}>VMAs of image {escape(visible(name))}</text>'
        f'<text x="{_WIDTH}" y="{_CHART - 8}" text-anchor="end" {_TEXT}>call {last}</text>'
    )
    return _svg(_WIDTH, _CHART, drawn)


def _colour(perms: str) -> str:
    return next(colour for letter, colour in _COLOURS.items() if letter in perms + "-")


def _svg(width: float, height: int, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}"'
        f' width="100%" style="max-width:{width:.0f}px" role="img">{inside}</svg>'
    )
