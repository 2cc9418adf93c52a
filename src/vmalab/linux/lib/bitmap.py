# SPDX-License-Identifier: GPL-2.0-or-later
"""Bitmaps: sets of small numbers that grow as needed, with searches for what is set and what not.

Mirrors: lib/bitmap.c, include/linux/bitmap.h.  All bits beyond those that were ever set are clear,
so a bitmap has no end: searches for clear bits always find one.
"""

from typing import final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.lib.find_bit import (
    BITS_PER_WORD,
    WORD_MASK,
    find_last_bit,
    find_next_bit,
    find_next_zero_bit,
)


@final
@mypyc_attr(native_class=True)
class Bitmap:
    """A set of numbers from 0 on, a bit each (`unsigned long *bitmap`)."""

    def __init__(self) -> None:
        self.words: list[int] = []
        # No bit below it is clear: searches from 0, the usual ones, begin here.
        self.full_below: i64 = 0

    def size(self) -> i64:
        """Return how many bits have room in the words that there are."""
        return len(self.words) * BITS_PER_WORD

    def test_bit(self, nr: i64) -> bool:
        """Tell whether a bit is set.  O(1)."""
        if nr < 0 or nr >= self.size():
            return False
        return self.words[nr // BITS_PER_WORD] >> int(nr % BITS_PER_WORD) & 1 != 0

    def set_bit(self, nr: i64) -> None:
        """Set one bit.  O(1), and the room up to it once."""
        while nr >= self.size():
            self.words.append(0)
        self.words[nr // BITS_PER_WORD] |= 1 << int(nr % BITS_PER_WORD)
        if nr == self.full_below:
            self.full_below += 1

    def clear_bit(self, nr: i64) -> None:
        """Clear one bit.  O(1)."""
        if 0 <= nr < self.size():
            self.words[nr // BITS_PER_WORD] &= ~(1 << int(nr % BITS_PER_WORD))
            if nr < self.full_below:
                self.full_below = nr

    def find_next_bit(self, start: i64) -> i64:
        """Return the first set bit from `start` on, or -1."""
        found = find_next_bit(self.words, self.size(), start)
        return found if found < self.size() else -1

    def find_next_zero_bit(self, start: i64) -> i64:
        """Return the first clear bit from `start` on; there always is one."""
        if start <= self.full_below:
            self.full_below = find_next_zero_bit(self.words, self.size(), self.full_below)
            return self.full_below
        return max(find_next_zero_bit(self.words, self.size(), start), start)

    def find_last_bit(self) -> i64:
        """Return the last set bit, or -1."""
        found = find_last_bit(self.words, self.size())
        return found if found < self.size() else -1

    def weight(self) -> i64:
        """Return how many bits are set (`bitmap_weight`)."""
        count: i64 = 0
        for word in self.words:
            count += word.bit_count()
        return count

    def empty(self) -> bool:
        """Tell whether no bit is set (`bitmap_empty`)."""
        return self.find_next_bit(0) < 0

    def bits(self) -> list[int]:
        """Return the numbers of all set bits, lowest first (`for_each_set_bit`)."""
        found: list[int] = []
        nr = self.find_next_bit(0)
        while nr >= 0:
            found.append(int(nr))
            nr = self.find_next_bit(nr + 1)
        return found

    def copy(self) -> "Bitmap":
        """Return a bitmap of its own with the same bits set (`bitmap_copy`)."""
        new = Bitmap()
        new.words = list(self.words)
        new.full_below = self.full_below
        return new

    def __contains__(self, nr: object) -> bool:
        """`nr in bitmap` reads well where the bits stand for members."""
        return isinstance(nr, int) and self.test_bit(nr)

    def validate(self) -> None:
        """Assert that every word fits, and that nothing is clear below `full_below`."""
        for word in self.words:
            assert 0 <= word <= WORD_MASK, f"bitmap: a word of {word.bit_length()} bits"
        assert 0 <= self.full_below <= self.size(), "bitmap: full beyond its words"
        first = find_next_zero_bit(self.words, self.size(), 0)
        assert first >= self.full_below, f"bitmap: bit {first} is clear, it says none is below"
