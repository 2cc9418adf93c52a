# SPDX-License-Identifier: GPL-2.0-or-later
"""The address space over time: which range looked how, from which call to which.

The map is painted: a piece is a range that has looked the same since a call made it so. A call
that changes part of a piece ends that part; the rest goes on. Boundaries between VMAs that touch
are kept beside it, for two VMAs may well look the same.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.explain.history.density import Density
from vmalab.explain.why.barriers import Prober
from vmalab.linux.fs.proc.task_mmu import vma_is_initial_heap, vma_is_initial_stack, vma_name
from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_MAYSHARE,
)
from vmalab.linux.include.proc_maps import vm_flag_letters, vma_perms
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.targets.model.capture import vmas_in

# What a range is for, as far as the map shows it.
NO_ACCESS: Final = "no access"
HEAP: Final = "heap"
STACK: Final = "stack"
SHARED: Final = "shared"
CODE: Final = "code"
FILE: Final = "file"
SPECIAL: Final = "special"
ANONYMOUS: Final = "anonymous"
MIXED: Final = "mixed"
KINDS: Final = (NO_ACCESS, HEAP, STACK, ANONYMOUS, SHARED, FILE, CODE, SPECIAL, MIXED)

# Pieces, and boundaries, of the past that are kept before they are made coarser.
MAX_PIECES: Final = 20_000
# Times that the engine is asked what keeps the VMAs of a boundary apart.
MAX_ASKED: Final = 40_000
# Of the calls, the part that pieces are told apart by before holes between them are overlooked.
TOLD_APART: Final = 256
LEAST_APART: Final = 32
# The largest hole that is overlooked, in bytes.
MOST_SLACK: Final = 1 << 20
# Letters of VmFlags that a call chose beside the permissions: the map tells ranges apart by them.
_TOLD: Final = frozenset(
    [
        "lo",
        "lf",
        "hg",
        "nh",
        "mg",
        "sr",
        "rr",
        "dc",
        "wf",
        "dd",
        "ht",
        "nr",
        "sl",
        "gu",
        "um",
        "uw",
        "ui",
        "ur",
        "dp",
        "ss",
        "sf",
    ]
)

Look = tuple[str, str, str, str]


def kind_of(vma: Vma) -> str:
    """Return the kind of a VMA; whoever may not be accessed at all is `NO_ACCESS` first of all."""
    flags = vma.vm_flags
    if flags & VM_ACCESS_FLAGS == 0:
        return NO_ACCESS
    if flags & VM_MAYSHARE != 0:
        return SHARED
    if vma.vm_file is not None:
        return CODE if flags & VM_EXEC != 0 else FILE
    if vma.vm_ops is not None:
        return SPECIAL
    if flags & VM_GROWSDOWN != 0 or vma_is_initial_stack(vma):
        return STACK
    return HEAP if vma_is_initial_heap(vma) else ANONYMOUS


def look_of(vma: Vma) -> Look:
    """(kind, permissions, name, flags): what a range looks like to a reader of the map."""
    perms, flags = _words(vma.vm_flags)
    return kind_of(vma), perms, vma_name(vma), flags


@lru_cache(maxsize=4096)
def _words(vm_flags: int) -> tuple[str, str]:
    """Return the permissions, and the letters of what else a call chose."""
    return vma_perms(vm_flags), told_flags(vm_flag_letters(vm_flags))


def told_flags(letters: Iterable[str]) -> str:
    """Return the letters of VmFlags that a map tells ranges apart by."""
    return " ".join(word for word in letters if word in _TOLD)


@dataclass(frozen=True, slots=True)
class Piece:
    """A range [start, end) in bytes that looked the same from one call to another.

    first, last: half-open, in memory calls of the image; 0 is the first map. look: (kind,
    permissions, name, flags). call: the one that made it so, None: none did. count: pieces that it
    stands for; with more than one, look and call are those of the longest-lived.
    """

    start: int
    end: int
    first: int
    last: int
    look: Look
    call: Call | None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Boundary:
    """Two VMAs that touched at an address (bytes) from call `first` to before call `last`.

    causes: the conditions that failed between them after the last call that worked there, "": none
    did; None: the engine was not asked.
    """

    address: int
    first: int
    last: int
    causes: str | None = None


class _Live:
    """A piece that is there still."""

    __slots__ = ("call", "end", "first", "look")

    def __init__(self, end: int, first: int, look: Look, call: Call | None) -> None:
        self.end = end
        self.first = first
        self.look = look
        self.call = call


@final
class Areas:
    """The painted map of one image.

    bytes_of: how much of each kind there is now. pieces, boundaries: those of the past; `finish`
    gives all. grain, slack: calls, and bytes of a hole, below which pieces are not told apart any
    more. forgotten, dropped: boundaries, and pieces, of short life that were left out. density:
    how many VMAs lie where.
    """

    def __init__(self, limit: int = MAX_PIECES) -> None:
        self.bytes_of: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.pieces: list[Piece] = []
        self.boundaries: list[Boundary] = []
        self.grain = 1
        self.slack = 0
        self.forgotten = 0
        self.dropped = 0
        self.density = Density()
        self._limit = limit
        self._live: dict[int, _Live] = {}
        self._starts: list[int] = []
        # By address: since which call, and why.
        self._cuts: dict[int, tuple[int, str | None]] = {}
        self._cut_at: list[int] = []
        self._asked = 0

    def look_at(self, mm: Mm, start: int, end: int, index: int, call: Call | None) -> None:
        """Paint `[start, end)` (bytes) as the map shows it after call number `index`."""
        position = start
        lower: Vma | None = None
        cuts: list[int] = []
        starts: list[int] = []
        pairs: list[tuple[Vma, Vma]] = []
        for vma in vmas_in(mm, start, end):
            if start <= vma.vm_start <= end:
                starts.append(vma.vm_start)
            if lower is not None and vma.vm_start == lower.vm_end and start <= lower.vm_end <= end:
                cuts.append(vma.vm_start)
                pairs.append((lower, vma))
            lower = vma
            first, last = max(vma.vm_start, start), min(vma.vm_end, end)
            if first >= last:
                continue
            if first > position:
                self._paint(position, first, None, index, call)
            self._paint(first, last, look_of(vma), index, call)
            position = last
        if position < end:
            self._paint(position, end, None, index, call)
        self.density.look_at(start, end, starts)
        self._set_cuts(start, end, cuts, index)
        if pairs:
            self._ask(mm, pairs)
        if len(self.pieces) > self._limit or len(self.boundaries) > self._limit:
            self._fit(self._limit // 2, index)

    def finish(self, index: int) -> tuple[list[Piece], list[Boundary]]:
        """Return everything, as of call number `index`, lowest address first."""
        for start in self._starts:
            live = self._live[start]
            last = Piece(start, live.end, live.first, index + 1, live.look, live.call)
            self.pieces.append(last)
        self.boundaries += [
            Boundary(at, first, index + 1, causes) for at, (first, causes) in self._cuts.items()
        ]
        self._fit(self._limit, index)
        return sorted(self.pieces, key=_place), sorted(self.boundaries, key=_address)

    # Pieces.

    def _paint(
        self, start: int, end: int, look: Look | None, index: int, call: Call | None
    ) -> None:
        """Make `[start, end)` look so from call `index` on; None: not mapped."""
        position = start
        for at in self._overlapping(start, end):
            live = self._live[at]
            first, last = max(at, start), min(live.end, end)
            if look is not None and first > position:
                self._open(position, first, look, index, call)
            if live.look != look and look is not None and (at, live.end) == (first, last):
                self._repaint(at, live, look, index, call)
            elif live.look != look:
                self._end(at, first, last, index)
                if look is not None:
                    self._open(first, last, look, index, call)
            position = last
        if look is not None and position < end:
            self._open(position, end, look, index, call)

    def _overlapping(self, start: int, end: int) -> list[int]:
        """Return the starts of the live pieces that have an address in `[start, end)`."""
        low = bisect_right(self._starts, start) - 1
        if low < 0 or self._live[self._starts[low]].end <= start:
            low += 1
        return self._starts[low : bisect_left(self._starts, end, low)]

    def _open(self, start: int, end: int, look: Look, index: int, call: Call | None) -> None:
        self._insert(start, _Live(end, index, look, call))
        self.bytes_of[look[0]] += end - start

    def _repaint(self, at: int, live: _Live, look: Look, index: int, call: Call | None) -> None:
        """Give a whole live piece another look."""
        if live.first < index:
            self.pieces.append(Piece(at, live.end, live.first, index, live.look, live.call))
        self.bytes_of[live.look[0]] -= live.end - at
        self.bytes_of[look[0]] += live.end - at
        live.first, live.look, live.call = index, look, call

    def _insert(self, start: int, live: _Live) -> None:
        self._live[start] = live
        self._starts.insert(bisect_left(self._starts, start), start)

    def _end(self, at: int, start: int, end: int, index: int) -> None:
        """End `[start, end)` of the live piece that begins at `at`; what is beside it goes on."""
        live = self._live[at]
        if live.first < index:
            self.pieces.append(Piece(start, end, live.first, index, live.look, live.call))
        self.bytes_of[live.look[0]] -= end - start
        if end < live.end:
            self._insert(end, _Live(live.end, live.first, live.look, live.call))
        if at < start:
            live.end = start
        else:
            del self._live[at]
            del self._starts[bisect_left(self._starts, at)]

    # Boundaries.

    def _set_cuts(self, start: int, end: int, cuts: list[int], index: int) -> None:
        """The boundaries in `[start, end]` are these from call `index` on."""
        low = bisect_left(self._cut_at, start)
        high = bisect_right(self._cut_at, end, low)
        before = self._cut_at[low:high]
        if before == cuts:
            return
        kept = set(cuts)
        for address in before:
            if address not in kept:
                first, causes = self._cuts.pop(address)
                if first < index:
                    self.boundaries.append(Boundary(address, first, index, causes))
        for address in cuts:
            self._cuts.setdefault(address, (index, None))
        self._cut_at[low:high] = cuts

    def _ask(self, mm: Mm, pairs: list[tuple[Vma, Vma]]) -> None:
        """Ask the engine what keeps VMAs apart that touch where a call worked."""
        if self._asked >= MAX_ASKED:
            return
        self._asked += len(pairs)
        prober = Prober(mm)
        for lower, upper in pairs:
            causes = prober.causes(lower, upper)
            found = causes[0].text if len(causes) == 1 else " + ".join(one.text for one in causes)
            first, _ = self._cuts[upper.vm_start]
            self._cuts[upper.vm_start] = (first, found)

    # Bounds.

    def _fit(self, limit: int, index: int) -> None:
        """Make the pieces coarser, and leave boundaries out, until `limit` of each are left."""
        self.pieces, self.grain, self.slack = fitted(
            self.pieces, limit, index, self.grain, self.slack
        )
        if len(self.pieces) > limit:
            self.dropped += sum(piece.count for piece in self.pieces)
            self.pieces = sorted(self.pieces, key=_lifetime)[-limit:]
            self.dropped -= sum(piece.count for piece in self.pieces)
        if len(self.boundaries) > limit:
            self.forgotten += len(self.boundaries) - limit
            self.boundaries = sorted(self.boundaries, key=_lifetime)[-limit:]


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
    before = (-1, -1)
    for key, piece in sorted(
        (((piece.first // grain, piece.last // grain), piece) for piece in pieces),
        key=lambda pair: (pair[0], pair[1].start),
    ):
        if key == before and piece.start <= joined[-1].end + slack:
            joined[-1] = _together(joined[-1], piece)
        else:
            joined.append(piece)
        before = key
    return joined


def _together(one: Piece, other: Piece) -> Piece:
    longest = max(one, other, key=_lifetime)
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


def _lifetime(what: Piece | Boundary) -> int:
    return what.last - what.first


def _place(piece: Piece) -> tuple[int, int]:
    return piece.start, piece.first


def _address(boundary: Boundary) -> tuple[int, int]:
    return boundary.address, boundary.first
