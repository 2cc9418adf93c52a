# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of lines that come again and again, each with a number: found without making an object."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from vmalab.recording.readers.scanner import PADDING, Scanner

# Parts that are known at a time, before they are forgotten.
MAX_PARTS: Final = 1 << 15
_FEWEST_SLOTS: Final = 64


@final
class KnownParts:
    """Numbers of parts, from 0 on in the order in which they became known.

    count: how many are known.
    """

    def __init__(self) -> None:
        self.count: i64 = 0
        self._parts: list[bytes] = []
        # The scanner's key of each, and of what has been looked for last.
        self._keys: list[int] = []
        self._sought: i64 = 0
        # A part's number and 1 at the place of its key, or behind it; 0: nothing.
        self._slots: vec[i64] = vec[i64]([0] * _FEWEST_SLOTS)
        self._mask: i64 = _FEWEST_SLOTS - 1

    def find(self, scanner: Scanner, start: i64, end: i64) -> i64:
        """Return the number of the part that is in [start, end); -1 where it is not known.

        Preconditions: the scanner's key is of it, for it has been asked last where that ends.
        """
        slots = self._slots
        key = scanner.key
        self._sought = key
        at = key & self._mask
        number: i64 = slots[at] - 1
        while number >= 0 and not scanner.has(self._parts[number], start, end):
            at = (at + 1) & self._mask
            number = slots[at] - 1
        return number

    def add(self, part: bytes) -> i64:
        """Return the number that a part has from now on.

        Preconditions: it is what was looked for last, and not known; fewer than MAX_PARTS are.
        """
        number = self.count
        self.count = number + 1
        self._parts.append(part + PADDING)
        self._keys.append(int(self._sought))
        if self.count * 2 > len(self._slots):
            self._widen()
        else:
            self._enter(number)
        return number

    def clear(self) -> None:
        """Forget all parts."""
        self.count = 0
        self._parts.clear()
        self._keys.clear()
        self._slots = vec[i64]([0] * len(self._slots))

    def _enter(self, number: i64) -> None:
        slots = self._slots
        at = i64(self._keys[number]) & self._mask
        while slots[at] != 0:
            at = (at + 1) & self._mask
        slots[at] = number + 1

    def _widen(self) -> None:
        size = len(self._slots) * 2
        self._slots = vec[i64]([0] * size)
        self._mask = size - 1
        for number in range(self.count):
            self._enter(number)
