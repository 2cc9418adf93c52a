# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads /proc/PID/maps and smaps: their lines as `VmaLine`, located errors for everything else."""

import re
import zlib
from collections.abc import Iterable, Iterator
from sys import intern
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.patterns import pattern
from vmalab.recording.readers.criu import MAX_CHECKPOINT, parse_criu
from vmalab.recording.readers.line_source import MAX_LINE, LineSource, opened, read_all
from vmalab.recording.readers.usual_range import name_behind, usual_range

# VMAs of one snapshot, and bytes of its file: far above what a kernel would let a process have.
MAX_VMAS: Final = 1 << 20
MAX_SNAPSHOT: Final = 1 << 30

_RANGE = pattern(
    r"([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([r-][w-][x-][ps]) ([0-9a-f]{1,16}) "
    r"([0-9a-f]{2,8}:[0-9a-f]{2,8}) (\d{1,20})(?= |$)",
    re.ASCII,
)
_FIELD = pattern(r"([A-Z]\w*): +(.*)$", re.ASCII)
_SIZE = pattern(r"(\d{1,19}) kB$", re.ASCII)
_FLAG_WORDS = pattern(r"(?: [a-z?][a-z0-9?])* ?", re.ASCII)


@final
class Flags:
    """VmFlags words by their text, each text split once. Memory: bounded, by a clear when full."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}

    def known(self, text: str) -> tuple[str, ...] | None:
        """Return the words of a text that has been split before, None of another."""
        return self._known.get(text)

    def words(self, text: str) -> tuple[str, ...]:
        """ "rd wr mr " as ("rd", "wr", "mr")."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) > 4096:
                self._known.clear()
            known = self._known[text] = tuple(intern(word) for word in text.split())
        return known


def parse_range(line: str, flags: tuple[str, ...] | None = None) -> VmaLine:
    """Read one line of maps, of a VMA with these flags. Errors: ValueError with the reason."""
    usual = usual_range(line, flags)
    if usual is not None:
        return usual
    match = _RANGE().match(line)
    if match is None:
        raise ValueError("not a line of a memory map (start-end perms offset dev inode name)")
    start, end, perms, pgoff, dev, inode = match.groups()
    first = int(start, 16)
    last = int(end, 16)
    if first >= last:
        raise ValueError(f"a range that ends ({end}) where it starts ({start}) or before")
    name = name_behind(line, match.end() + 1)
    number = int(inode)
    if number >= 1 << 64:
        raise ValueError(f"the inode {inode} is beyond 64 bits")
    return VmaLine(first, last, intern(perms), int(pgoff, 16), intern(dev), number, name, flags)


def parse_flagged_range(line: str, flags: Flags) -> VmaLine:
    """Return a line of maps, with ` |` and its VmFlags behind it or without. Errors: ValueError."""
    head, bar, words = line.rpartition(" |")
    if not bar:
        return parse_range(line)
    known = flags.known(words)
    if known is None:
        if _FLAG_WORDS().fullmatch(words) is None:
            return parse_range(line)
        known = flags.words(words)
    return parse_range(head, known)


def _with_fields(
    vma: VmaLine,
    flags: tuple[str, ...] | None,
    pkey: int,
    rss: int | None,
    anonymous: int | None,
) -> VmaLine:
    return VmaLine(
        vma.start,
        vma.end,
        vma.perms,
        vma.pgoff,
        vma.dev,
        vma.inode,
        vma.name,
        flags,
        pkey,
        rss,
        anonymous,
    )


@final
class SnapshotReader:
    """Takes the lines of a maps or smaps file in order; `finish()` gives the snapshot."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._line = 0
        self._vmas: Snapshot = []
        self._known = Flags()
        self._open: VmaLine | None = None
        self._flags: tuple[str, ...] | None = None
        self._pkey = 0
        self._rss: int | None = None
        self._anonymous: int | None = None

    def feed(self, line: str) -> None:
        """One line without its newline. Errors: ReadError."""
        self._line += 1
        if len(line) > MAX_LINE:
            raise ReadError(self._path, self._line, f"longer than {MAX_LINE} characters")
        first = line[:1]
        if first.isupper():
            self._field(line)
        elif line:
            self._close()
            if len(self._vmas) >= MAX_VMAS:
                raise ReadError(self._path, self._line, f"more than {MAX_VMAS} ranges")
            try:
                self._open = parse_range(line)
            except ValueError as error:
                raise ReadError(self._path, self._line, str(error)) from None

    def finish(self) -> Snapshot:
        """Return the ranges read."""
        self._close()
        return self._vmas

    def _field(self, line: str) -> None:
        match = _FIELD().match(line)
        if match is None or self._open is None:
            what = "not a field of smaps" if match is None else "a field before any range"
            raise ReadError(self._path, self._line, what)
        name, value = match.groups()
        if name == "VmFlags":
            self._flags = self._known.words(value)
        elif name == "ProtectionKey":
            if not value.isdecimal() or len(value) > 4:
                raise ReadError(self._path, self._line, f"not a protection key: {value[:20]!r}")
            self._pkey = int(value)
        elif name in ("Rss", "Anonymous"):
            size = _SIZE().match(value)
            if size is None:
                raise ReadError(self._path, self._line, f"not a size in kB: {value[:20]!r}")
            if name == "Rss":
                self._rss = int(size.group(1)) << 10
            else:
                self._anonymous = int(size.group(1)) << 10

    def _close(self) -> None:
        vma = self._open
        if vma is None:
            return
        self._open = None
        if self._flags is not None or self._pkey or self._rss is not None:
            vma = _with_fields(vma, self._flags, self._pkey, self._rss, self._anonymous)
        self._vmas.append(vma)
        self._flags = None
        self._pkey = 0
        self._rss = None
        self._anonymous = None


def _snapshot(path: str, lines: Iterable[str]) -> Snapshot:
    reader = SnapshotReader(path)
    for line in lines:
        reader.feed(line)
    return reader.finish()


def parse_maps(text: str, path: str = "maps") -> Snapshot:
    """Return the ranges of a maps file's text.

    Errors: ReadError, which names `path` and the line.
    """
    return _snapshot(path, text.split("\n"))


def parse_smaps(text: str, path: str = "smaps") -> Snapshot:
    """Return the ranges of a smaps file's text; fields that are not needed are passed over.

    Errors: ReadError, which names `path` and the line.
    """
    return _snapshot(path, text.split("\n"))


def lines_of(source: LineSource) -> Iterator[str]:
    """Yield the lines of a file, the last also where it has no newline. Errors: ReadError."""
    for batch in source:
        yield from batch
    if source.last is not None:
        yield source.last
    if source.broken is not None:
        raise ReadError(source.path, 0, source.broken)


def _is_json(path: str, follow: bool) -> bool:
    """Return whether a file begins with an object. Errors: ReadError, when it cannot be opened."""
    with opened(path, follow=follow) as file:
        try:
            return file.read1(64).lstrip()[:1] == b"{"
        except (OSError, EOFError, zlib.error):
            # Broken from the start, which its reader will say.
            return False


def read_snapshot(path: str, *, follow: bool = True) -> Snapshot:
    """Return the ranges of a maps or smaps file, or of a checkpoint's JSON; gzip or plain.

    follow: whether the path may be a symbolic link. Errors: ReadError.
    """
    if _is_json(path, follow):
        return parse_criu(read_all(path, MAX_CHECKPOINT, follow=follow), path)
    return _snapshot(path, lines_of(LineSource(path, follow=follow, limit=MAX_SNAPSHOT)))
