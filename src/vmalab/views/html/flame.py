# SPDX-License-Identifier: GPL-2.0-or-later
"""The data of a flame graph: a tree of stacks as columns, its smallest nodes left out."""

from typing import Final

from vmalab.explain.blame.flame import BYTES, CHANGED, FAILED, HELD, MADE, Flame, FlameNode
from vmalab.views.html.callbook import CallBook

# Nodes that a page holds.
MAX_SHOWN: Final = 6_000

_TITLES: Final = {
    HELD: "VMAs held",
    MADE: "VMAs ever made",
    BYTES: "bytes mapped",
    FAILED: "failed calls",
    CHANGED: "with changes",
}


def flame_chart(flame: Flame, book: CallBook) -> tuple[dict[str, object], list[str]]:
    """Return what flame.js draws, and notes on it.

    Of a node: its parent's number (-1: the root), its frame, the first call below it; `sums` has a
    column for each quantity of which there is any.
    """
    nodes: list[tuple[int, FlameNode]] = [(-1, flame.root)]
    at = 0
    while at < len(nodes):
        children = sorted(nodes[at][1].children.values(), key=_rank, reverse=True)
        nodes += [(at, child) for child in children]
        at += 1
    shown = nodes[:MAX_SHOWN]
    if len(nodes) > MAX_SHOWN:
        shown = _largest(nodes)
    measures = [name for name in _TITLES if flame.root.sums.get(name)]
    chart: dict[str, object] = {
        "kind": "flame",
        "parents": [parent for parent, _ in shown],
        "frames": [book.frame(node.name, node.library, node.place) for _, node in shown],
        "calls": [book.add(node.example) for _, node in shown],
        "measures": [[name, _TITLES[name]] for name in measures],
        "sums": {name: [node.sums.get(name, 0) for _, node in shown] for name in measures},
    }
    left_out = len(nodes) - len(shown)
    return chart, [f"{left_out:,} functions with the least are left out."] if left_out else []


def _rank(node: FlameNode) -> tuple[int, int, int]:
    return node.sums.get(HELD, 0), node.sums.get(MADE, 0), node.sums.get(BYTES, 0)


def _largest(nodes: list[tuple[int, FlameNode]]) -> list[tuple[int, FlameNode]]:
    """Return the largest nodes, parents before children, numbered anew."""
    ranked = sorted(range(len(nodes)), key=lambda at: (_weight(nodes[at][1]), -at), reverse=True)
    kept = sorted(ranked[:MAX_SHOWN])
    numbers = {old: new for new, old in enumerate(kept)}
    return [(numbers.get(nodes[old][0], -1), nodes[old][1]) for old in kept]


def _weight(node: FlameNode) -> int:
    """Return a measure of a node that none of its children exceeds."""
    sums = node.sums
    return sum(sums.get(name, 0) for name in (HELD, MADE, FAILED, CHANGED))
