# SPDX-License-Identifier: GPL-2.0-or-later
"""Pieces of a painted map and boundaries between VMAs, and how many pieces become fewer."""

from bisect import bisect_left
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.calls.call import Call
from vmalab.explain.history.looks import MIXED, Look

# Of the calls, the part that pieces are told apart by before holes between them are overlooked.
TOLD_APART: Final = 256
LEAST_APART: Final = 32
# Bits that hold the number of any call.
_CALLS: Final = 31
# The largest hole that is overlooked, in bytes.
MOST_SLACK: Final = 1 << 20


@final
@mypyc_attr(native_class=True, acyclic=True)
class Piece:
    """A range [start, end) in bytes that looked the same from one call to another.

    first, last: half-open, in memory calls of the image; 0 is the first map. look: (kind,
    permissions, name, flags). call: the one that made it so, None: none did. count: pieces that it
    stands for; with more than one, look and call are those of the longest-lived.
    """

    __slots__ = ("call", "count", "end", "first", "last", "look", "start")

    def __init__(
        self,
        start: i64,
        end: i64,
        first: i64,
        last: i64,
        look: Look,
        call: Call | None,
        count: i64 = 1,
    ) -> None:
        self.start = start
        self.end = end
        self.first = first
        self.last = last
        self.look = look
        self.call = call
        self.count = count


@final
@mypyc_attr(native_class=True, acyclic=True)
class Boundary:
    """Two VMAs that touched at an address (bytes) from call `first` to before call `last`.

    causes: the conditions that failed between them after the last call that worked there, "": none
    did; None: the engine was not asked.
    """

    __slots__ = ("address", "causes", "first", "last")

    def __init__(self, address: i64, first: i64, last: i64, causes: str | None = None) -> None:
        self.address = address
        self.first = first
        self.last = last
        self.causes = causes


def fitted(
    pieces: list[Piece], limit: int, index: int, grain: int = 1, slack: int = 0
) -> tuple[list[Piece], int, int]:
    """Return pieces made coarser until `limit` are left, or they would show nothing any more.

    index: of the last call. grain, slack: see `coarser`, where to begin; Returns: the last ones.
    """
    while len(pieces) > limit:
        if grain * TOLD_APART <= index:
            grain *= 2
        elif slack < MOST_SLACK:
            slack = max(4096, slack * 4)
        elif grain * LEAST_APART <= index:
            grain *= 2
        else:
            break
        pieces = coarser(pieces, grain, slack)
    return pieces, grain, slack


def coarser(pieces: list[Piece], grain: i64, slack: i64) -> list[Piece]:
    """Return the same with those put together that began, and ended, within the same `grain` calls.

    Among those, ranges become one that overlap, touch, or leave at most `slack` bytes between them.
    """
    groups: dict[int, list[Piece]] = {}
    for piece in pieces:
        key = (piece.first // grain << _CALLS) + piece.last // grain
        group = groups.get(key)
        if group is None:
            groups[key] = [piece]
        else:
            group.append(piece)
    joined: list[Piece] = []
    for key in sorted(groups):
        group = groups[key]
        group.sort(key=_start)
        last = group[0]
        for piece in group[1:]:
            if piece.start <= last.end + slack:
                last = _together(last, piece)
            else:
                joined.append(last)
                last = piece
        joined.append(last)
    return joined


def _start(piece: Piece) -> int:
    return int(piece.start)


def _together(one: Piece, other: Piece) -> Piece:
    longest = other if lifetime(other) > lifetime(one) else one
    kind, perms, name, flags = longest.look
    if one.look[0] != other.look[0]:
        kind = MIXED
    return Piece(
        min(one.start, other.start),
        max(one.end, other.end),
        min(one.first, other.first),
        max(one.last, other.last),
        (kind, perms, name, flags),
        longest.call,
        one.count + other.count,
    )


def lifetime(what: Piece | Boundary) -> int:
    """Return for how many calls something was there."""
    return int(what.last - what.first)


def longest_lived(boundaries: list[Boundary], limit: int) -> list[Boundary]:
    """Return so many of more boundaries, in their order: of the same life, those that come last."""
    lives = [lifetime(boundary) for boundary in boundaries]
    ranked = sorted(lives)
    least = ranked[-limit]
    # Of those that lived just as long, so many are too many.
    spare = len(ranked) - limit - bisect_left(ranked, least)
    kept: list[Boundary] = []
    for boundary, life in zip(boundaries, lives, strict=True):
        if life == least and spare > 0:
            spare -= 1
        elif life >= least:
            kept.append(boundary)
    return kept
