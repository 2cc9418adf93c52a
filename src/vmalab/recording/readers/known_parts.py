# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of lines that come again and again, each with a number: found without making an object."""

from typing import Final, final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from vmalab.recording.readers.scanner import PADDING

# Parts that are known at a time, before they are forgotten.
MAX_PARTS: Final = 1 << 15
# The lower half of a key; what either half is multiplied by, so that all bits come to matter.
_LOWER_HALF: Final = (1 << 31) - 1
_ODD: Final = 0x5BD1E995
_ODD_TOO: Final = 0x2545F491
_FEWEST_SLOTS: Final = 64
# Bytes that are compared at once; those that make a number without a sign.
_WORD: Final = 8
_PLAIN: Final = 7
_PLAIN_WORD: Final = (1 << 56) - 1


@final
class KnownParts:
    """Numbers of parts, from 0 on in the order in which they became known.

    count: how many are known.
    """

    def __init__(self) -> None:
        self.count: i64 = 0
        self._parts: list[bytes] = []
        # A part's number and 1 at the place of its key, or behind it; 0: nothing.
        self._slots: vec[i64] = vec[i64]([0] * _FEWEST_SLOTS)
        self._mask: i64 = _FEWEST_SLOTS - 1

    def find(self, text: bytes, start: i64, end: i64) -> i64:
        """Return the number of the part that is `text[start:end]`; -1 where it is not known.

        text: a scanner's, with what may be read behind its lines.
        """
        slots = self._slots
        at = _key(text, start, end) & self._mask
        number: i64 = slots[at] - 1
        while number >= 0 and not _is_same(self._parts[number], text, start, end):
            at = (at + 1) & self._mask
            number = slots[at] - 1
        return number

    def add(self, part: bytes) -> i64:
        """Return the number that a part has from now on.

        Preconditions: it is not known, and fewer than MAX_PARTS are.
        """
        number = self.count
        self.count = number + 1
        self._parts.append(part + PADDING)
        if self.count * 2 > len(self._slots):
            self._widen()
        else:
            self._enter(number)
        return number

    def clear(self) -> None:
        """Forget all parts."""
        self.count = 0
        self._parts.clear()
        self._slots = vec[i64]([0] * len(self._slots))

    def _enter(self, number: i64) -> None:
        slots = self._slots
        part = self._parts[number]
        at = _key(part, 0, len(part) - len(PADDING)) & self._mask
        while slots[at] != 0:
            at = (at + 1) & self._mask
        slots[at] = number + 1

    def _widen(self) -> None:
        size = len(self._slots) * 2
        self._slots = vec[i64]([0] * size)
        self._mask = size - 1
        for number in range(self.count):
            self._enter(number)


def _key(text: bytes, start: i64, end: i64) -> i64:
    """Return a number that is made of all bytes of `text[start:end]`."""
    key: i64 = end - start
    at = start
    while end - at >= _PLAIN:
        key = _mixed(key, read_i64_le(text, at) & _PLAIN_WORD)
        at += _PLAIN
    if at < end:
        key = _mixed(key, read_i64_le(text, at) & _first_bytes(end - at))
    return key ^ (key >> 29)


def _mixed(key: i64, word: i64) -> i64:
    """Return a key that some more bytes have been added to. Keys have 62 bits."""
    key ^= word
    return (key & _LOWER_HALF) * _ODD ^ (key >> 31) * _ODD_TOO


def _first_bytes(count: i64) -> i64:
    """Return the bits of so many bytes of a word, fewer than all."""
    return _PLAIN_WORD >> (_PLAIN - count) * 8


def _is_same(part: bytes, text: bytes, start: i64, end: i64) -> bool:
    """Return whether a part is `text[start:end]`."""
    length: i64 = end - start
    if len(part) - len(PADDING) != length:
        return False
    at: i64 = 0
    while length - at >= _WORD:
        if read_i64_le(part, at) != read_i64_le(text, start + at):
            return False
        at += _WORD
    if at == length:
        return True
    return (read_i64_le(part, at) ^ read_i64_le(text, start + at)) & _first_bytes(length - at) == 0
