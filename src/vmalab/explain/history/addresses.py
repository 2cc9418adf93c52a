# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses in order, tens of thousands of them, of which each call adds and takes away a few.

They are kept in blocks, so that a change moves no more than a block's.
"""

from bisect import bisect_left, bisect_right
from typing import Final, final

# Addresses of a block before it becomes two.
_MOST: Final = 512


@final
class Addresses:
    """A set of addresses (bytes)."""

    def __init__(self) -> None:
        # No block is empty, and `_lowest` has the first of each.
        self._blocks: list[list[int]] = []
        self._lowest: list[int] = []

    def all(self) -> list[int]:
        """Return all of them, lowest first."""
        return [address for block in self._blocks for address in block]

    def within(self, start: int, end: int) -> list[int]:
        """Return those in `[start, end]`, lowest first."""
        found: list[int] = []
        at = max(bisect_right(self._lowest, start) - 1, 0)
        while at < len(self._blocks):
            block = self._blocks[at]
            low = bisect_left(block, start)
            high = bisect_right(block, end, low)
            found += block[low:high]
            if high < len(block):
                break
            at += 1
        return found

    def highest(self, limit: int) -> int:
        """Return the highest that is not above a limit (bytes), -1 where there is none."""
        at = bisect_right(self._lowest, limit) - 1
        if at < 0:
            return -1
        block = self._blocks[at]
        return block[bisect_right(block, limit) - 1]

    def add(self, address: int) -> None:
        """Add one that is not there yet."""
        if not self._blocks:
            self._blocks.append([address])
            self._lowest.append(address)
            return
        at = max(bisect_right(self._lowest, address) - 1, 0)
        block = self._blocks[at]
        block.insert(bisect_left(block, address), address)
        self._lowest[at] = block[0]
        if len(block) > _MOST:
            upper = block[_MOST // 2 :]
            del block[_MOST // 2 :]
            self._blocks.insert(at + 1, upper)
            self._lowest.insert(at + 1, upper[0])

    def remove(self, address: int) -> None:
        """Take one away that is there."""
        at = bisect_right(self._lowest, address) - 1
        block = self._blocks[at]
        index = bisect_left(block, address)
        assert block[index] == address, "an address that is not there"
        del block[index]
        if block:
            self._lowest[at] = block[0]
        else:
            del self._blocks[at]
            del self._lowest[at]
