# SPDX-License-Identifier: GPL-2.0-or-later
"""Finding set and clear bits in a word, and in words that stand for a long row of bits.

Mirrors: lib/find_bit.c, include/linux/find.h.  A word is a plain int that is not negative; a row of
words has BITS_PER_WORD bits each.  Where the kernel answers "the size" for nothing found, so do
these.
"""

from typing import Final

from mypy_extensions import i64

# 32, so that a word of bits is a small int in both builds.
BITS_PER_WORD: Final = 32
WORD_MASK: Final = 0xFFFFFFFF


def first_bit(word: int) -> int:
    """Return the number of the lowest set bit of a word that is not 0 (`__ffs`)."""
    return (word & -word).bit_length() - 1


def last_bit(word: int) -> int:
    """Return the number of the highest set bit of a word that is not 0 (`__fls`)."""
    return word.bit_length() - 1


def first_zero(word: int) -> int:
    """Return the number of the lowest clear bit (`ffz`)."""
    return first_bit(~word)


def find_next_bit(words: list[int], size: i64, start: i64) -> i64:
    """Return the first set bit from `start` on; `size` when there is none.  O(words)."""
    if start >= size:
        return size
    index = start // BITS_PER_WORD
    word = words[index] >> int(start % BITS_PER_WORD) << int(start % BITS_PER_WORD)
    while word == 0:
        index += 1
        if index >= len(words):
            return size
        word = words[index]
    return min(index * BITS_PER_WORD + first_bit(word), size)


def find_next_zero_bit(words: list[int], size: i64, start: i64) -> i64:
    """Return the first clear bit from `start` on; `size` when there is none.  O(words)."""
    if start >= size:
        return size
    index = start // BITS_PER_WORD
    word = words[index] | (1 << int(start % BITS_PER_WORD)) - 1
    while word == WORD_MASK:
        index += 1
        if index >= len(words):
            return size
        word = words[index]
    return min(index * BITS_PER_WORD + first_zero(word), size)


def find_last_bit(words: list[int], size: i64) -> i64:
    """Return the last set bit; `size` when there is none.  O(words)."""
    index = len(words) - 1
    while index >= 0:
        if words[index] != 0:
            return index * BITS_PER_WORD + last_bit(words[index])
        index -= 1
    return size
