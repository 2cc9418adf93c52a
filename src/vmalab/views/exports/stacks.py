# SPDX-License-Identifier: GPL-2.0-or-later
"""A flame graph for other programs: folded stacks, and speedscope's file format.

Sources: https://github.com/brendangregg/FlameGraph, https://www.speedscope.app/file-format-schema.json.
"""

import json
from collections.abc import Iterator
from typing import Final

from vmalab import __version__
from vmalab.explain.blame.flame import BYTES, FAILED, HELD, MADE, Flame, FlameNode
from vmalab.views.visible import visible

_TITLES: Final = {
    HELD: "VMAs held",
    MADE: "VMAs ever made",
    BYTES: "bytes mapped",
    FAILED: "failed calls",
}
_SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"

# Nodes from the outermost function to a call, and what is of the last one alone.
Path = tuple[list[FlameNode], int]


def own_sums(flame: Flame, measure: str) -> Iterator[Path]:
    """Yield each path whose last node has more of a quantity than its children together."""
    waiting: list[list[FlameNode]] = [[flame.root]]
    while waiting:
        path = waiting.pop()
        node = path[-1]
        below = sum(child.sums.get(measure, 0) for child in node.children.values())
        own = node.sums.get(measure, 0) - below
        if own > 0:
            yield path[1:], own
        children = sorted(node.children.values(), key=_name, reverse=True)
        waiting += [[*path, child] for child in children]


def _name(node: FlameNode) -> str:
    return node.name


def folded(flame: Flame, measure: str) -> Iterator[str]:
    """Yield the lines of folded stacks: "main;grow;mmap 12"."""
    for path, own in own_sums(flame, measure):
        names = ";".join(visible(_label(node)).replace(";", ":") for node in path)
        yield f"{names or 'all'} {own}"


def speedscope(flame: Flame, name: str) -> str:
    """Return a file of speedscope with a profile for each quantity of which there is any."""
    frames: dict[tuple[str, str], int] = {}
    entries: list[dict[str, object]] = []
    profiles = []
    for measure, title in _TITLES.items():
        samples, weights = [], []
        for path, own in own_sums(flame, measure):
            samples.append([_frame(node, frames, entries) for node in path])
            weights.append(own)
        if samples:
            profiles.append(
                {
                    "type": "sampled",
                    "name": title,
                    "unit": "bytes" if measure == BYTES else "none",
                    "startValue": 0,
                    "endValue": sum(weights),
                    "samples": samples,
                    "weights": weights,
                }
            )
    file = {
        "$schema": _SCHEMA,
        "name": visible(name),
        "exporter": f"vmalab {__version__}",
        "shared": {"frames": entries},
        "profiles": profiles,
    }
    return json.dumps(file)


def _frame(
    node: FlameNode, frames: dict[tuple[str, str], int], entries: list[dict[str, object]]
) -> int:
    key = (node.name, node.library)
    at = frames.get(key)
    if at is None:
        at = frames[key] = len(frames)
        entry: dict[str, object] = {"name": visible(_label(node))}
        source, _, line = node.place.rpartition(":")
        if source and line.isdecimal():
            entry |= {"file": visible(source), "line": int(line)}
        elif node.library:
            entry["file"] = visible(node.library)
        entries.append(entry)
    return at


def _label(node: FlameNode) -> str:
    return node.name or node.library
