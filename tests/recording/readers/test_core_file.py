# SPDX-License-Identifier: GPL-2.0-or-later
"""Core files of either class and byte order are read by their headers alone, whatever they hold."""

import struct
from contextlib import suppress
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import UNKNOWN, UNKNOWN_PERMS
from vmalab.recording.readers.core_file import read_core

READ, WRITE, EXECUTE = 4, 2, 1
NT_FILE = 0x46494C45
NT_GDB_TDESC = 0xFF000000


def note(order: str, name: bytes, kind: int, data: bytes) -> bytes:
    head = struct.pack(order + "III", len(name) + 1, len(data), kind)
    padded = name + b"\0" * (4 - len(name) % 4)
    return head + padded + data + b"\0" * (-len(data) % 4)


def core(
    loads: list[tuple[int, int, int]],
    files: list[tuple[int, int, int, bytes]],
    wide: bool = True,
    order: str = "<",
    kind: int = 4,
    by_gdb: bool = False,
) -> bytes:
    word = order + ("Q" if wide else "I")
    words = [len(files), 4096] + [number for file in files for number in file[:3]]
    data = b"".join(struct.pack(word, number) for number in words)
    data += b"".join(name + b"\0" for *_, name in files)
    notes = note(order, b"CORE", NT_FILE, data)
    if by_gdb:
        notes += note(order, b"GDB", NT_GDB_TDESC, b"<target/>")
    header, program = (64, 56) if wide else (52, 32)
    at = header + program * (len(loads) + 1)

    def segment(of: int, flags: int, offset: int, start: int, size: int, memory: int) -> bytes:
        if wide:
            return struct.pack(order + "IIQQQQQQ", of, flags, offset, start, 0, size, memory, 1)
        return struct.pack(order + "IIIIIIII", of, offset, start, 0, size, memory, flags, 1)

    table = segment(4, 0, at, 0, len(notes), 0)
    table += b"".join(segment(1, flags, 1 << 30, start, 0, size) for start, size, flags in loads)
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    form = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
    values = (kind, 62, 1, 0, header, 0, 0, header, program, len(loads) + 1, 0, 0, 0)
    return ident + struct.pack(order + form, *values) + table + notes


LOADS = [(0x400000, 0x1000, READ | EXECUTE), (0x401000, 0x2000, READ | WRITE), (0x8000000, 4096, 0)]
FILES = [(0x400000, 0x401000, 5, b"/srv/a")]


@pytest.mark.parametrize("wide", [True, False], ids=["64-bit", "32-bit"])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_headers_give_the_map(tmp_path: Path, wide: bool, order: str) -> None:
    path = tmp_path / "core"
    path.write_bytes(core(LOADS, FILES, wide, order))
    lines = read_core(str(path)).lines
    assert [(line.start, line.end, line.perms, line.name) for line in lines] == [
        (0x400000, 0x401000, "r-x?", "/srv/a"),
        (0x401000, 0x403000, "rw-?", ""),
        (0x8000000, 0x8001000, "---?", ""),
    ]
    assert (lines[0].pgoff, lines[0].inode) == (5 * 4096, UNKNOWN)
    assert lines[1].identity == ("00:00", 0)


def test_core_of_gdb_may_lack_vmas(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(core([(0x600000, 0x1000, READ)], FILES, by_gdb=True))
    text = read_core(str(path))
    assert [line.perms for line in text.lines] == [UNKNOWN_PERMS, UNKNOWN_PERMS]
    assert text.breaks == {0}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (core(LOADS, FILES, kind=3), "a program or library, not a core file"),
        (core(LOADS, FILES)[:100], "ends within its headers"),
        (core(LOADS, FILES)[:40], "ends within its headers"),
        (b"\x7fELF", "no known class"),
        (b"\x7fELF\x07\x01" + bytes(60), "no known class"),
        (core([(0x400100, 0x1000, READ)], FILES), "no range of pages"),
        (core(LOADS, [(0x400000, 0x401001, 0, b"/a")]), "no range of pages"),
        (core([], []), "without segments"),
    ],
)
def test_broken_core_is_refused(tmp_path: Path, raw: bytes, why: str) -> None:
    path = tmp_path / "core"
    path.write_bytes(raw)
    with pytest.raises(ReadError, match=why):
        read_core(str(path))


@pytest.mark.parametrize("cut", range(0, 260, 7))
def test_core_cut_anywhere_is_refused_or_read(tmp_path: Path, cut: int) -> None:
    raw = core(LOADS, FILES)
    path = tmp_path / "core"
    path.write_bytes(raw[: len(raw) - cut])
    found = []
    with suppress(ReadError):
        found = read_core(str(path)).lines
    assert all(line.start < line.end for line in found)
    assert len(found) in (0, 3)
