# SPDX-License-Identifier: GPL-2.0-or-later
"""How many VMAs lie where, over time: for address spaces with too many of them to draw each.

VMAs are counted by blocks of addresses, and the counts are kept at a bounded number of moments,
evenly spread over the calls.
"""

from dataclasses import dataclass
from typing import Final, final

# Moments that are kept, and blocks: beyond them, every other moment goes, and blocks get larger.
MAX_MOMENTS: Final = 256
MAX_BLOCKS: Final = 1024
# log2 of the bytes of a block, at first: what one page table covers.
_BLOCK_SHIFT: Final = 21


@dataclass(frozen=True, slots=True)
class DensityGrid:
    """The counts. shift: log2 of a block's bytes. blocks: their numbers, lowest first.

    moments: calls of the image, and `rows` for each the counts of all blocks.
    """

    shift: int
    blocks: list[int]
    moments: list[int]
    rows: list[list[int]]


@final
class Density:
    """How many VMAs start in each block now, and how many did."""

    def __init__(self) -> None:
        self._blocks: dict[int, int] = {}
        self._shift = _BLOCK_SHIFT
        self._stride = 1
        self._moments: list[tuple[int, dict[int, int]]] = []

    def add(self, address: int, number: int) -> None:
        """There are so many VMAs more, or fewer, that start at an address (bytes)."""
        block = address >> self._shift
        count = self._blocks.get(block, 0) + number
        if count:
            self._blocks[block] = count
        else:
            self._blocks.pop(block, None)

    def fit(self) -> None:
        """Make blocks larger where there are too many."""
        if len(self._blocks) > MAX_BLOCKS:
            self._shift += 1
            self._blocks = _larger(self._blocks)
            self._moments = [(index, _larger(counts)) for index, counts in self._moments]

    def note(self, index: int) -> None:
        """Keep the counts after call number `index`, if it is one of the moments."""
        if index % self._stride:
            return
        self._moments.append((index, dict(self._blocks)))
        if len(self._moments) > MAX_MOMENTS:
            self._moments = self._moments[::2]
            self._stride *= 2

    def grid(self) -> DensityGrid:
        """Return everything."""
        blocks = sorted({block for _, counts in self._moments for block in counts})
        rows = [[counts.get(block, 0) for block in blocks] for _, counts in self._moments]
        return DensityGrid(self._shift, blocks, [index for index, _ in self._moments], rows)


def _larger(counts: dict[int, int]) -> dict[int, int]:
    """Return the counts by blocks of twice the size."""
    found: dict[int, int] = {}
    for block, count in counts.items():
        found[block >> 1] = found.get(block >> 1, 0) + count
    return found
