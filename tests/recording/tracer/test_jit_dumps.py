# SPDX-License-Identifier: GPL-2.0-or-later
"""Code that a program wrote itself has the names and lines of its jit-PID.dump, within limits."""

import os
import struct
from pathlib import Path

import pytest

from vmalab.recording.format.frames import FrameNames, Named
from vmalab.recording.tracer.code_places import CodeFile, OwnCode
from vmalab.recording.tracer.perf_maps import own_code_names

CODE = 0x7F0000001000
HEADER = struct.pack("<6I2Q", 0x4A695444, 1, 40, 62, 0, 7, 0, 0)


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<2IQ", kind, len(body) + 16, 0) + body


def load(start: int, size: int, name: bytes) -> bytes:
    body = struct.pack("<2I4Q", 7, 7, start, start, size, 0) + name + b"\0" + b"\xc3" * size
    return record(0, body)


def move(old: int, new: int, size: int) -> bytes:
    return record(1, struct.pack("<2I5Q", 7, 7, new, old, new, size, 0))


def lines(start: int, *entries: tuple[int, int, bytes]) -> bytes:
    body = struct.pack("<2Q", start, len(entries))
    for address, line, name in entries:
        body += struct.pack("<Q2i", address, line, 0) + name + b"\0"
    return record(2, body)


LINES = lines(CODE, (CODE, 3, b"/srv/app.js"), (CODE + 16, 5, b"\xff"), (CODE + 32, 7, b"/x.js"))
SHIFTED = lines(CODE, (CODE + 0x40, 3, b"/srv/app.js"), (CODE + 0x40 + 60, 9, b"\xff"))
GROW = load(CODE, 64, b"grow")


class Dump:
    """A dump, held as a recorder does, and what it says of addresses."""

    def __init__(self, path: Path, uid: int) -> None:
        self.path = path
        self.uid = uid

    def names(self, raw: bytes, *addresses: int) -> dict[int, FrameNames]:
        self.path.write_bytes(raw)
        fd = os.open(self.path, os.O_PATH)
        try:
            held = CodeFile(str(self.path), 0, fd, -1)
            return own_code_names(OwnCode(99, 7, self.uid, -1, set(addresses), held))
        finally:
            os.close(fd)


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    return Dump(tmp_path / "jit-7.dump", os.getuid())


@pytest.mark.parametrize(
    ("records", "offset", "name"),
    [
        (GROW, 8, Named("grow")),
        (GROW, 64, Named("grow")),
        (load(CODE, 64, b"JS:*grow /srv/app.js:12:5"), 8, Named("grow", "/srv/app.js", 12)),
        (GROW + load(CODE, 64, b"newer"), 8, Named("newer")),
        (LINES + GROW, 8, Named("grow", "/srv/app.js", 3)),
        (LINES + GROW, 17, Named("grow", "/srv/app.js", 5)),
        (LINES + GROW, 32, Named("grow", "/srv/app.js", 5)),
        (LINES + GROW, 60, Named("grow", "/x.js", 7)),
        (LINES + GROW + load(CODE, 64, b"newer"), 8, Named("newer", "/srv/app.js", 3)),
        (LINES + load(CODE - 64, 128, b"other"), 8, Named("other")),
        (SHIFTED + GROW, 8, Named("grow", "/srv/app.js", 3)),
        (SHIFTED + GROW, 61, Named("grow", "/srv/app.js", 9)),
        (
            LINES + load(CODE, 64, b"grow") + move(CODE, CODE + 4096, 64),
            4096 + 17,
            Named("grow", "/srv/app.js", 5),
        ),
        (record(9, b"what") + record(3, b"") + GROW, 8, Named("grow")),
    ],
)
def test_an_address_is_named(dump: Dump, records: bytes, offset: int, name: Named) -> None:
    found = dump.names(HEADER + records, CODE + offset)
    assert found == {CODE + offset: FrameNames((name,))}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        HEADER[:9],
        b"\0" * 40 + GROW,
        HEADER,
        HEADER + GROW[:30],
        HEADER + struct.pack("<2IQ", 0, 3, 0) + GROW,
        HEADER + struct.pack("<2IQ", 2, 0xFFFFFFFF, 0) + GROW,
        HEADER + record(2, struct.pack("<2Q", CODE, 1 << 63)),
        HEADER + record(1, b"x"),
        HEADER + load(CODE + 4096, 64, b"elsewhere"),
        HEADER + load(CODE, 64, b"behind it"),
    ],
)
def test_what_is_damaged_or_elsewhere_names_nothing(dump: Dump, raw: bytes) -> None:
    (found,) = dump.names(raw, CODE + 65).values()
    assert found.names == ()
    assert found.why == "its jit-PID.dump has no name for it"


def test_the_dump_of_another_user_is_not_read(dump: Dump) -> None:
    dump.path.touch()
    if os.getuid() == 0:
        os.chown(dump.path, 12345, 12345)
    else:
        dump.uid = 12345
    assert dump.names(HEADER + GROW, CODE + 8)[CODE + 8].names == ()
