# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes the lines of a text out of what a program has put each in: JSON, a table's cells."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Protocol

from vmalab.recording.readers import cells, json_lines
from vmalab.recording.readers.wrapped import LOOKED_AT

Known = Callable[[Sequence[str]], Sequence[object]]


class Unpacker(Protocol):
    """Takes lines, gives those in them; see `json_lines.JsonUnpacker`."""

    several: bool
    goes_on: bool

    def feed(self, line: str) -> list[str]:
        """One line of the file, without its newline."""

    def finish(self) -> list[str]:
        """Return what is not whole where the file ends."""

    def ends_with(self, line: str) -> bool:
        """Return whether nothing can be missing of a line, the next, by itself."""


class Packing(Protocol):
    """What the lines of a text are in."""

    @property
    def known(self) -> int:
        """How many lines show it."""

    @property
    def remark(self) -> str:
        """Where the lines were, as a sentence."""

    def unpacker(self) -> Unpacker:
        """Return what takes lines out."""


def packing_of(lines: Sequence[str], known: Known) -> Packing | None:
    """Return what the lines of a text are in, None where most are in nothing.

    known: gives something for each of some lines that is known for what it is.
    """

    def shows(texts: Sequence[str]) -> Sequence[object]:
        """Return something for each text that is known, by itself or by what is in it."""
        plain = known(texts)
        inner = None if plain else packing_of(texts, known)
        return plain if inner is None else range(inner.known)

    found: list[Packing] = []
    for packing in (json_lines.packing_of(lines, shows), cells.packing_of(lines, shows)):
        if packing is not None:
            found.append(packing)
    # A quoted line without quotation marks in it is the same in both.
    return max(found, key=lambda packing: packing.known, default=None)


def unpacked_lines(lines: Iterable[str], known: Known) -> Iterator[str]:
    """Return the lines of a text, taken out of what most of them are in."""
    source = iter(lines)
    first = list(islice(source, LOOKED_AT))
    packing = packing_of(first, known)
    whole = chain(first, source)
    # Each value within another takes a longer line: they are not many.
    return whole if packing is None else unpacked_lines(_unpacked(whole, packing), known)


def _unpacked(lines: Iterable[str], packing: Packing) -> Iterator[str]:
    unpacker = packing.unpacker()
    for line in lines:
        yield from unpacker.feed(line)
    yield from unpacker.finish()
