# SPDX-License-Identifier: GPL-2.0-or-later
"""The address space over time: which range looked how, from which call to which.

The map is painted: a piece is a range that has looked the same since a call made it so. A call
that changes part of a piece ends that part; the rest goes on. Where VMAs start is kept beside it,
for two that touch may well look the same.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.calls.call import Call
from vmalab.explain.history.density import Density
from vmalab.explain.history.looks import NO_ACCESS, Look, look_of
from vmalab.explain.history.pieces import Boundary, Piece, fitted, lifetime, longest_lived
from vmalab.explain.history.spots import Spot, Spots
from vmalab.explain.why.barriers import Prober
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.targets.model.capture import vmas_in

# Pieces, and boundaries, of the past that are kept before they are made coarser.
MAX_PIECES: Final = 20_000
# Times that the engine is asked what keeps the VMAs of a boundary apart.
MAX_ASKED: Final = 40_000


@final
@mypyc_attr(native_class=True, acyclic=True)
class _Live(Spot):
    """A piece that is there still, from where it is at to `end` (bytes)."""

    __slots__ = ("call", "end", "first", "look")

    def __init__(self, at: i64, end: i64, first: i64, look: Look, call: Call | None) -> None:
        super().__init__(at)
        self.end = end
        self.first = first
        self.look = look
        self.call = call


@final
@mypyc_attr(native_class=True, acyclic=True)
class _Start(Spot):
    """Where a VMA starts.

    first: since which call another one ends there, -1: none does. causes: see `Boundary`.
    """

    __slots__ = ("causes", "first")

    def __init__(self, at: i64) -> None:
        super().__init__(at)
        self.first: i64 = -1
        self.causes: str | None = None


@final
class Areas:
    """The painted map of one image.

    no_access: bytes that may not be accessed now. pieces, boundaries: those of the past; `finish`
    gives all. grain, slack: calls, and bytes of a hole, below which pieces are not told apart any
    more. forgotten, dropped: boundaries, and pieces, of short life that were left out. density:
    how many VMAs lie where.
    """

    def __init__(self, limit: int = MAX_PIECES) -> None:
        self.no_access: i64 = 0
        self.pieces: list[Piece] = []
        self.boundaries: list[Boundary] = []
        self.grain = 1
        self.slack = 0
        self.forgotten = 0
        self.dropped = 0
        self.density = Density()
        self._limit: i64 = limit
        self._live: Spots[_Live] = Spots()
        self._starts: Spots[_Start] = Spots()
        self._asked = 0

    def look_at(self, mm: Mm, start: i64, end: i64, index: i64, call: Call | None) -> None:
        """Paint `[start, end)` (bytes) as the map shows it after call number `index`."""
        vmas = vmas_in(mm, int(start), int(end))
        position = start
        for vma in vmas:
            first, last = max(vma.vm_start, start), min(vma.vm_end, end)
            if first >= last:
                continue
            if first > position:
                self._clear(position, first, index)
            self._paint(first, last, look_of(vma), index, call)
            position = last
        if position < end:
            self._clear(position, end, index)
        self._set_starts(start, end, vmas, index)
        if self._asked < MAX_ASKED:
            self._ask(mm, start, end, vmas)
        if len(self.pieces) > self._limit or len(self.boundaries) > self._limit:
            self._fit(self._limit // 2, index)

    def finish(self, index: i64) -> tuple[list[Piece], list[Boundary]]:
        """Return everything, as of call number `index`, lowest address first."""
        for live in self._live.all():
            self.pieces.append(
                Piece(live.at, live.end, live.first, index + 1, live.look, live.call)
            )
        cuts = [cut for cut in self._starts.all() if cut.first >= 0]
        # Those of short life go first, and of those of the same the older ones.
        cuts.sort(key=_first)
        self.boundaries += [Boundary(cut.at, cut.first, index + 1, cut.causes) for cut in cuts]
        self._fit(self._limit, index)
        return sorted(self.pieces, key=_place), sorted(self.boundaries, key=_address)

    # Pieces.

    def _clear(self, start: i64, end: i64, index: i64) -> None:
        """Let there be nothing in `[start, end)` from call `index` on."""
        for live in self._live.around(start, end - 1):
            if live.end > start:
                self._end(live, max(live.at, start), min(live.end, end), index)

    def _paint(self, start: i64, end: i64, look: Look, index: i64, call: Call | None) -> None:
        """Make `[start, end)` look so from call `index` on."""
        position = start
        for live in self._live.around(start, end - 1):
            at, until = live.at, live.end
            if until <= start:
                continue
            first, last = max(at, start), min(until, end)
            if first > position:
                self._open(position, first, look, index, call)
            if live.look != look:
                if at == first and until == last:
                    self._repaint(live, look, index, call)
                else:
                    self._end(live, first, last, index)
                    self._open(first, last, look, index, call)
            position = last
        if position < end:
            self._open(position, end, look, index, call)

    def _open(self, start: i64, end: i64, look: Look, index: i64, call: Call | None) -> None:
        self._live.add(_Live(start, end, index, look, call))
        if look[0] == NO_ACCESS:
            self.no_access += end - start

    def _repaint(self, live: _Live, look: Look, index: i64, call: Call | None) -> None:
        """Give a whole live piece another look."""
        self._past(live, live.at, live.end, index)
        if look[0] == NO_ACCESS:
            self.no_access += live.end - live.at
        live.first, live.look, live.call = index, look, call

    def _end(self, live: _Live, start: i64, end: i64, index: i64) -> None:
        """End `[start, end)` of a live piece; what is beside it goes on."""
        self._past(live, start, end, index)
        if live.at < start:
            if end < live.end:
                self._live.add(_Live(end, live.end, live.first, live.look, live.call))
            live.end = start
        elif end < live.end:
            live.at = end
        else:
            self._live.remove(live)

    def _past(self, live: _Live, start: i64, end: i64, index: i64) -> None:
        """`[start, end)` of a live piece looks so no more."""
        if live.first < index:
            self.pieces.append(Piece(start, end, live.first, index, live.look, live.call))
        if live.look[0] == NO_ACCESS:
            self.no_access -= end - start

    # Boundaries.

    def _set_starts(self, start: i64, end: i64, vmas: list[Vma], index: i64) -> None:
        """In `[start, end]` VMAs start where these do from call `index` on.

        `end` is within it: a VMA that started there may have grown downwards.
        """
        known = self._starts.around(start, end)
        count: i64 = len(known)
        at: i64 = 0
        if count > 0 and known[0].at < start:
            at = 1
        changed = False
        lower: i64 = -1
        for vma in vmas:
            address, touches = vma.vm_start, vma.vm_start == lower
            lower = vma.vm_end
            if address < start or address > end:
                continue
            while at < count and known[at].at < address:
                self._gone(known[at], index)
                changed = True
                at += 1
            if at < count and known[at].at == address:
                found = known[at]
                at += 1
            else:
                found = _Start(address)
                self._starts.add(found)
                self.density.add(int(address), 1)
                changed = True
            if not touches:
                self._part(found, index)
            elif found.first < 0:
                found.first, found.causes = index, None
        while at < count:
            self._gone(known[at], index)
            changed = True
            at += 1
        if changed:
            self.density.fit()

    def _gone(self, known: _Start, index: i64) -> None:
        """No VMA starts there any more."""
        self._part(known, index)
        self._starts.remove(known)
        self.density.add(int(known.at), -1)

    def _part(self, known: _Start, index: i64) -> None:
        """No VMA ends there, or none starts there."""
        if 0 <= known.first < index:
            self.boundaries.append(Boundary(known.at, known.first, index, known.causes))
        known.first = -1

    def _ask(self, mm: Mm, start: i64, end: i64, vmas: list[Vma]) -> None:
        """Ask the engine what keeps VMAs apart that touch where a call worked."""
        prober = Prober(mm)
        lower: Vma | None = None
        for vma in vmas:
            if lower is not None and start <= vma.vm_start <= end and lower.vm_end == vma.vm_start:
                self._asked += 1
                causes = prober.causes(lower, vma)
                found = " + ".join(one.text for one in causes)
                self._starts.around(vma.vm_start, vma.vm_start)[0].causes = found
            lower = vma

    # Bounds.

    def _fit(self, limit: i64, index: i64) -> None:
        """Make the pieces coarser, and leave boundaries out, until `limit` of each are left."""
        self.pieces, self.grain, self.slack = fitted(
            self.pieces, limit, index, self.grain, self.slack
        )
        if len(self.pieces) > limit:
            self.dropped += sum(piece.count for piece in self.pieces)
            self.pieces = sorted(self.pieces, key=lifetime)[-limit:]
            self.dropped -= sum(piece.count for piece in self.pieces)
        if len(self.boundaries) > limit:
            self.forgotten += len(self.boundaries) - limit
            self.boundaries = longest_lived(self.boundaries, limit)


def _first(start: _Start) -> int:
    return int(start.first)


def _place(piece: Piece) -> tuple[int, int]:
    return int(piece.start), int(piece.first)


def _address(boundary: Boundary) -> tuple[int, int]:
    return int(boundary.address), int(boundary.first)
