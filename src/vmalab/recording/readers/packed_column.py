# SPDX-License-Identifier: GPL-2.0-or-later
"""A column of a batch of rows as Arrow lays it out, whose values are read as native numbers.

A row is counted from 0 on. What a row lacks has no value: its place in the column may hold
anything.
"""

from sys import intern
from typing import Final, final

from librt.strings import read_f64_le, read_i32_le, read_i64_le
from mypy_extensions import i64, mypyc_attr

from vmalab.calls.call import DECIMAL, HEXADECIMAL, TEXT
from vmalab.linux.include.registers import register
from vmalab.recording.readers.characters import LOWER_A, LOWER_X, ZERO

# What a column's values are: numbers of 64 bits with a sign or without, floats, places of words
# among its texts, single bits.
SIGNED: Final = 0
UNSIGNED: Final = 1
FLOAT: Final = 2
WORD: Final = 3
BIT: Final = 4


def _is_set(bits: bytes, at: i64) -> bool:
    return (bits[at >> 3] >> (at & 7)) & 1 != 0


def _is_decimal(text: bytes, start: i64, end: i64, value: i64) -> bool:
    """Return whether the characters [start, end), some, are a number from 0 on, as printed."""
    while end > start:
        end -= 1
        if text[end] != ZERO + value % 10:
            return False
        value = value // 10
        if value == 0:
            return end == start
    return False


def _is_hexadecimal(text: bytes, start: i64, end: i64, value: i64) -> bool:
    """Return whether the characters [start, end), some, are a number from 0 on, as printed."""
    while end > start:
        end -= 1
        digit = value & 15
        if text[end] != (ZERO + digit if digit < 10 else LOWER_A - 10 + digit):
            return False
        value >>= 4
        if value == 0:
            return end == start
    return False


@final
@mypyc_attr(native_class=True, acyclic=True)
class Words:
    """The texts of a column, each of which becomes an object once it is asked for.

    count: how many there are. longest: the most bytes that one has.
    """

    def __init__(
        self, count: int, ends: bytes, text: bytes, valid: bytes, first: int, compared: bool
    ) -> None:
        """text: all of them. ends: where each begins, and the last ends, counted as the first is.

        valid, first: as a column's. compared: whether they are looked up and compared.
        """
        self._ends = ends
        self._text = text
        self._base = i64(read_i32_le(ends, 0))
        self._valid = valid
        self._first: i64 = first
        self._compared = compared
        self.count = count
        self._made: list[str | None] = [None] * count
        longest: i64 = 0
        begin = self._base
        for at in range(1, i64(count) + 1):
            end = i64(read_i32_le(ends, 4 * at))
            longest = max(longest, end - begin)
            begin = end
        self.longest: i64 = longest

    def length(self, at: i64) -> i64:
        """Return how many bytes a text has."""
        return i64(read_i32_le(self._ends, 4 * at + 4)) - i64(read_i32_le(self._ends, 4 * at))

    def text(self, at: i64) -> str | None:
        """Return a text, None where there is none."""
        made = self._made[at]
        if made is None and (len(self._valid) == 0 or _is_set(self._valid, self._first + at)):
            start = i64(read_i32_le(self._ends, 4 * at)) - self._base
            made = self._text[start : start + self.length(at)].decode()
            if self._compared:
                made = intern(made)
            self._made[at] = made
        return made

    def place(self, text: str) -> i64:
        """Return where a text is for the first time, -1 where it is not."""
        for at in range(len(self._made)):
            if self.text(at) == text:
                return at
        return -1

    @property
    def only(self) -> str | None:
        """The one text that there is, None where there are others."""
        return self.text(0) if len(self._made) == 1 else None

    def shows(self, at: i64, value: i64) -> i64:
        """Return how a text prints a number, from 0 on: DECIMAL or HEXADECIMAL; else TEXT."""
        start = i64(read_i32_le(self._ends, 4 * at)) - self._base
        end = start + self.length(at)
        text = self._text
        if value < 0 or start == end:
            return TEXT
        if end - start > 2 and text[start] == ZERO and text[start + 1] == LOWER_X:
            return HEXADECIMAL if _is_hexadecimal(text, start + 2, end, value) else TEXT
        return DECIMAL if _is_decimal(text, start, end, value) else TEXT


@final
@mypyc_attr(native_class=True, acyclic=True)
class Column:
    """A column, some row of which has a value.

    form: what its values are. rows: the values, or the places of words in four bytes each. valid:
    a bit for each row, whether it has a value; empty where all have. first: the bit of row 0.
    """

    def __init__(
        self, form: int, rows: bytes, valid: bytes, first: int, words: Words | None
    ) -> None:
        self.form: i64 = form
        self.rows = rows
        self.valid = valid
        self.first: i64 = first
        self._words = words

    def has(self, at: i64) -> bool:
        """Return whether a row has a value."""
        return len(self.valid) == 0 or _is_set(self.valid, self.first + at)

    @property
    def words(self) -> Words:
        """The texts of a column of WORD."""
        words = self._words
        assert words is not None
        return words

    def word_at(self, at: i64) -> i64:
        """Return the place of a row's word among the texts."""
        return i64(read_i32_le(self.rows, 4 * at))

    def text(self, at: i64) -> str | None:
        """Return the text of a row, None where it has none."""
        return self.words.text(self.word_at(at)) if self.has(at) else None

    def number(self, at: i64) -> i64:
        """Return the number of a row that has one, as a register holds it."""
        return read_i64_le(self.rows, 8 * at)

    def fraction(self, at: i64) -> float:
        """Return the float of a row that has one."""
        return read_f64_le(self.rows, 8 * at)

    def bit(self, at: i64) -> bool:
        """Return the bit of a row that has one."""
        return _is_set(self.rows, self.first + at)

    def value(self, at: i64) -> object:
        """Return what a row has, as an object; None where it has no value."""
        if not self.has(at):
            return None
        if self.form == WORD:
            return self.text(at)
        if self.form == FLOAT:
            return self.fraction(at)
        if self.form == BIT:
            return self.bit(at)
        number = self.number(at)
        return int(number) if self.form == SIGNED else register(number)

    @property
    def is_blank(self) -> bool:
        """Whether each value is 0, or false."""
        return self.rows == bytes(len(self.rows))

    @property
    def bytes_of_row(self) -> int:
        """The most bytes of text that a row has."""
        return int(self.words.longest) if self.form == WORD else 0

    def bytes_of(self, start: i64, end: i64) -> i64:
        """Return how many bytes the texts of rows [start, end) have, each counted."""
        words = self.words
        total: i64 = 0
        for at in range(start, end):
            if self.has(at):
                total += words.length(self.word_at(at))
        return total

    def find_longer(self, most: i64, rows: i64) -> i64:
        """Return the first of so many rows whose text has more bytes; -1: there is none."""
        words = self.words
        for at in range(rows):
            if self.has(at) and words.length(self.word_at(at)) > most:
                return at
        return -1
