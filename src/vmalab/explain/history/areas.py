# SPDX-License-Identifier: GPL-2.0-or-later
"""The address space over time: which range looked how, from which call to which.

The map is painted: a piece is a range that has looked the same since a call made it so. A call
that changes part of a piece ends that part; the rest goes on. Boundaries between VMAs that touch
are kept beside it, for two VMAs may well look the same.
"""

from itertools import pairwise
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.explain.history.addresses import Addresses
from vmalab.explain.history.density import Density
from vmalab.explain.history.looks import KINDS, Look, look_of
from vmalab.explain.history.pieces import Boundary, Piece, fitted, lifetime
from vmalab.explain.why.barriers import Prober
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.targets.model.capture import vmas_in

# Pieces, and boundaries, of the past that are kept before they are made coarser.
MAX_PIECES: Final = 20_000
# Times that the engine is asked what keeps the VMAs of a boundary apart.
MAX_ASKED: Final = 40_000


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
        # By where they start.
        self._live: dict[int, _Live] = {}
        self._starts = Addresses()
        # Where VMAs start. Some do where another ends; by address: since which call, and why.
        self._vmas = Addresses()
        self._cuts: dict[int, tuple[int, str | None]] = {}
        self._asked = 0

    def look_at(self, mm: Mm, start: int, end: int, index: int, call: Call | None) -> None:
        """Paint `[start, end)` (bytes) as the map shows it after call number `index`."""
        vmas = vmas_in(mm, start, end)
        same = self._shape_kept(vmas, start, end)
        if same is not None:
            self._look_again(mm, vmas, same, index, call)
            return
        position = start
        lower: Vma | None = None
        cuts: set[int] = set()
        starts: list[int] = []
        pairs: list[tuple[Vma, Vma]] = []
        for vma in vmas:
            if start <= vma.vm_start <= end:
                starts.append(vma.vm_start)
            if lower is not None and vma.vm_start == lower.vm_end and start <= lower.vm_end <= end:
                cuts.add(vma.vm_start)
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
        self._set_starts(start, end, starts, cuts, index)
        if pairs:
            self._ask(mm, pairs)
        if len(self.pieces) > self._limit or len(self.boundaries) > self._limit:
            self._fit(self._limit // 2, index)

    def _shape_kept(self, vmas: list[Vma], start: int, end: int) -> Vma | None:
        """Return the one VMA of a range that was one piece, bounded in the same way, before."""
        live = self._live.get(start)
        if live is None or live.end != end:
            return None
        found: Vma | None = None
        below = above = False
        for vma in vmas:
            if vma.vm_end == start:
                below = True
            elif vma.vm_start == end:
                above = True
            elif vma.vm_start == start and vma.vm_end == end:
                found = vma
            else:
                return None
        cuts = self._cuts
        if found is None or (start in cuts) != below or (end in cuts) != above:
            return None
        if end - start > PAGE_SIZE and self._vmas.within(start + 1, end - 1):
            return None
        return found

    def _look_again(self, mm: Mm, vmas: list[Vma], vma: Vma, index: int, call: Call | None) -> None:
        """Paint a VMA that is where it was, and ask what keeps it apart now."""
        live, look = self._live[vma.vm_start], look_of(vma)
        if live.look != look:
            self._repaint(vma.vm_start, live, look, index, call)
            if len(self.pieces) > self._limit:
                self._fit(self._limit // 2, index)
        if self._asked < MAX_ASKED:
            self._ask(mm, [pair for pair in pairwise(vmas) if pair[0].vm_end == pair[1].vm_start])

    def finish(self, index: int) -> tuple[list[Piece], list[Boundary]]:
        """Return everything, as of call number `index`, lowest address first."""
        for start in self._starts.all():
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
        found = self._starts.within(start + 1, end - 1)
        below = self._starts.highest(start)
        if below >= 0 and self._live[below].end > start:
            found.insert(0, below)
        return found

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
        self._starts.add(start)

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
            self._starts.remove(at)

    # Boundaries.

    def _set_starts(
        self, start: int, end: int, starts: list[int], cuts: set[int], index: int
    ) -> None:
        """In `[start, end]` these are where VMAs start from call `index` on, lowest first.

        `end` is within it: a VMA that started there may have grown downwards. cuts: those of them
        where another VMA ends.
        """
        before = self._vmas.within(start, end)
        for address in before:
            if address in self._cuts and address not in cuts:
                first, causes = self._cuts.pop(address)
                if first < index:
                    self.boundaries.append(Boundary(address, first, index, causes))
        for address in cuts:
            if address not in self._cuts:
                self._cuts[address] = (index, None)
        if before == starts:
            return
        now = set(starts)
        for address in before:
            if address not in now:
                self._vmas.remove(address)
                self.density.add(address, -1)
        now.difference_update(before)
        for address in now:
            self._vmas.add(address)
            self.density.add(address, 1)
        self.density.fit()

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
            self.pieces = sorted(self.pieces, key=lifetime)[-limit:]
            self.dropped -= sum(piece.count for piece in self.pieces)
        if len(self.boundaries) > limit:
            self.forgotten += len(self.boundaries) - limit
            self.boundaries = sorted(self.boundaries, key=lifetime)[-limit:]


def _place(piece: Piece) -> tuple[int, int]:
    return piece.start, piece.first


def _address(boundary: Boundary) -> tuple[int, int]:
    return boundary.address, boundary.first
