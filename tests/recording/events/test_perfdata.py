# SPDX-License-Identifier: GPL-2.0-or-later
"""perf.data, written here as perf writes it, and damaged in every place."""

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError
from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.opening import open_recording

ENTER, EXIT, LOCK = 443, 442, 675
FIELDS = b"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
FORMATS = b"".join(
    b"name: %b\nID: %d\nformat:\n%b\nprint fmt: x\n" % (name, number, FIELDS + more)
    for name, number, more in (
        (b"sys_enter", ENTER, b""),
        (b"sys_exit", EXIT, b""),
        (
            b"mmap_lock_acquire_returned",
            LOCK,
            b"\tfield:bool write;\toffset:20;\tsize:1;\tsigned:0;\n",
        ),
    )
)
# IP, TID, TIME, ID, CPU, PERIOD, RAW.
SAMPLE_TYPE = 1 | 2 | 4 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10
MMAP = (0, 0x1000, 3, 0x22, (1 << 64) - 1, 0)


def sample(tid: int, when: int, raw: bytes) -> bytes:
    body = struct.pack("<QIIQQQQ", 0, 7, tid, when, 1, 0, 1) + struct.pack("<I", len(raw)) + raw
    body = body.ljust((len(body) + 7) // 8 * 8, b"\0")
    return struct.pack("<IHH", 9, 0, 8 + len(body)) + body


def enter(tid: int, when: int, name: str, args: tuple[int, ...]) -> bytes:
    six = (*args, 0, 0, 0, 0, 0, 0)[:6]
    return sample(tid, when, struct.pack("<HHIQ6Q", ENTER, 0, 7, NUMBER_OF_SYSCALL[name], *six))


def leave(tid: int, when: int, name: str, result: int) -> bytes:
    return sample(tid, when, struct.pack("<HHIQq", EXIT, 0, 7, NUMBER_OF_SYSCALL[name], result))


def lock(tid: int, when: int, write: int = 1) -> bytes:
    return sample(tid, when, struct.pack("<HHIQIBBxx", LOCK, 0, 7, 0, 0, write, 1))


def perf_data(data: bytes, sample_type: int = SAMPLE_TYPE, features: int = 0b110) -> bytes:
    attrs = struct.pack("<IIQQQ", 2, 128, ENTER, 1, sample_type).ljust(144, b"\0")
    at = 104 + len(attrs)
    header = struct.pack("<8sQQ6Q", b"PERFILE2", 104, 144, 104, len(attrs), at, len(data), 0, 0)
    header += features.to_bytes(32, "little")
    places = at + len(data)
    formats = struct.pack("<QQQQ", places + 32, len(FORMATS), 0, 0)
    return header + attrs + data + formats + FORMATS


CALLS = (
    enter(7, 100, "mmap", MMAP)
    + enter(8, 110, "munmap", (0x7F0000000000, 0x1000))
    + lock(8, 120)
    + lock(7, 125, write=0)
    + lock(7, 130)
    + leave(7, 140, "mmap", 0x7F0000000000)
    + leave(8, 150, "munmap", 0)
)


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[bytes], list[Call]]:
    def read(raw: bytes) -> list[Call]:
        (tmp_path / "perf.data").write_bytes(raw)
        recording: RecordingFiles = open_recording(str(tmp_path / "perf.data"))
        return [event for event in recording.log() if isinstance(event, Call)]

    return read


def test_calls_stand_where_they_took_the_lock(calls: Callable[[bytes], list[Call]]) -> None:
    found = calls(perf_data(CALLS))
    assert [(call.tid, call.name, call.ret) for call in found] == [
        (8, "munmap", 0),
        (7, "mmap", 0x7F0000000000),
    ]
    assert found[1].args == MMAP


def test_an_error_is_an_error(calls: Callable[[bytes], list[Call]]) -> None:
    data = enter(7, 100, "mmap", MMAP) + leave(7, 140, "mmap", -12)
    assert [call.ret for call in calls(perf_data(data))] == [-12]


def test_an_exit_group_has_no_exit(calls: Callable[[bytes], list[Call]]) -> None:
    assert [call.name for call in calls(perf_data(enter(7, 100, "exit_group", (3,))))] == [
        "exit_group"
    ]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"PERFILE2", "header"),
        (perf_data(CALLS, sample_type=1 << 10), "lack thread"),
        (perf_data(CALLS, features=0), "no formats"),
        (perf_data(struct.pack("<IHH", 81, 0, 8)), "compressed"),
        (perf_data(struct.pack("<IHH", 9, 0, 4) + bytes(8)), "goes beyond"),
    ],
)
def test_what_cannot_be_read_is_said(
    calls: Callable[[bytes], list[Call]], raw: bytes, why: str
) -> None:
    with pytest.raises(ReadError, match=why):
        calls(raw)


@pytest.mark.parametrize("size", range(8, len(perf_data(CALLS)), 61))
def test_a_file_that_ends_too_early_is_no_defect(
    calls: Callable[[bytes], list[Call]], size: int
) -> None:
    with pytest.raises(ReadError):
        calls(perf_data(CALLS)[:size])


@pytest.mark.parametrize("at", range(8, len(perf_data(CALLS)), 37))
def test_a_damaged_file_is_no_defect(calls: Callable[[bytes], list[Call]], at: int) -> None:
    raw = bytearray(perf_data(CALLS))
    raw[at] ^= 0xFF
    with suppress(ReadError):
        assert len(calls(bytes(raw))) <= 2
