# SPDX-License-Identifier: GPL-2.0-or-later
"""The data of a map at one moment: each VMA, and what keeps it apart from the next."""

from collections.abc import Iterable

from vmalab.calls.snapshot import VmaLine
from vmalab.explain.history.looks import (
    ANONYMOUS,
    CODE,
    FILE,
    HEAP,
    NO_ACCESS,
    SHARED,
    SPECIAL,
    STACK,
    Look,
    told_flags,
)
from vmalab.explain.history.pieces import Boundary, Piece
from vmalab.explain.why.boundaries import LayoutCost
from vmalab.views.html.callbook import CallBook
from vmalab.views.html.timeline import Chart, painted


def still_of(layout: LayoutCost, book: CallBook) -> Chart:
    """Return what timeline.js draws of a layout: its map alone."""
    lines = layout.lines
    pieces = [Piece(line.start, line.end, 0, 1, _look(line), None) for line in lines]
    cuts = [
        Boundary(lines[at].end, 0, 1, " + ".join(cause.text for cause in causes))
        for at, causes in enumerate(layout.causes)
        if lines[at].end == lines[at + 1].start
    ]
    nothing: list[object] = [0, 0]
    return {
        "kind": "timeline",
        "still": True,
        "samples": {
            "index": [0, 1],
            "time": nothing,
            "call": nothing,
            "vmas": [len(lines), len(lines)],
            "mapped": nothing,
            "reachable": [None, None],
            "data": nothing,
            "locked": nothing,
            "failures": nothing,
        },
        "failed": [],
        "resident": [],
        "limits": {"vmas": [], "mapped": [], "data": [], "locked": []},
        "map": painted(pieces, cuts, 0, book),
    }


def _look(line: VmaLine) -> Look:
    flags = "" if line.flags is None else told_flags(line.flags)
    return _kind(line), line.perms, line.name, flags


def _kind(line: VmaLine) -> str:
    """Return the kind of a VMA, as far as its line shows it."""
    perms, name = line.perms, line.name
    if perms.startswith("---"):
        return NO_ACCESS
    if perms.endswith("s"):
        return SHARED
    if name == "[heap]":
        return HEAP
    if name.startswith("[stack"):
        return STACK
    if name.startswith("[") and not name.startswith("[anon"):
        return SPECIAL
    if line.inode:
        return CODE if "x" in perms else FILE
    return ANONYMOUS


def boundaries_of(layout: LayoutCost) -> Iterable[tuple[VmaLine, VmaLine, str]]:
    """Yield each pair of VMAs that touch, with the conditions that fail between them."""
    for at, causes in enumerate(layout.causes):
        lower, upper = layout.lines[at], layout.lines[at + 1]
        if lower.end == upper.start:
            yield lower, upper, " + ".join(cause.text for cause in causes)
