# SPDX-License-Identifier: GPL-2.0-or-later
"""Stacks as a tree, outermost function first, with what the calls below each function did.

A leaf is a kind of call. What no call made (a program's first map, a fork's copy, faults) has a
leaf of its own next to the outermost functions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.explain.blame.callsite import Callsites
from vmalab.explain.blame.origins import Origin, Traced
from vmalab.explain.blame.skipping import Skipping
from vmalab.explain.blame.stack_frames import Frame
from vmalab.explain.blame.tally import StackCount, stack_key
from vmalab.explain.blame.watcher import EXEC, FORK, NO_CALL, START
from vmalab.recording.format.frames import Frames

# Nodes of a tree; what else there is counts for the deepest node that has room.
MAX_NODES: Final = 20_000

HELD: Final = "held"
MADE: Final = "made"
BYTES: Final = "bytes"
FAILED: Final = "failed"
CHANGED: Final = "changed"

_WITHOUT: Final = {
    EXEC: "exec: the program's first map",
    START: "there before the log began",
    FORK: "copied by a fork",
    NO_CALL: "no call: a fault, or another task",
}


@dataclass(slots=True)
class FlameNode:
    """A function, or a kind of call, below its callers.

    library, place: of the function, "" for a call. sums: by HELD, MADE, BYTES, FAILED and CHANGED,
    of all below it. example: the first call below it.
    """

    name: str
    library: str = ""
    place: str = ""
    sums: dict[str, int] = field(default_factory=dict)
    children: dict[tuple[str, str], "FlameNode"] = field(default_factory=dict)
    example: Call | None = None


@final
class Flame:
    """A tree of stacks that is being built; `root` is all of it."""

    def __init__(self, names: Frames, name: str = "all") -> None:
        self.root = FlameNode(name)
        self._sites = Callsites(names, Skipping())
        self._nodes = 1
        self._paths: dict[tuple[tuple[str, ...], str], list[FlameNode]] = {}

    def add_vmas(self, vmas: Iterable[Traced], what: str = HELD) -> None:
        """Count VMAs for the stacks of the calls that made them. what: HELD or CHANGED."""
        for traced in vmas:
            path = self._path_of(traced.born)
            _count(path, what, 1)
            if what == HELD:
                _count(path, BYTES, traced.end - traced.start)

    def add_counts(self, counts: Mapping[tuple[tuple[str, ...], str], StackCount]) -> None:
        """Count what calls made and which failed."""
        for (_, kind), count in counts.items():
            path = self._path(count.example, kind)
            _count(path, MADE, count.made)
            _count(path, FAILED, count.failed)

    def _path_of(self, origin: Origin) -> list[FlameNode]:
        if origin.call is None or origin.what == EXEC:
            return [self.root, self._below(self.root, _WITHOUT[origin.what], "", "", origin.call)]
        return self._path(origin.call, stack_key(origin.call)[1])

    def _path(self, call: Call, kind: str) -> list[FlameNode]:
        """Return the nodes from the root to a call."""
        key = (tuple(call.stack or ()), kind)
        path = self._paths.get(key)
        if path is None:
            path = [self.root]
            for frame in reversed(self._sites.stack_of(call).frames):
                below = self._below(path[-1], _label(frame), frame.library, _place(frame), call)
                path.append(below)
            path.append(self._below(path[-1], kind, "", "", call))
            self._paths[key] = path
        for node in path:
            if node.example is None or call.line < node.example.line:
                node.example = call
        return path

    def _below(
        self, node: FlameNode, name: str, library: str, place: str, call: Call | None
    ) -> FlameNode:
        key = (name, library)
        found = node.children.get(key)
        if found is None:
            if self._nodes >= MAX_NODES:
                return node
            self._nodes += 1
            found = node.children[key] = FlameNode(name, library, place, example=call)
        return found


def _label(frame: Frame) -> str:
    """Return the function, or the library with the address where it has no name."""
    if frame.function or not frame.address:
        return frame.function or frame.library
    return f"{frame.library} {frame.address}"


def _place(frame: Frame) -> str:
    """Return the source and the line, "" where neither is known."""
    if not frame.source:
        return ""
    return f"{frame.source}:{frame.line}" if frame.line else frame.source


def _count(path: list[FlameNode], what: str, number: int) -> None:
    """Add to every node of a path, once to each."""
    before: FlameNode | None = None
    for node in path:
        if node is not before and number:
            node.sums[what] = node.sums.get(what, 0) + number
        before = node
