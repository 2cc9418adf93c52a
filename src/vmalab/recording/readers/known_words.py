# SPDX-License-Identifier: GPL-2.0-or-later
"""Words that come again and again, each as one object."""

from sys import intern
from typing import final

from mypy_extensions import i64

from vmalab.recording.readers.characters import SPACE
from vmalab.recording.readers.known_parts import MAX_PARTS, KnownParts
from vmalab.recording.readers.scanner import Scanner, text_of


@final
class KnownWords:
    """Words that have been read. Memory: bounded, by a clear when full."""

    def __init__(self) -> None:
        self._parts = KnownParts()
        self._words: list[str] = []

    def word(self, scanner: Scanner) -> str:
        """Return what stands before the next space, and pass both; "" where nothing does."""
        text = scanner.text
        start = scanner.at
        at = scanner.place_of(SPACE, SPACE)
        scanner.at = at + 1 if text[at] == SPACE else at
        known = self._parts.find(scanner, start, at)
        if known < 0:
            known = self._learn(text[start:at])
        return self._words[known]

    def _learn(self, raw: bytes) -> i64:
        if self._parts.count >= MAX_PARTS:
            self._parts.clear()
            self._words.clear()
        self._words.append(intern(text_of(raw)))
        return self._parts.add(raw)
