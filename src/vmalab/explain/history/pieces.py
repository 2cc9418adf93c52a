# SPDX-License-Identifier: GPL-2.0-or-later
"""Pieces of a painted map and boundaries between VMAs, and how many pieces become fewer."""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.explain.history.looks import MIXED, Look

# Of the calls, the part that pieces are told apart by before holes between them are overlooked.
TOLD_APART: Final = 256
LEAST_APART: Final = 32
# The largest hole that is overlooked, in bytes.
MOST_SLACK: Final = 1 << 20


@final
class Piece:
    """A range [start, end) in bytes that looked the same from one call to another.

    first, last: half-open, in memory calls of the image; 0 is the first map. look: (kind,
    permissions, name, flags). call: the one that made it so, None: none did. count: pieces that it
    stands for; with more than one, look and call are those of the longest-lived.
    """

    __slots__ = ("call", "count", "end", "first", "last", "look", "start")

    def __init__(
        self,
        start: int,
        end: int,
        first: int,
        last: int,
        look: Look,
        call: Call | None,
        count: int = 1,
    ) -> None:
        self.start = start
        self.end = end
        self.first = first
        self.last = last
        self.look = look
        self.call = call
        self.count = count


@final
class Boundary:
    """Two VMAs that touched at an address (bytes) from call `first` to before call `last`.

    causes: the conditions that failed between them after the last call that worked there, "": none
    did; None: the engine was not asked.
    """

    __slots__ = ("address", "causes", "first", "last")

    def __init__(self, address: int, first: int, last: int, causes: str | None = None) -> None:
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


def coarser(pieces: list[Piece], grain: int, slack: int) -> list[Piece]:
    """Return the same with those put together that began, and ended, within the same `grain` calls.

    Among those, ranges become one that overlap, touch, or leave at most `slack` bytes between them.
    """
    joined: list[Piece] = []
    first = last = -1
    ranked = [
        (piece.first // grain, piece.last // grain, piece.start, at)
        for at, piece in enumerate(pieces)
    ]
    ranked.sort()
    for begin, end, start, at in ranked:
        if begin == first and end == last and start <= joined[-1].end + slack:
            joined[-1] = _together(joined[-1], pieces[at])
        else:
            joined.append(pieces[at])
        first, last = begin, end
    return joined


def _together(one: Piece, other: Piece) -> Piece:
    longest = max(one, other, key=lifetime)
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
    return what.last - what.first
