# SPDX-License-Identifier: GPL-2.0-or-later
r"""Takes lines out of objects of JSON that a container or a log shipper has put each of them in.

    {"log":"munmap(0x7f141b907000, 4096) = 0\n","stream":"stderr","time":"2026-11-29T10:00:00Z"}
    {"MESSAGE":"brk(NULL) = 0x5578304cd000","_PID":"812","PRIORITY":"6"}

Which of an object's strings is the line shows where the lines are that are known for what they are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple, final

from vmalab.recording.json_text import json_value
from vmalab.recording.readers.line_source import MAX_LINE
from vmalab.recording.readers.wrapped import LOOKED_AT

# Strings of an object that are looked at, and the longest line that is, to find the one.
_MAX_STRINGS: Final = 64
_MAX_LOOKED_AT: Final = 1 << 16
# What wrote a line, where a container's outputs share a log.
_OUTPUT: Final = "stream"


class Packing(NamedTuple):
    """Where in its object a line is.

    key: of its string. ended: lines end with a newline, so one without goes on in the next object.
    """

    key: str
    ended: bool


@final
class Unpacker:
    """Takes objects, gives their lines; `feed` and `finish` return those that are whole.

    These are as many as were fed, so that each keeps its number: blank ones stand for the first
    parts of a line that was split. several: whether an object had several lines, and numbers are no
    longer those of objects. What is no such object is a line as it is.
    """

    def __init__(self, packing: Packing) -> None:
        self.several = False
        self._packing = packing
        self._output = ""
        # What has come of a line that goes on, and its size in characters; None where none does.
        self._parts: list[str] | None = None
        self._size = 0

    def feed(self, line: str) -> list[str]:
        """One line of the file, without its newline."""
        found = _object_in(line)
        text = found.get(self._packing.key)
        if not isinstance(text, str):
            return [*self.finish(), line]
        named = found.get(_OUTPUT)
        output = named if isinstance(named, str) else ""
        done = self.finish() if output != self._output else []
        self._output = output
        if self._parts is None:
            self._parts, self._size = [], 0
        else:
            done.append("")
        # A line that is too long is cut behind that, as in a file.
        part = text[: MAX_LINE + 1 - self._size]
        if part:
            self._parts.append(part)
            self._size += len(part)
        if not self._packing.ended or text.endswith("\n"):
            done += self.finish()
        return done

    def finish(self) -> list[str]:
        """Return what is not whole where the file ends, or goes on with something else."""
        if self._parts is None:
            return []
        text = "".join(self._parts).replace("\r\n", "\n").removesuffix("\n")
        self._parts = None
        lines = text.split("\n")
        self.several |= len(lines) > 1
        return lines

    def is_whole(self, line: str) -> bool:
        """Return whether a line is an object, of which nothing can be missing."""
        return isinstance(_object_in(line).get(self._packing.key), str)


def packing_of(
    lines: Sequence[str], known: Callable[[Sequence[str]], Sequence[object]]
) -> Packing | None:
    """Return where the lines of a text are in objects of JSON, None where most are in none.

    known: gives something for each of some lines that is known for what it is.
    """
    lines = lines[:LOOKED_AT]
    least = sum(1 for line in lines if line.strip()) // 2 + 1
    if sum(1 for line in lines if line.lstrip()[:1] == "{") < least:
        return None
    texts: dict[str, list[str]] = {}
    for found in (_object_in(line) for line in lines if len(line) <= _MAX_LOOKED_AT):
        for key, text in islice(found.items(), _MAX_STRINGS):
            if isinstance(text, str):
                texts.setdefault(key, []).append(text)
    counts = {
        key: len(known([text.rstrip("\r\n") for text in each]))
        for key, each in texts.items()
        if len(each) >= least
    }
    key = max(counts, key=lambda key: counts[key], default="")
    if not counts.get(key):
        return None
    ends = sum(1 for text in texts[key] if text.endswith("\n"))
    return Packing(key, ends * 2 > len(texts[key]))


def unpacked_lines(
    lines: Iterable[str], known: Callable[[Sequence[str]], Sequence[object]]
) -> Iterator[str]:
    """Return the lines of a text, taken out of objects of JSON where most are in some."""
    source = iter(lines)
    first = list(islice(source, LOOKED_AT))
    packing = packing_of(first, known)
    whole = chain(first, source)
    # Each object within another takes a longer line: they are not many.
    return whole if packing is None else unpacked_lines(_unpacked(whole, packing), known)


def _unpacked(lines: Iterable[str], packing: Packing) -> Iterator[str]:
    unpacker = Unpacker(packing)
    for line in lines:
        yield from unpacker.feed(line)
    yield from unpacker.finish()


def _object_in(line: str) -> dict[str, object]:
    """Return the object that a line is, an empty one for any other line."""
    if line.lstrip()[:1] != "{":
        return {}
    try:
        value = json_value(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
