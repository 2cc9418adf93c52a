# SPDX-License-Identifier: GPL-2.0-or-later
"""Things by address in order, tens of thousands, of which each call adds and takes away a few.

They are kept in blocks, so that a change moves no more than a block's.
"""

from typing import Final, Generic, TypeVar, final

from mypy_extensions import i64, mypyc_attr

# Spots of a block before it becomes two.
_MOST: Final = 512


@mypyc_attr(native_class=True, acyclic=True)
class Spot:
    """Something at an address (bytes). It may move, but not past its neighbours."""

    __slots__ = ("at",)

    def __init__(self, at: i64) -> None:
        self.at = at


SpotT = TypeVar("SpotT", bound=Spot)


@final
class Spots(Generic[SpotT]):
    """Spots by their addresses, at most one at each."""

    def __init__(self) -> None:
        # No block is empty.
        self._blocks: list[list[SpotT]] = []

    def all(self) -> list[SpotT]:
        """Return all of them, lowest first."""
        return [spot for block in self._blocks for spot in block]

    def around(self, start: i64, end: i64) -> list[SpotT]:
        """Return the highest that is not above `start`, and those behind up to `end`, in order."""
        blocks = self._blocks
        count: i64 = len(blocks)
        found: list[SpotT] = []
        if count == 0:
            return found
        at = self._block_of(start)
        low = max(_count_to(blocks[at], start) - 1, 0)
        while at < count:
            block = blocks[at]
            size: i64 = len(block)
            high = low
            while high < size and block[high].at <= end:
                high += 1
            found += block[low:high]
            if high < size:
                break
            low = 0
            at += 1
        return found

    def add(self, spot: SpotT) -> None:
        """Add one where there is none yet."""
        blocks = self._blocks
        if not blocks:
            blocks.append([spot])
            return
        at = self._block_of(spot.at)
        block = blocks[at]
        block.insert(_count_to(block, spot.at), spot)
        if len(block) > _MOST:
            blocks.insert(at + 1, block[_MOST // 2 :])
            del block[_MOST // 2 :]

    def remove(self, spot: SpotT) -> None:
        """Take one away that is there."""
        at = self._block_of(spot.at)
        block = self._blocks[at]
        index = _count_to(block, spot.at) - 1
        assert block[index] is spot, "a spot that is not there"
        del block[index]
        if not block:
            del self._blocks[at]

    def _block_of(self, address: i64) -> i64:
        """Return the last block that begins at or below an address, or the first."""
        blocks = self._blocks
        low: i64 = 1
        high: i64 = len(blocks)
        while low < high:
            middle = (low + high) >> 1
            if blocks[middle][0].at <= address:
                low = middle + 1
            else:
                high = middle
        return low - 1


def _count_to(block: list[SpotT], address: i64) -> i64:
    """Return how many spots of a block are at or below an address."""
    low: i64 = 0
    high: i64 = len(block)
    while low < high:
        middle = (low + high) >> 1
        if block[middle].at <= address:
            low = middle + 1
        else:
            high = middle
    return low
