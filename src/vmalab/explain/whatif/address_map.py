# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the memory of one run is in another: recorded addresses, and what they are in a what-if.

Most memory lies at the same place in both. Only ranges that do not are kept, each with the distance
by which it is shifted, or as lost: mapped in the recording, and refused or left out in the other.
"""

from bisect import bisect_left, bisect_right
from typing import final


@final
class MappedPiece:
    """Part of a recorded range [start, end), in bytes. shift: to add, None: it is lost."""

    __slots__ = ("end", "shift", "start")

    def __init__(self, start: int, end: int, shift: int | None) -> None:
        self.start = start
        self.end = end
        self.shift = shift

    def __repr__(self) -> str:
        return f"<{self.start:#x}-{self.end:#x} by {self.shift}>"


@final
class AddressMap:
    """The shifted and the lost ranges of one address space, by recorded address."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pieces: list[MappedPiece] = []

    def __bool__(self) -> bool:
        """Return whether anything lies elsewhere."""
        return bool(self._pieces)

    def copy(self) -> "AddressMap":
        """Return the same for a child."""
        new = AddressMap()
        new._starts, new._pieces = list(self._starts), list(self._pieces)
        return new

    def set(self, start: int, end: int, shift: int | None) -> None:
        """`[start, end)` (bytes) is shifted so far from now on; None: lost; 0: where it was."""
        if start >= end:
            return
        low = bisect_right(self._starts, start) - 1
        if low < 0 or self._pieces[low].end <= start:
            low += 1
        high = bisect_left(self._starts, end, low)
        new: list[MappedPiece] = []
        for old in self._pieces[low:high]:
            if old.start < start:
                new.append(MappedPiece(old.start, start, old.shift))
        if shift != 0:
            new.append(MappedPiece(start, end, shift))
        for old in self._pieces[low:high]:
            if end < old.end:
                new.append(MappedPiece(end, old.end, old.shift))
        self._pieces[low:high] = new
        self._starts[low:high] = [piece.start for piece in new]

    def clear(self, start: int, end: int) -> None:
        """Nothing is known of `[start, end)` any more: what was there is unmapped."""
        self.set(start, end, 0)

    def pieces(self, start: int, end: int) -> list[MappedPiece]:
        """`[start, end)` by how far it is shifted, lowest first; parts alike are one."""
        found: list[MappedPiece] = []
        position = start
        low = max(bisect_right(self._starts, start) - 1, 0)
        for piece in self._pieces[low : bisect_left(self._starts, end, low)]:
            if piece.end <= start:
                continue
            if position < piece.start:
                _add(found, MappedPiece(position, piece.start, 0))
            position = min(piece.end, end)
            _add(found, MappedPiece(max(piece.start, start), position, piece.shift))
        if position < end or not found:
            _add(found, MappedPiece(position, max(end, position), 0))
        return found

    def point(self, address: int) -> int | None:
        """Return where an address is; None: it is lost. What a range ends with belongs to it."""
        low = bisect_right(self._starts, address) - 1
        if low >= 0 and address <= self._pieces[low].end:
            shift = self._pieces[low].shift
            return None if shift is None else address + shift
        return address

    def back(self, address: int) -> int | None:
        """Return the recorded address of one in the other run; None: nothing recorded is there."""
        for piece in self._pieces:
            if piece.shift is not None and piece.start <= address - piece.shift < piece.end:
                return address - piece.shift
        if self.pieces(address, address + 1)[0].shift != 0:
            return None
        return address


def _add(pieces: list[MappedPiece], new: MappedPiece) -> None:
    """Append a piece, to the last one if that is shifted alike."""
    if pieces and pieces[-1].shift == new.shift and pieces[-1].end == new.start:
        pieces[-1] = MappedPiece(pieces[-1].start, new.end, new.shift)
    else:
        pieces.append(new)
