# SPDX-License-Identifier: GPL-2.0-or-later
r"""Takes lines out of values of JSON that a container or a log shipper has put each of them in.

    {"log":"munmap(0x7f141b907000, 4096) = 0\n","stream":"stderr","time":"2026-11-29T10:00:00Z"}
    {"MESSAGE":"brk(NULL) = 0x5578304cd000","_PID":"812","PRIORITY":"6"}

Which of an object's strings is the line shows where the lines are that are known for what they are.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, NamedTuple, final

from vmalab.recording.readers.json_values import (
    Place,
    Value,
    Values,
    looks_like_json,
    place_name,
    strings_at,
    strings_in,
)
from vmalab.recording.readers.line_source import MAX_LINE
from vmalab.recording.readers.wrapped import LOOKED_AT

# Strings of a value that are looked at to find the one, places, and characters.
_MAX_STRINGS: Final = 1024
_MAX_PLACES: Final = 256
_MAX_LOOKED_AT: Final = 4 << 20
# Of so many lines of JSON one looks like it, at the least: others are numbers of arrays.
_FEW: Final = 8
# What wrote a line, where a container's outputs share a log.
_OUTPUT: Final = "stream"


class JsonPacking(NamedTuple):
    """Where in its value a line is.

    place: of its string. ended: lines end with a newline, so one without goes on in the next value.
    known: how many lines show it.
    """

    place: Place
    ended: bool
    known: int

    @property
    def remark(self) -> str:
        """Where the lines were, as a sentence."""
        if not self.place:
            return "the lines are strings of JSON"
        return f"the lines are the strings {place_name(self.place)[:40]!r} of JSON objects"

    def unpacker(self) -> "JsonUnpacker":
        """Return what takes lines out."""
        return JsonUnpacker(self)


@final
class JsonUnpacker:
    """Takes lines of JSON, gives those in it; `feed` and `finish` return those that are whole.

    These are as many as were fed, so that each keeps its number: blank ones stand for the first
    parts of a line that was split, and of a value. several: whether one had several lines, and
    numbers are no longer those of the text. goes_on: whether the last line was to go on in another
    value when all came to an end. What is no such value is a line as it is.
    """

    def __init__(self, packing: JsonPacking) -> None:
        self.several = False
        self.goes_on = False
        self._packing = packing
        self._values = Values()
        self._output = ""
        # What has come of a line that goes on, and its size in characters; None where none does.
        self._parts: list[str] | None = None
        self._size = 0

    def feed(self, line: str) -> list[str]:
        """One line of the file, without its newline."""
        return [text for value in self._values.feed(line) for text in self._lines_of(value)]

    def finish(self) -> list[str]:
        """Return what is not whole where the file ends, or goes on with something else."""
        rest = [text for value in self._values.finish() for text in self._lines_of(value)]
        self.goes_on = self._parts is not None
        return rest + self._joined()

    def ends_with(self, line: str) -> bool:
        """Return whether nothing can be missing of a line, the next, by itself."""
        return self._values.ends_with(line)

    def _lines_of(self, value: Value) -> list[str]:
        """Return the lines in a value."""
        count = len(value.lines)
        if value.is_frame:
            return [""] * count
        texts = list(strings_at(value.found, self._packing.place, _OUTPUT))
        blank = [""] * (count - max(len(texts), 1))
        if not texts:
            shown = value.lines[0] if count == 1 else " ".join(map(str.strip, value.lines))
            return [*self._joined(), *blank, shown]
        self.several |= len(texts) > count
        return blank + [line for text, output in texts for line in self._take(text, output)]

    def _take(self, text: str, output: str) -> list[str]:
        """Take the string of an object. output: what wrote it."""
        done = self._joined() if output != self._output else []
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
            done += self._joined()
        return done

    def _joined(self) -> list[str]:
        """Return the line that goes on, as far as it has come."""
        if self._parts is None:
            return []
        text = "".join(self._parts).replace("\r\n", "\n").removesuffix("\n")
        self._parts = None
        lines = text.split("\n")
        self.several |= len(lines) > 1
        return lines


def packing_of(
    lines: Sequence[str], known: Callable[[Sequence[str]], Sequence[object]]
) -> JsonPacking | None:
    """Return where the lines of a text are in values of JSON, None where most are in none.

    known: gives something for each of some lines that is known for what it is.
    """
    lines = lines[:LOOKED_AT]
    if sum(map(looks_like_json, lines)) * _FEW <= len(lines):
        return None
    values, count = _values_of(lines)
    if sum(len(value.lines) for value in values) * 2 <= count:
        return None
    texts: dict[Place, list[str]] = {}
    holders: dict[Place, int] = {}
    for value in values:
        here = set()
        for place, text in islice(strings_in(value.found), _MAX_STRINGS):
            if place in texts or len(texts) < _MAX_PLACES:
                texts.setdefault(place, []).append(text)
                here.add(place)
        for place in here:
            holders[place] = holders.get(place, 0) + 1
    counts = {
        place: len(known([text.rstrip("\r\n") for text in each]))
        for place, each in texts.items()
        if holders[place] * 2 > len(values)
    }
    place = max(counts, key=lambda place: counts[place], default=())
    if not counts.get(place):
        return None
    ends = sum(1 for text in texts[place] if text.endswith("\n"))
    return JsonPacking(place, ends * 2 > len(texts[place]), counts[place])


def _values_of(lines: Sequence[str]) -> tuple[list[Value], int]:
    """Return the values that some lines are, and how many lines are not there for looks."""
    source = Values()
    found: list[Value] = []
    count = size = 0
    for line in lines:
        size += len(line)
        if size > _MAX_LOOKED_AT:
            break
        count += bool(line.strip())
        found += source.feed(line)
    found += source.finish()
    count -= sum(len(value.lines) for value in found if value.is_frame)
    return [value for value in found if value.found is not None], count
