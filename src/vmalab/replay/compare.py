# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the model's map with the recorded one: near a call, or as a whole."""

from typing import Final

from vmalab.calls.map_line import RecordedLine, map_lines
from vmalab.calls.ranges import Ranges
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.replay.process_image import WHOLE_EVERY, ImageState
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.model.identity import Identities, Mismatch, first_mismatch
from vmalab.targets.model.model import line_of_vma

# VMAs that a difference shows on either side of the place.
AROUND: Final = 3


def joined(ranges: Ranges) -> Ranges:
    """Return the same addresses in ranges that do not meet, lowest first; empty ranges go."""
    if len(ranges) == 1:
        start, end = ranges[0]
        return ranges if start < end else []
    if len(ranges) == 2:
        # A call's range, and what the map shows of it: most often they are one.
        (low, middle), (other, high) = ranges
        if low < middle and other < high and low <= high and other <= middle:
            return [(min(low, other), max(middle, high))]
    found: Ranges = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            start, end = found[-1][0], max(end, found.pop()[1])
        found.append((start, end))
    return found


def compare_ranges(
    state: ImageState, ranges: Ranges | None, identities: Identities
) -> Mismatch | None:
    """Compare the map in and next to the ranges (bytes; None: everywhere) with the recorded one.

    Each VMA is compared once. The whole map is compared from time to time, and when the number of
    VMAs is not the same.
    """
    recorded, mm = state.recorded, state.mm
    if recorded is None or mm is None:
        return None
    state.since_whole += 1
    if ranges is not None and state.since_whole < WHOLE_EVERY and mm.map_count == len(recorded):
        for start, end in joined(ranges):
            found = first_mismatch(vmas_in(mm, start, end), recorded.window(start, end), identities)
            if found is not None:
                return found
        return None
    found = compare_lines(state, recorded.vmas(), identities)
    state.since_whole = 0 if found is None else WHOLE_EVERY
    if found is None:
        state.torn = 0
    return found


def compare_whole(
    state: ImageState, lines: Snapshot, identities: Identities, with_pkey: bool = False
) -> Mismatch | None:
    """Compare the whole map with a snapshot (the vsyscall page not among its lines)."""
    return compare_lines(state, map_lines(lines), identities, with_pkey)


def compare_lines(
    state: ImageState, lines: list[RecordedLine], identities: Identities, with_pkey: bool = False
) -> Mismatch | None:
    """Compare the whole map with its recorded lines."""
    if state.mm is None:
        return None
    return first_mismatch(mm_vmas(state.mm), lines, identities, with_pkey)


def around(
    state: ImageState, lines: Snapshot, at: int
) -> tuple[Snapshot, Snapshot, frozenset[int], frozenset[int]]:
    """The recorded lines and the model's near an address, and which of each the other lacks."""
    model: Snapshot = []
    if state.mm is not None:
        model = [line_of_vma(vma) for vma in mm_vmas(state.mm)]
    near_recorded = _near(lines, at)
    near_model = _near(model, at)
    if not lines:
        return near_recorded, near_model, frozenset(), frozenset()
    with_flags = all(line.flags is not None for line in near_recorded)
    shown_recorded = {_key(line, with_flags) for line in lines}
    shown_model = {_key(line, with_flags) for line in model}
    return (
        near_recorded,
        near_model,
        _missing(near_recorded, shown_model, with_flags),
        _missing(near_model, shown_recorded, with_flags),
    )


def _missing(lines: Snapshot, shown: set[tuple[object, ...]], with_flags: bool) -> frozenset[int]:
    """Return the indexes of lines that are not among those the other side shows."""
    return frozenset(i for i, line in enumerate(lines) if _key(line, with_flags) not in shown)


def _near(lines: Snapshot, at: int) -> Snapshot:
    place = 0
    while place < len(lines) and lines[place].end <= at:
        place += 1
    return lines[max(place - AROUND, 0) : place + AROUND + 1]


def _key(line: VmaLine, with_flags: bool) -> tuple[object, ...]:
    """Return what is compared of a line."""
    flags = line.flags if with_flags else None
    return (line.start, line.end, line.perms, line.pgoff, line.dev, line.inode, flags)
