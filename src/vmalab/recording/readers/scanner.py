# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the parts of a line one after the other, character by character: numbers and words.

For lines of which a file has very many. It takes what is usual only; a file's reader looks again at
a line that is not.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.recording.readers.characters import LOWER_A, LOWER_F, NINE, SPACE, ZERO

# Digits that surely make a native number.
_MAX_DIGITS: Final = 15


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Scanner:
    """A line that is being read.

    at: the place of the part that comes next. A part ends before a character, or where the line
    does; it is passed with that character once it has been read.
    """

    def __init__(self, line: str, at: i64 = 0) -> None:
        self._line = line
        self._length: i64 = len(line)
        self.at: i64 = at

    @property
    def done(self) -> bool:
        """Whether all of the line has been passed."""
        return self.at > self._length

    def hexadecimal(self, end: i64) -> i64:
        """Return a number in lower-case hexadecimal digits; -1 where there is none."""
        line = self._line
        start = self.at
        at = start
        value: i64 = 0
        while at < self._length and at - start <= _MAX_DIGITS:
            char: i64 = ord(line[at])
            if ZERO <= char <= NINE:
                value = value * 16 + char - ZERO
            elif LOWER_A <= char <= LOWER_F:
                value = value * 16 + char - LOWER_A + 10
            else:
                break
            at += 1
        return value if self._ends(at, end) else -1

    def decimal(self, end: i64) -> i64:
        """Return a number in decimal digits; -1 where there is none."""
        line = self._line
        start = self.at
        at = start
        value: i64 = 0
        while at < self._length and at - start <= _MAX_DIGITS:
            char: i64 = ord(line[at])
            if not ZERO <= char <= NINE:
                break
            value = value * 10 + char - ZERO
            at += 1
        return value if self._ends(at, end) else -1

    def word(self) -> str:
        """Return what stands before the next space; "" where nothing does."""
        line = self._line
        start = self.at
        at = start
        while at < self._length and ord(line[at]) != SPACE:
            at += 1
        self.at = at + 1
        return line[start:at]

    def _ends(self, at: i64, end: i64) -> bool:
        """Return whether a number ends at a place, and pass it then."""
        if at == self.at or at - self.at > _MAX_DIGITS:
            return False
        if at < self._length and ord(self._line[at]) != end:
            return False
        self.at = at + 1
        return True
