# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads what readelf prints of a core file: its segments (-l), its mapped files (NT_FILE, -n)."""

import re
from typing import Final, final

from vmalab.calls.snapshot import UNKNOWN, UNKNOWN_DEV, UNKNOWN_PERMS, VmaLine
from vmalab.patterns import pattern
from vmalab.recording.readers.map_text.forms import line_of

_OX: Final = r"0x([0-9a-f]{1,16})"
# A column each, unless blanks were lost or became tabs.
_FLAGS: Final = r"(R?\s{0,2}W?\s{0,2}E?)\s{0,16}"
_THREE = pattern(rf"\s*{_OX}\s+{_OX}\s+{_OX}$")
_WIDE = pattern(
    rf"\s*LOAD\s+{_OX}\s+{_OX}\s+{_OX}\s+{_OX}\s+{_OX}\s{{1,16}}{_FLAGS}(?:0x[0-9a-f]+)?$"
)
_FIRST = pattern(rf"\s*LOAD\s+{_OX}\s+{_OX}\s+{_OX}$")
_SECOND = pattern(rf"\s*{_OX}\s+{_OX}\s{{1,16}}{_FLAGS}0x[0-9a-f]+$")
# How the first line of a range can look.
CORE_PATTERNS: Final = (_THREE, _WIDE, _FIRST)
_PAGE_SIZE = pattern(r"\s*Page size: (\d{1,7})$")


def segment_perms(flags: str) -> str:
    """Return a segment's permissions; whether it is shared is not in it."""
    return (
        "".join(letter if flag in flags else "-" for flag, letter in zip("RWE", "rwx", strict=True))
        + "?"
    )


@final
class CoreText:
    """Takes lines in order; files and segments: the ranges found in them."""

    def __init__(self) -> None:
        self.files: list[VmaLine] = []
        self.segments: list[VmaLine] = []
        self._page_size = 4096
        self._is_core = False
        # A file's range, or a segment's address, whose second line is still to come.
        self._range: tuple[int, int, int] | None = None
        self._start: int | None = None

    def feed(self, line: str) -> bool:
        """Read a line: whether it says something of a range."""
        if self._range is not None:
            (start, end, page), self._range = self._range, None
            offset = page * self._page_size
            self.files.append(line_of(start, end, UNKNOWN_PERMS, line.strip(), offset))
            return True
        if self._start is not None:
            start, self._start = self._start, None
            second = _SECOND().match(line)
            if second is not None:
                self._segment(start, int(second.group(2), 16), second.group(3))
                return True
        size = _PAGE_SIZE().match(line)
        if size is not None:
            self._page_size = int(size.group(1))
        elif "type is CORE" in line or re.match(r"\s*Type:\s+CORE", line):
            self._is_core = True
        return size is not None or self._begins(line)

    def _begins(self, line: str) -> bool:
        three = _THREE().match(line)
        wide = _WIDE().match(line) if self._is_core else None
        first = _FIRST().match(line) if self._is_core else None
        if three is not None:
            start, end, page = (int(group, 16) for group in three.groups())
            if start < end and not (start | end) & 0xFFF:
                self._range = (start, end, page)
        elif wide is not None:
            self._segment(int(wide.group(2), 16), int(wide.group(5), 16), wide.group(6))
        elif first is not None:
            self._start = int(first.group(2), 16)
        return self._range is not None or wide is not None or first is not None

    def _segment(self, start: int, size: int, flags: str) -> None:
        if size and not (start | size) & 0xFFF:
            self.segments.append(line_of(start, start + size, segment_perms(flags), ""))


def join_files(segments: list[VmaLine], files: list[VmaLine]) -> list[VmaLine]:
    """Return the segments of a core with the files they are of, and files that have no segment.

    A file's range and a segment have the same bounds: each is a VMA. A debugger's core may lack
    segments. Without any files it is not known which segments are of one.
    """
    if not files:
        unknown = (UNKNOWN, UNKNOWN_DEV, UNKNOWN, "")
        return [VmaLine(line.start, line.end, line.perms, *unknown) for line in segments]
    by_start = {line.start: line for line in files}
    found = []
    for line in segments:
        file = by_start.pop(line.start, None)
        if file is not None and file.end == line.end:
            line = line_of(line.start, line.end, line.perms, file.name, file.pgoff)
        found.append(line)
    found += by_start.values()
    return sorted(found, key=lambda line: line.start)
