# SPDX-License-Identifier: GPL-2.0-or-later
"""Names code that a program wrote itself by its jit-PID.dump, as `perf inject --jit` does.

Node (--perf-prof), Java (perf's libperf-jvmti.so), .NET and others write one, and map its first
page as code to tell where it is. It holds records: code that was loaded with its name, code that
was moved, and before the code it is for, the source lines of its addresses. The format is described
in the kernel's tools/perf/Documentation/jitdump-specification.txt.
"""

import os
import re
import stat
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, final

from vmalab.recording.format.frames import Named

# The name of a dump, as maps prints it.
DUMP_NAME: Final = re.compile(r".*/jit-\d+\.dump$")
MAX_DUMP: Final = 1 << 30
# Bytes of one record that are read: of code its head and its name only.
_MAX_HEAD: Final = 56 + 4096
_MAX_LINES: Final = 1 << 24
_MAGIC: Final = 0x4A695444
_HEADER: Final = struct.Struct("<4I")
_RECORD: Final = struct.Struct("<2IQ")
_LOAD: Final = struct.Struct("<2I4Q")
_MOVE: Final = struct.Struct("<2I5Q")
_LINES: Final = struct.Struct("<2Q")
_LINE: Final = struct.Struct("<Q2i")
_CODE_LOAD, _CODE_MOVE, _DEBUG_INFO = 0, 1, 2
# A name that says: the one of the line before.
_SAME: Final = b"\xff"
# What `perf inject` puts before code: V8 adds it to the addresses of lines.
_ELF_HEADER: Final = 0x40

# Address, line, source.
_Line = tuple[int, int, str]
# Where code was and is, its bytes.
_Move = tuple[int, int, int]


def dumped_names(
    fd: int, uid: int, places: list[int], named: Callable[[str], Named]
) -> dict[int, Named]:
    """Return what a dump says stands at addresses, lowest first; {} where it cannot be read.

    fd: holds the file, which must be of the user uid or of root. named: makes what a name says.
    """
    there = os.fstat(fd)
    if not stat.S_ISREG(there.st_mode) or there.st_uid not in (uid, 0):
        return {}
    if there.st_size > MAX_DUMP:
        return {}
    try:
        with open(f"/proc/self/fd/{fd}", "rb") as file:
            moves = [_move(body) for kind, body in _records(file) if kind == _CODE_MOVE]
            dump = _Dump(_all_places(places, moves), named)
            for kind, body in _records(file):
                dump.take(kind, body)
    except OSError:
        return {}
    return {place: dump.found[place] for place in places if place in dump.found}


def _all_places(places: list[int], moves: list[_Move]) -> list[int]:
    """Return the places, and where the code of each was before it was moved there."""
    found = set(places)
    for old, new, size in reversed(moves):
        found |= {place - new + old for place in found if new < place <= new + size}
    return sorted(found)


def _move(body: bytes) -> _Move:
    """Return what a record tells of code that was moved; nothing of one that is too short."""
    if len(body) < _MOVE.size:
        return 0, 0, 0
    _, _, _, old, new, size, _ = _MOVE.unpack_from(body)
    return old, new, size


def _records(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the body of each record, until the dump ends or is damaged."""
    file.seek(0)
    raw = file.read(_HEADER.size)
    if len(raw) < _HEADER.size:
        return
    magic, _, size, _ = _HEADER.unpack(raw)
    if magic != _MAGIC or size < _HEADER.size:
        return
    at = size
    while True:
        file.seek(at)
        raw = file.read(_RECORD.size)
        if len(raw) < _RECORD.size:
            return
        kind, size, _ = _RECORD.unpack(raw)
        if size < _RECORD.size:
            return
        if kind in (_CODE_LOAD, _CODE_MOVE):
            yield kind, file.read(min(size - _RECORD.size, _MAX_HEAD))
        elif kind == _DEBUG_INFO and size <= _MAX_LINES:
            yield kind, file.read(size - _RECORD.size)
        at += size


@final
class _Dump:
    """What the records so far say of the addresses that are looked for."""

    def __init__(self, places: list[int], named: Callable[[str], Named]) -> None:
        self.found: dict[int, Named] = {}
        self._places = places
        self._named = named
        # The lines that were told last, and the code that they are for.
        self._lines: list[_Line] = []
        self._lines_of = -1

    def take(self, kind: int, body: bytes) -> None:
        """Take over one record; what is too short for its kind says nothing."""
        if kind == _CODE_LOAD and len(body) > _LOAD.size:
            _, _, _, start, size, _ = _LOAD.unpack_from(body)
            name = body[_LOAD.size :].partition(b"\0")[0].decode("utf-8", "replace")
            self._load(start, size, name)
        elif kind == _CODE_MOVE:
            self._move(*_move(body))
        elif kind == _DEBUG_INFO and len(body) >= _LINES.size:
            self._lines_of, count = _LINES.unpack_from(body)
            self._lines = sorted(_lines(body, count))

    def _within(self, start: int, size: int) -> list[int]:
        """Return the places in code: return addresses, which may be the first one behind it."""
        low = bisect_right(self._places, start)
        return self._places[low : bisect_right(self._places, start + size, low)]

    def _load(self, start: int, size: int, name: str) -> None:
        places = self._within(start, size)
        if not places:
            return
        named = self._named(name)
        lines = self._lines if self._lines_of == start else []
        shift = _ELF_HEADER if lines and lines[-1][0] >= start + size else 0
        for place in places:
            at = bisect_left(lines, (place + shift, 0, "")) - 1
            if at >= 0:
                _, line, source = lines[at]
                self.found[place] = Named(named.function, source, line)
            else:
                self.found[place] = named

    def _move(self, old: int, new: int, size: int) -> None:
        """Code is somewhere else now: it has the names there that it had."""
        for place in self._within(new, size):
            known = self.found.get(place - new + old)
            if known is not None:
                self.found[place] = known


def _lines(body: bytes, count: int) -> Iterator[_Line]:
    at = _LINES.size
    source = ""
    for _ in range(count):
        end = body.find(b"\0", at + _LINE.size)
        if end < 0:
            return
        address, line, _ = _LINE.unpack_from(body, at)
        name = body[at + _LINE.size : end]
        if name != _SAME:
            source = name.decode("utf-8", "replace")
        if line > 0:
            yield address, line, source
        at = end + 1
