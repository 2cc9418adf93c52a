# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells what became of VMAs on the way: which merged, which were split, which calls failed.

It is read off the model's ranges before and after each call, near where the call worked: a boundary
that vanished while both sides stayed mapped is a merge, one that appeared is a split.
"""

from bisect import bisect_left
from typing import final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call
from vmalab.calls.ranges import EVERYWHERE, Ranges
from vmalab.calls.symbols import ERRNO_NAME
from vmalab.linux.types.mm_types import Mm
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.report import Story
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.model.model import NOT_MODELLED


def _ranges_in(mm: Mm, windows: Ranges | None) -> list[tuple[int, int]]:
    """Return the ranges [start, end) of VMAs in or next to the windows (None: all), each once."""
    found: dict[tuple[int, int], None] = {}
    for start, end in EVERYWHERE if windows is None else windows:
        for vma in vmas_in(mm, start, end):
            found[(vma.vm_start, vma.vm_end)] = None
    return sorted(found)


def vanished(before: list[tuple[int, int]], after: list[tuple[int, int]]) -> int:
    """Return how many boundaries of `before` lie inside a range of `after`. Both: lowest first."""
    return _inside({edge for pair in before for edge in pair}, after)


def new_cuts(before: list[tuple[int, int]], after: list[tuple[int, int]]) -> int:
    """Return how many boundaries, with something on both sides, lie inside a range of `before`.

    Both: lowest first.
    """
    return _inside({start for start, _ in after} & {end for _, end in after}, before)


def _inside(edges: set[int], ranges: list[tuple[int, int]]) -> int:
    """Return how many edges lie inside a range, not at its ends."""
    starts = [start for start, _ in ranges]
    found = 0
    for edge in edges:
        place = bisect_left(starts, edge)
        if place and edge < ranges[place - 1][1]:
            found += 1
    return found


@final
class StoryTeller(Observer):
    """Writes the story of memory calls into a report's story."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._before: list[tuple[int, int]] = []
        self._windows: Ranges | None = None

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        """Keep the ranges near where the call will work."""
        self._windows = state.touched
        self._before = _ranges_in(mm, self._windows)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """Tell what became of them."""
        story = self._story
        if mm.map_count > story.most_vmas:
            story.most_vmas, story.most_at = mm.map_count, call.line
        errno = call.refused(state.answer)
        if errno and state.answer != NOT_MODELLED:
            story.fail(call, format_call(call), ERRNO_NAME.get(errno, str(errno)))
        before = self._before
        after = _ranges_in(mm, self._windows)
        if before == after:
            return
        _count(story.merged, call.spelling, vanished(before, after))
        _count(story.split, call.spelling, new_cuts(before, after))
        made = sum(1 for start, end in after if not _meets(before, start, end))
        gone = sum(1 for start, end in before if not _meets(after, start, end))
        _count(story.made, call.spelling, made)
        _count(story.gone, call.spelling, gone)


def _meets(ranges: list[tuple[int, int]], start: int, end: int) -> bool:
    return any(first < end and start < last for first, last in ranges)


def _count(counts: dict[str, int], name: str, number: int) -> None:
    if number:
        counts[name] = counts.get(name, 0) + number
