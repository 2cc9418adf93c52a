# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a memory map from whatever file holds one: /proc's, a tool's, a core, a checkpoint."""

import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from vmalab.recording.readers.core_file import MAGIC, read_core
from vmalab.recording.readers.line_source import LineSource, opened
from vmalab.recording.readers.log_lines import known_lines
from vmalab.recording.readers.map_text.reader import (
    MAP_LINES,
    MapText,
    is_range,
    map_in,
    map_lines,
)
from vmalab.recording.readers.maps import MAX_SNAPSHOT, lines_of, read_snapshot
from vmalab.recording.readers.unpacked import packing_of, unpacked_lines
from vmalab.recording.readers.wrapped import LOOKED_AT

# Lines of calls, with none of a map before them, that make a file a log; and bytes looked at.
_ENOUGH: Final = 64
_MAX_LOOKED_AT: Final = 64 << 20
_OF_CALLS: Final = (") = ", ")  ", "<unfinished ...>", " resumed>")


def _head(path: str, follow: bool) -> bytes:
    """Return how a file begins. Errors: ReadError, when it cannot be opened."""
    with opened(path, follow=follow) as file:
        try:
            return file.read1(64)
        except (OSError, EOFError, zlib.error):
            # Broken from the start, which its reader will say.
            return b""


def _known(lines: Sequence[str]) -> list[str]:
    """Return something for each line that is a range or a call."""
    return MAP_LINES.margins(lines) + known_lines(lines)


def _is_object(path: str, head: bytes) -> bool:
    """Return whether a file, which begins so, is an object of JSON, not lines that are in some."""
    if head.lstrip()[:1] != b"{":
        return False
    first = islice(_all_lines(LineSource(path, follow=True)), LOOKED_AT)
    return packing_of(list(first), _known) is None


def holds_map(path: str) -> bool:
    """Return whether a user's file holds a memory map rather than calls. Errors: ReadError."""
    head = _head(path, True)
    if head[:4] == MAGIC or _is_object(path, head):
        return True
    ranges = calls = 0
    source = LineSource(path, follow=True, limit=_MAX_LOOKED_AT)
    for line, _ in map_lines(unpacked_lines(_all_lines(source), _known)):
        if len(line) < 4096 and is_range(line):
            ranges += 1
        elif any(mark in line for mark in _OF_CALLS):
            calls += 1
            if calls >= _ENOUGH and not ranges:
                return False
    return ranges > calls


def _all_lines(source: LineSource) -> Iterator[str]:
    """Yield the lines of a file as far as it can be read."""
    for batch in source:
        yield from batch
    if source.last is not None:
        yield source.last


def read_map(path: str, *, follow: bool = True) -> MapText:
    """Return the map that a file holds.

    follow: it is a user's, and may be a symbolic link; one inside a recording is the kernel's own
    text, and read as such. Errors: ReadError.
    """
    head = _head(path, follow)
    if not follow or _is_object(path, head):
        return MapText(read_snapshot(path, follow=follow))
    if head[:4] == MAGIC:
        return read_core(path)
    lines = lines_of(LineSource(path, follow=True, limit=MAX_SNAPSHOT))
    return map_in(unpacked_lines(lines, _known), path)
