# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the parts of lines one after the other, byte by byte: numbers and words.

For lines of which a file has very many. It takes what is usual only; a file's reader looks again at
a line that is not.
"""

from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64, mypyc_attr

from vmalab.recording.readers.characters import (
    LOWER_X,
    NEWLINE,
    SPACE,
    ZERO,
)

# Digits that surely make a native number.
_MAX_DECIMAL: Final = 18
_MAX_HEXADECIMAL: Final = 15
# What may be read behind a text; of bytes read at once, those that make a number without a sign.
PADDING: Final = b"\n" * 8
_PLAIN: Final = 7
_PLAIN_WORD: Final = (1 << 56) - 1
# In each of these bytes the lowest bit, the highest bit, a newline.
_ONES: Final = 0x01010101010101
_HIGHEST: Final = 0x80808080808080
_NEWLINES: Final = 0x0A0A0A0A0A0A0A
# What lifts a byte to its highest bit: from "0" on, above "9", from "a" on, above "f".
_FROM_0: Final = 0x50505050505050
_ABOVE_9: Final = 0x46464646464646
_FROM_A: Final = 0x1F1F1F1F1F1F1F
_ABOVE_F: Final = 0x19191919191919
# The lower half of a key; what either half is multiplied by, so that all bits come to matter.
_LOWER_HALF: Final = (1 << 31) - 1
_ODD: Final = 0x5BD1E995
_ODD_TOO: Final = 0x2545F491
# Bytes that are compared at once.
_WORD: Final = 8
# In each byte the lower half; in the first of two bytes, and the first of four.
_LOWER_HALVES: Final = 0x0F0F0F0F0F0F0F
_OF_TWO: Final = 0x000F000F000F000F
_OF_FOUR: Final = 0x000000FF000000FF


def text_of(raw: bytes) -> str:
    """Return what a file has as text: bytes that are not UTF-8 become surrogate escapes."""
    return raw.decode("utf-8", "surrogateescape")


def bytes_of(line: str) -> bytes:
    """Return a line as a file has it, with a newline; b"" where no file can have it."""
    if "\n" in line:
        return b""
    try:
        return (line + "\n").encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b""


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Scanner:
    """Lines that are being read.

    text: whole lines, each ended by a newline, and some newlines more, so that several bytes can be
    read at once anywhere. size: of the lines, in bytes. at: the place of the part that comes next.
    value: the number that was read last, see `number`; in_hexadecimal: whether it was in such
    digits. key: see `place_of`.
    """

    def __init__(self, text: bytes, at: i64 = 0) -> None:
        self.text = text + PADDING
        self.size: i64 = len(text)
        self.at: i64 = at
        self.value: i64 = 0
        self.in_hexadecimal = False
        self.key: i64 = 0

    @property
    def done(self) -> bool:
        """Whether all of the line has been passed, but for its newline."""
        return self.text[self.at] == NEWLINE

    def number(self) -> bool:
        """Pass a number that is printed as C does, with 0x or decimal: whether there is one.

        It has no sign, and no zeros before it. `value` is the number then.
        """
        text = self.text
        start = self.at
        first: i64 = text[start]
        self.in_hexadecimal = first == ZERO and text[start + 1] == LOWER_X
        if self.in_hexadecimal:
            start += 2
            self.at = start
            self.value = self.hexadecimal_digits()
            if self.value < 0:
                self.at = start - 2
                return False
            first = text[start]
        else:
            self.value = self.decimal_digits()
            if self.value < 0:
                return False
        if first == ZERO and self.at - start > 1:
            self.at = start - 2 if self.in_hexadecimal else start
            return False
        return True

    def decimal_digits(self) -> i64:
        """Pass all decimal digits that come next: their number; -1 for none, or for too many."""
        text = self.text
        start = self.at
        at = start
        value: i64 = 0
        word: i64 = 0
        left: i64 = 0
        while True:
            if left == 0:
                word = read_i64_le(text, at) & _PLAIN_WORD
                left = _PLAIN
            digit = (word & 0xFF) - ZERO
            if digit < 0 or digit > 9:
                break
            if at - start >= _MAX_DECIMAL:
                return -1
            value = value * 10 + digit
            word >>= 8
            left -= 1
            at += 1
        if at == start:
            return -1
        self.at = at
        return value

    def hexadecimal_digits(self) -> i64:
        """Pass all lower-case hexadecimal digits that come next: their number, or -1 as above."""
        text = self.text
        start = self.at
        at = start
        value: i64 = 0
        count: i64 = _PLAIN
        while count == _PLAIN:
            # Of several bytes at once: the highest bit of each that is no digit.
            word = read_i64_le(text, at) & _PLAIN_WORD
            digits = (word + _FROM_0) & ~(word + _ABOVE_9) | (word + _FROM_A) & ~(word + _ABOVE_F)
            others = (word | ~digits) & _HIGHEST
            if others != 0:
                count = 0
                while others & 0x80 == 0:
                    others >>= 8
                    count += 1
                if count == 0:
                    break
            at += count
            if at - start > _MAX_HEXADECIMAL:
                return -1
            value = value << 4 * count | _value_of_digits(word, count)
        if at == start:
            return -1
        self.at = at
        return value

    def hexadecimal(self, end: i64) -> i64:
        """Return a number in lower-case hexadecimal digits; -1 where there is none.

        It ends before a character, which is passed with it, or where the line does.
        """
        start = self.at
        value = self.hexadecimal_digits()
        if value >= 0 and self._ends(start, end):
            return value
        return -1

    def decimal(self, end: i64) -> i64:
        """Return a number in decimal digits; -1 where there is none. It ends as above."""
        start = self.at
        value = self.decimal_digits()
        if value >= 0 and self._ends(start, end):
            return value
        return -1

    def place_of(self, one: i64, other: i64) -> i64:
        """Return where one of two characters comes next, or the line ends.

        `key` is then a number of 62 bits that is made of all bytes before it.
        """
        text = self.text
        at = self.at
        key: i64 = 0
        first: i64 = one * _ONES
        second: i64 = other * _ONES
        while True:
            # Of several bytes at once: the highest bit of the first that is one of these, and of
            # none before it.
            word = read_i64_le(text, at) & _PLAIN_WORD
            hits = (word ^ _NEWLINES) - _ONES & ~(word ^ _NEWLINES)
            hits |= (word ^ first) - _ONES & ~(word ^ first)
            hits |= (word ^ second) - _ONES & ~(word ^ second)
            hits &= _HIGHEST
            if hits != 0:
                key = _mixed(key, word & ((hits & -hits) >> 7) - 1)
                self.key = key ^ (key >> 29)
                while hits & 0x80 == 0:
                    hits >>= 8
                    at += 1
                return at
            key = _mixed(key, word)
            at += _PLAIN

    def has(self, part: bytes, start: i64, end: i64) -> bool:
        """Return whether a part, which has PADDING behind it, stands in `text[start:end]`."""
        text = self.text
        left: i64 = end - start
        if len(part) - len(PADDING) != left:
            return False
        at: i64 = 0
        while left >= _WORD:
            if read_i64_le(part, at) != read_i64_le(text, start + at):
                return False
            at += _WORD
            left -= _WORD
        if left == 0:
            return True
        others = read_i64_le(part, at) ^ read_i64_le(text, start + at)
        return others & _PLAIN_WORD >> (_PLAIN - left) * 8 == 0

    def passes(self, word: bytes) -> bool:
        """Pass a word, if it comes next: whether it does."""
        text = self.text
        start = self.at
        at: i64 = 0
        size: i64 = len(word)
        while at < size and text[start + at] == word[at]:
            at += 1
        if at < size:
            return False
        self.at = start + size
        return True

    def word(self) -> str:
        """Return what stands before the next space, which is passed; "" where nothing does."""
        text = self.text
        start = self.at
        at = self.place_of(SPACE, SPACE)
        self.at = at + 1 if text[at] == SPACE else at
        return text_of(text[start:at])

    def line(self) -> str:
        """Return what is left of the line, and pass it with its newline."""
        start = self.at
        end: i64 = self.text.index(b"\n", start)
        self.at = end + 1
        return text_of(self.text[start:end])

    def _ends(self, start: i64, end: i64) -> bool:
        """Return whether a number that began at `start` ends here; else it has not been passed."""
        char: i64 = self.text[self.at]
        if char == end:
            self.at += 1
            return True
        if char != NEWLINE:
            self.at = start
            return False
        return True


def _mixed(key: i64, word: i64) -> i64:
    """Return a key that some more bytes have been added to."""
    key ^= word
    return (key & _LOWER_HALF) * _ODD ^ (key >> 31) * _ODD_TOO


def _value_of_digits(word: i64, count: i64) -> i64:
    """Return the number that the first bytes of a word are in lower-case hexadecimal digits.

    Preconditions: 1 to 7 of them.
    """
    # The value of each digit in a byte of its own, behind zeros; of two; of four in two bytes.
    each = (word & _LOWER_HALVES) + (word >> 6 & _ONES) * 9
    each = (each & _PLAIN_WORD >> (_PLAIN - count) * 8) << (_PLAIN + 1 - count) * 8
    twos = (each & _OF_TWO) << 4 | each >> 8 & _OF_TWO
    fours = (twos & _OF_FOUR) << 8 | twos >> 16 & _OF_FOUR
    return (fours & 0xFFFF) << 16 | fours >> 32
