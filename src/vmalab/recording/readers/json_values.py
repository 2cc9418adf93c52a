# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the values of JSON that a text consists of, and where in them strings are.

A value takes a line, or several as programs print it for people. The elements of an array that
stands around them are values by themselves. A name may stand before an object:

    app-1  | {"log":"brk(NULL) = 0x5578304cd000\n","stream":"stderr"}
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, final

from vmalab.patterns import pattern
from vmalab.recording.json_text import json_value
from vmalab.recording.readers.margins import MAX_MARGIN

# Where a string is: names of objects' parts, and the mark of an array's elements.
Place = tuple[str, ...]
ELEMENT: Final = "[]"
# How deep a string may be.
_MAX_DEPTH: Final = 16
# Characters of a value, or a part of one, that goes over several lines.
MAX_HELD: Final = 8 << 20

_NAMED = pattern(r'[{\[]?\{\s*"')
# How a value begins that goes on: no line that only lost its end does.
_OPENS = pattern(r'\[?\s*\{\s*(?:"[^"\\]*(?:\\.[^"\\]*)*"\s*:.*[{\[,]\s*)?$')
# A string, and what opens behind it where it is a name; what opens or closes otherwise.
_MARK = pattern(r'"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:\s*[{\[])?|[{\[\]}"]')
_OPEN: Final = {"}": "{", "]": "["}
_CLOSED: Final = {"{": "}", "[": "]"}
# What stands around the values of an array, or between them.
_FRAMES: Final = frozenset(("[", "]", "],", ","))
_AROUND: Final = " \t\r\ufeff"


class Value(NamedTuple):
    """What some lines of a text are. found: None for no value, and for what stands around some."""

    found: object
    lines: list[str]

    @property
    def is_frame(self) -> bool:
        """Whether it is but the beginning or end of an array."""
        return self.found is None and all(line.strip() in _FRAMES for line in self.lines)


@final
class Values:
    """Takes lines, gives values: a long one in parts, which are values by themselves."""

    def __init__(self) -> None:
        # The lines of a value that goes on, and their size in characters; what is open behind them,
        # as it was opened: `{`, `"events": [`; and what was before them, of an earlier part.
        self._held: list[str] = []
        self._size = 0
        self._open: list[str] = []
        self._before: list[str] = []

    def feed(self, line: str) -> list[Value]:
        """One line: what is whole with it."""
        found = None
        if not self._open or _is_alone(line):
            found = _value_in(line)
        if found is not None:
            return [*self.finish(), Value(found, [line])]
        if not self._open and _OPENS().match(line.strip(_AROUND)) is None:
            return [Value(None, [line])]
        self._held.append(line)
        self._size += len(line)
        if not _pass(line, self._open) or not self._open:
            return self.finish()
        return self._parted() if self._size > MAX_HELD else []

    def finish(self) -> list[Value]:
        """Return what is not whole where the text ends, as far as it goes."""
        held, before = self._held, self._before
        self._held, self._open, self._before, self._size = [], [], [], 0
        for end in (len(held), _last_end(held)):
            found = _closed(before, held[:end]) if held else None
            if found is not None:
                return [Value(found, held[:end]), *(Value(None, [line]) for line in held[end:])]
        return [Value(None, [line]) for line in held]

    def _parted(self) -> list[Value]:
        """Return the first part of a value that goes on."""
        end = _last_end(self._held)
        part = self._held[:end]
        still = self._before.copy()
        found = _closed(self._before, part) if all(_pass(line, still) for line in part) else None
        if found is None or not still:
            return self.finish()
        self._held, self._before = self._held[end:], still
        self._size = sum(map(len, self._held))
        return [Value(found, part)]

    def ends_with(self, line: str) -> bool:
        """Return whether a line, the next, ends a value."""
        if self._open:
            still = self._open.copy()
            return _pass(line, still) and not still
        return line.strip() in _FRAMES or _value_in(line) is not None


def looks_like_json(line: str) -> bool:
    """Return whether a line may be of JSON that is indented or not, at a glance."""
    text = line.strip(_AROUND)
    first = text[:1]
    if first == "[":
        return text[1:2] in ("", "{", '"', "[")
    return first in ("{", "}", "]", '"') or text[-1:] == "}"


def strings_in(value: object, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield the strings of a value, and where each is."""
    if isinstance(value, str):
        yield place, value
    elif len(place) >= _MAX_DEPTH:
        return
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from strings_in(part, (*place, name))
    elif isinstance(value, list):
        for part in value:
            yield from strings_in(part, (*place, ELEMENT))


def strings_at(value: object, place: Place, beside: str) -> Iterator[tuple[str, str]]:
    """Yield the strings at a place of a value, each with a string of a name beside it, or ""."""
    if not place:
        if isinstance(value, str):
            yield value, ""
        return
    first, *rest = place
    if isinstance(value, list) and first == ELEMENT:
        for part in value:
            yield from strings_at(part, tuple(rest), beside)
    elif isinstance(value, dict):
        named = value.get(beside)
        for text, other in strings_at(value.get(first), tuple(rest), beside):
            yield text, other if rest else named if isinstance(named, str) else ""


def place_name(place: Place) -> str:
    """Return a place as people write it: `events[].message`."""
    return ".".join(place).replace(f".{ELEMENT}", ELEMENT)


def _is_alone(line: str) -> bool:
    """Return whether a line looks like an object by itself, not like a part of another."""
    return line[:1] == "{" and line[-1:] == "}"


def _parsed(text: str) -> object:
    """Return a value that has strings or may have; None where a text is none."""
    try:
        value = json_value(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list | str) else None


def _value_in(line: str) -> object:
    """Return the value that a line is, but for a name before it; None for none."""
    text = line.strip(_AROUND).rstrip(",")
    if text[:1] in ("{", "[", '"'):
        found = _parsed(text)
        if found is None and text[:1] == "[":
            found = _parsed(text[1:].lstrip())
        return _parsed(text[:-1]) if found is None and text[-1:] == "]" else found
    named = _NAMED().search(text[:MAX_MARGIN]) if text[-1:] == "}" else None
    return None if named is None else _parsed(text[named.start() :])


def _pass(line: str, still: list[str]) -> bool:
    """Keep what is open after a line: whether it can be of a value."""
    for match in _MARK().finditer(line):
        mark = match.group()
        if mark == '"':
            return False
        if mark[-1] in _CLOSED:
            still.append(mark)
        elif mark in _OPEN and (not still or still.pop()[-1] != _OPEN[mark]):
            return False
    return True


def _last_end(lines: list[str]) -> int:
    """Return how many lines there are to the last that ends a part of their value."""
    ends = (at for at in range(len(lines), 0, -1) if lines[at - 1].rstrip(" \t\r,")[-1:] == "}")
    return next(ends, 0)


def _closed(before: list[str], lines: list[str]) -> object:
    """Return the value of some lines, of which the end may be missing; None for none.

    before: what is open before them.
    """
    still = before.copy()
    if not all(_pass(line, still) for line in lines):
        return None
    text = "".join(before) + "\n".join(lines).strip(_AROUND).rstrip(",")
    return _parsed(text + "".join(_CLOSED[mark[-1]] for mark in reversed(still)))
