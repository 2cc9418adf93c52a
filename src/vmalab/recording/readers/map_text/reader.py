# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds a memory map in a text: a file of /proc, a tool's output, or either amid other text.

The lines that are ranges are read; the others are counted, and the first is named. Where a text
holds several maps, the longest is taken.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import UNKNOWN_PERMS, Snapshot, VmaLine
from vmalab.patterns import pattern
from vmalab.recording.readers.map_text.forms import FORMS, Form
from vmalab.recording.readers.map_text.notes import CORE_PATTERNS, CoreText, join_files
from vmalab.recording.readers.maps import MAX_VMAS, SnapshotReader, parse_range
from vmalab.recording.readers.margins import MAX_LINE, MAX_MARGIN
from vmalab.recording.readers.paste import is_elision, restore, unwrap
from vmalab.recording.readers.wrapped import LineShape, joined_lines

PROC: Final = "/proc/PID/maps"
_READELF: Final = "`readelf`"
# A line of maps, wherever in a line it stands, also as a row of a table.
_RANGE = pattern(
    r"(?<![0-9a-zA-Z_])([0-9a-f]{4,16}-[0-9a-f]{4,16})[\s|]+([r-][w-][x-][ps])[\s|]+"
    r"([0-9a-f]{1,16})[\s|]+([0-9a-f]{2,8}:[0-9a-f]{2,8})[\s|]+(\d{1,20})(?:[\s|](.*))?$",
    re.ASCII,
)
_CORE = pattern(r"NT_FILE \(mapped files\)|Elf file type is CORE|Type: +CORE \(Core file\)")
_FIELD = pattern(r"([A-Z]\w*): +(\S.*)$", re.ASCII)
# How a range begins: its address. A range that has no name; its inode, where the form has it.
_BEGINS = pattern(r"[\W_]{0,8}(?:0x)?[0-9a-f]{4,16}(?:-(?:0x)?[0-9a-f]|\s)", re.ASCII)
_NAMELESS = pattern(
    r"[0-9a-f]-[0-9a-f]+ [r-][w-][x-][ps] [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ (\d+)\s*$|"
    r"0x[0-9a-f]+(?:\s+0x[0-9a-f]+){3}(?:\s+[r-][w-][x-][ps])?\s*$|"
    r"0x[0-9a-f]+-0x[0-9a-f]+\s*$",
    re.ASCII,
)
_MORE = pattern(r"\(deleted\)|[\w.+-]+|(?:\[ )?\w+ \]")
_NAME_ALONE = pattern(
    r"/[^\s:,;]+(?: \(deleted\))?|"
    r"\[(?:heap|stack(?::\d+)?|vdso|vvar|vvar_vclock|vsyscall|anon(?:_shmem)?:[^\]]+)\]",
    re.ASCII,
)
_UNDECODED: Final = "Cannot decode 64-bit note in 32-bit build"
# What editors make of two hyphens, and of three.
_DASHES: Final = {0x2013: "--", 0x2014: "---"}
# Blanks of pages, and characters without a width.
_BLANKS: Final = {0x00A0: " ", 0x2007: " ", 0x202F: " ", 0x200B: "", 0xFEFF: ""}
# The address that a range of another form than /proc's begins with, or the word; where among
# several it may be.
_ADDRESS = pattern(
    r"(?<![\w./])(?<!\w-)(?:\[?0x[0-9a-f]{4,16}|[0-9a-f]{8}(?:'?[0-9a-f]{8}|[0-9a-f]{0,7})|LOAD)(?=[\s-])",
    re.ASCII,
)
_MAX_ADDRESSES: Final = 3
# What stands around a name; the longest line that is one of a map.
_BARS: Final = " \t|"
_MAX_RANGE: Final = 1 << 15
# Characters shown of a line that is left out.
_SHOWN: Final = 60


@dataclass(slots=True)
class MapText:
    """A map found in a text.

    lines: its ranges, in order. form: what printed it. breaks: after which of them (from 0) lines
    are missing, or may be: what lies there is no hole. notes: sentences on what was not read.
    """

    lines: Snapshot = field(default_factory=list)
    form: str = PROC
    breaks: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


@final
class MapTextReader:
    """Takes the lines of a text in order; `finish()` gives the longest map in them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._line = 0
        self._maps: list[MapText] = [MapText()]
        # Of the map at hand, when it is of /proc: its lines one by one, with the fields of smaps.
        self._proc: SnapshotReader | None = None
        self._core = CoreText()
        self._form: Form | None = None
        self._torn = False
        self._skipped = 0
        self._first_skipped = ""
        self._undecoded = False
        self._joined = 0

    def feed(self, line: str, parts: int = 1) -> None:
        """One line without its newline, put together from so many. Errors: ReadError."""
        self._line += parts
        self._joined += parts if parts > 1 else 0
        line = _restored(line) if len(line) <= _MAX_RANGE else ""
        found = _RANGE().search(line)
        if found is not None:
            where, perms, pgoff, dev, inode, name = found.groups()
            self._range(f"{where} {perms} {pgoff} {dev} {inode} {(name or '').strip(_BARS)}")
            return
        plain = unwrap(line)
        if self._proc is not None and self._field(plain):
            return
        if not plain or self._core.feed(line.rstrip()) or self._other_form(line, plain):
            return
        self._undecoded |= _UNDECODED in plain
        self._torn = True
        self._skipped += 1
        if not self._first_skipped and not is_elision(plain):
            self._first_skipped = f"line {self._line}: {line.strip()[:_SHOWN]}"

    def _range(self, text: str) -> None:
        """A line of /proc, made whole."""
        try:
            line = parse_range(text)
        except ValueError:
            self._torn = True
            self._skipped += 1
            return
        self._begin(line, None)
        if self._proc is None:
            self._proc = SnapshotReader(self._path)
        self._proc.feed(text)
        self._maps[-1].lines.append(line)

    def _field(self, plain: str) -> bool:
        """A field of smaps that belongs to the last range."""
        match = _FIELD().match(plain)
        if match is None or self._proc is None:
            return False
        try:
            self._proc.feed(plain)
        except ReadError:
            return False
        return True

    def _other_form(self, line: str, plain: str) -> bool:
        for form in (self._form, *FORMS) if self._form else FORMS:
            match = form.pattern.match(line) or form.pattern.match(plain)
            if match is None:
                continue
            try:
                found = form.read(match)
            except ValueError:
                continue
            self._begin(found, form)
            self._maps[-1].lines.append(found)
            return True
        return False

    def _begin(self, line: VmaLine, form: Form | None) -> None:
        """A range comes: in the map at hand, or as the first of another."""
        now = self._maps[-1]
        if now.lines and (form is not self._form or line.start < now.lines[-1].end):
            self._close()
            now = MapText()
            self._maps.append(now)
        elif now.lines and (self._torn or (form is not None and not form.all_vmas)):
            now.breaks.add(len(now.lines) - 1)
        self._form = form
        now.form = PROC if form is None else form.name
        self._torn = False
        if len(now.lines) >= MAX_VMAS:
            raise ReadError(self._path, self._line, f"more than {MAX_VMAS} ranges")

    def _close(self) -> None:
        """The map at hand is complete: with the fields of smaps."""
        if self._proc is not None:
            self._maps[-1].lines = self._proc.finish()
            self._proc = None

    def finish(self) -> MapText:
        """Return the longest map. Errors: ReadError when there is none."""
        self._close()
        core = self._core
        joined = join_files(core.segments, core.files)
        if joined:
            apart = set() if core.segments else set(range(len(joined) - 1))
            self._maps.append(MapText(joined, _READELF, apart))
        best = max(self._maps, key=lambda text: len(text.lines))
        if not best.lines:
            why = "no memory map in it"
            if self._undecoded:
                why = "this readelf could not decode NT_FILE: use `eu-readelf -n`, or the core file"
            raise ReadError(self._path, 0, why)
        if all(line.perms == UNKNOWN_PERMS and line.name[:1] == "/" for line in best.lines):
            # Of a core file gdb shows the files alone.
            best.breaks = set(range(len(best.lines) - 1))
        self._tell(best)
        return best

    def _tell(self, best: MapText) -> None:
        count = sum(1 for text in self._maps if text.lines)
        if count > 1:
            best.notes.append(f"Maps in the text: {count}. The longest is taken.")
        if best.form != PROC:
            best.notes.append(
                f"Read as the output of {best.form}: what it leaves out is not known."
            )
        if self._joined:
            best.notes.append(f"Lines that were wrapped, and are joined: {self._joined}.")
        if self._skipped:
            first = f", the first in {self._first_skipped}" if self._first_skipped else ""
            best.notes.append(f"Lines that are no part of a map: {self._skipped}{first}.")
        if best.breaks:
            places = len(best.breaks)
            best.notes.append(f"Places where lines may be missing: {places}. They are no holes.")


def _restored(line: str) -> str:
    """Return a line as a tool prints it: blanks and dashes are of ASCII, but for those in names.

    None of them stands behind it.
    """
    line = restore(line).rstrip()
    if line.isascii():
        return line
    line = line.translate(_DASHES)
    return line if _RANGE().search(line) is not None else line.translate(_BLANKS)


def is_range(line: str) -> bool:
    """Return whether a line is a range of a map, in any form, or readelf's head of such ranges."""
    line = _restored(line)
    if _RANGE().search(line) is not None or _CORE().search(line) is not None:
        return True
    plain = unwrap(line)
    return any(form.pattern.match(text) is not None for form in FORMS for text in (line, plain))


def _begins(line: str) -> bool:
    """Return whether a line is the beginning of a range, of a field of smaps, or of a heading."""
    return _BEGINS().match(line) is not None or _FIELD().match(line) is not None


def _goes_on(before: str, joined: str, words: bool) -> bool:
    """Return whether a range that looks whole can go on: with its name, or more of it."""
    if not words:
        nameless = _NAMELESS().search(before)
        # The kernel pads a range, so that no name follows it at once.
        return not before.endswith("]") and (nameless is None or nameless.group(1) is None)
    # A range that has its name goes on between words only where that has more of them.
    return _MORE().fullmatch(joined[len(before) :].strip()) is not None


def _is_named_by(before: str, after: str) -> bool:
    """Return whether a line is the name of the range before it, whose own is missing."""
    nameless = _NAMELESS().search(before)
    if nameless is None or _NAME_ALONE().fullmatch(after.strip()) is None:
        return False
    inode = nameless.group(1)
    return inode is None or (inode != "0") == after.lstrip().startswith("/")


def _margins(lines: Sequence[str]) -> list[str]:
    """Return what stands before each range."""
    known = (line for line in lines if len(line) <= MAX_LINE and ") = " not in line)
    places = [(line, _place_in(line)) for line in map(_restored, known)]
    return [line[:place] for line, place in places if place >= 0]


def _place_in(line: str) -> int:
    """Return where a range begins in a line; -1 where there is none."""
    found = _RANGE().search(line)
    if found is not None:
        return found.start()
    for at in islice(_ADDRESS().finditer(line[:MAX_MARGIN]), _MAX_ADDRESSES):
        start = at.start()
        if any(form.pattern.match(line, start) for form in FORMS) or any(
            first().match(line, start) for first in CORE_PATTERNS
        ):
            return start
    return -1


MAP_LINES: Final = LineShape(
    _begins, is_range, _goes_on, _is_named_by, lambda line: False, 2, _margins
)


def map_lines(lines: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield the lines of a text, with ranges that were wrapped put together: text, lines."""
    return joined_lines(lines, MAP_LINES)


def map_in(lines: Iterable[str], path: str) -> MapText:
    """Return the longest map in a text. Errors: ReadError, which names `path`."""
    reader = MapTextReader(path)
    for line, parts in map_lines(lines):
        reader.feed(line, parts)
    return reader.finish()
