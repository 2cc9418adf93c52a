# SPDX-License-Identifier: GPL-2.0-or-later
"""What is made of recorded events, whoever wrote them, and in whatever order they came."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.recording.events.records import Events

from vmalab.calls.errors import ReadError
from vmalab.linux.include.uapi.sched import CLONE_THREAD, CLONE_VM
from vmalab.recording.events import layout as at
from vmalab.recording.events.looks import GAP, LAST, LOOK, OVER, ROUND, note_facts
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.opening import open_recording
from vmalab.replay.replay import Options, Replay

SMAPS = b"7f0000000000-7f0000010000 rw-p 00000000 00:00 0 \nVmFlags: rd wr mr mw me ac \n"
MMAP = (0, 0x1000, 3, 0x22, (1 << 64) - 1, 0)


@pytest.fixture
def flight(tmp_path: Path) -> Events:
    """A process 7 with two threads that is recorded while it runs; looked at, at the time 100."""
    meta = {
        "format": 2,
        "kernel": {"release": "6.18.0"},
        "complete": False,
        "flight": {"pid": 7, "launched": False, "fds": {}, "clock": 0},
    }
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "calls.strace").write_text("")
    events = Events(tmp_path / "events.raw")
    events.note(note_facts(ROUND, 10_000))
    events.note(note_facts(GAP, 0))
    facts: dict[str, object] = {"mm": {"start_stack": "0x7ffff0000000"}, "anon_vma": []}
    events.note(note_facts(LOOK, 100, pid=7, threads=[7, 8], facts=facts), SMAPS)
    events.note(note_facts(OVER, 101))
    return events


@pytest.fixture
def lines(flight: Events, tmp_path: Path) -> Callable[[], list[str]]:
    """The log, without times of the day."""

    def read() -> list[str]:
        flight.close()
        log = Path(open_sorted(tmp_path).log_path).read_text().splitlines()
        return [f"{words[0]} {words[2]}" for words in (line.split(" ", 2) for line in log)]

    return read


kept: list[RecordingFiles] = []


def open_sorted(folder: Path) -> RecordingFiles:
    """The recording; its sorted folder lasts as long as it does."""
    kept[:] = [open_recording(str(folder))]
    return kept[0]


def test_calls_stand_where_they_took_the_lock(
    flight: Events, lines: Callable[[], list[str]]
) -> None:
    flight.call(7, "mmap", MMAP, 0x7F0000020000, entered=200, left=400, locked=300)
    flight.call(8, "munmap", (0x7F0000000000, 0x1000), 0, entered=210, left=290, locked=220)
    found = lines()
    assert [line.split("(")[0] for line in found] == ["8 munmap", "7 mmap"]


def test_a_close_stands_where_it_began_and_an_open_where_it_ended(
    flight: Events, lines: Callable[[], list[str]]
) -> None:
    flight.call(7, "close", (5,), 0, entered=200, left=400)
    flight.contents(8, 210, 0x1000, b"/etc/motd\0")
    flight.call(8, "openat", (0xFFFFFF9C, 0x1000, 0, 0), 5, entered=210, left=300)
    assert [line.split()[1] for line in lines()] == ["close(5)", "openat(AT_FDCWD,"]


def test_what_happened_before_the_first_look_is_in_the_first_map(
    flight: Events, lines: Callable[[], list[str]]
) -> None:
    flight.call(7, "munmap", (0x7F0000000000, 0x1000), 0, entered=50, left=70, locked=60)
    flight.call(7, "munmap", (0x7F0000001000, 0x1000), 0, entered=110, left=130, locked=120)
    assert [line.split()[1] for line in lines()] == ["munmap(0x7f0000001000,"]


def test_a_thread_is_there_before_its_calls_and_its_makers_line(
    flight: Events, tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    flags = CLONE_VM | CLONE_THREAD
    flight.call(9, "brk", (0,), 0x1000, entered=230, left=240, locked=235)
    flight.call(7, "clone", (flags, 0, 0, 0, 0), 9, entered=200, left=300)
    flight.task(7, 9, 7, flags, 220)
    assert [line.split("(")[0] for line in lines()] == ["7 clone", "9 brk"]
    events = [event.event for event in open_sorted(tmp_path).meta.events]
    assert events == ["attach", "thread", "thread"]


def test_a_fork_is_of_the_moment_when_the_memory_was_locked(
    flight: Events, tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    flight.call(7, "fork", (), 9, entered=200, left=300, locked=210)
    flight.task(7, 9, 9, 0, when=250, locked=210)
    flight.call(8, "munmap", (0x7F0000000000, 0x1000), 0, entered=215, left=230, locked=220)
    assert [line.split("(")[0] for line in lines()] == ["7 fork", "8 munmap"]
    fork = open_sorted(tmp_path).meta.events[-1]
    assert (fork.event, fork.pid, fork.after_line) == ("fork", 9, 0)


def test_faults_stand_between_the_lines(
    flight: Events, tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    flight.written(7, 150, 0x7F0000001234)
    flight.written(8, 160, 0x7F0000001FFF)
    flight.call(7, "munmap", (0x7F0000000000, 0x1000), 0, entered=200, left=230, locked=220)
    flight.written(7, 300, 0x7F0000005000, at.GROWN)
    assert len(lines()) == 1
    image = open_sorted(tmp_path).image("7.0")
    assert image is not None
    assert [(fact.line, fact.kind, fact.addresses) for fact in image.faults()] == [
        (0, "pages", (0x7F0000001000,)),
        (1, "grow", (0x7F0000005000,)),
    ]


def test_what_came_after_all_rings_were_emptied_last_does_not_count(
    flight: Events, lines: Callable[[], list[str]]
) -> None:
    flight.call(7, "munmap", (0x7F0000000000, 0x1000), 0, entered=9_000, left=9_030, locked=9_020)
    flight.call(7, "munmap", (0x7F0000001000, 0x1000), 0, entered=9_990, left=10_030, locked=10_020)
    assert [line.split()[1] for line in lines()] == ["munmap(0x7f0000000000,"]


def test_a_process_begins_anew_behind_a_gap(
    flight: Events, tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    flight.call(7, "munmap", (0x7F0000000000, 0x1000), 0, entered=200, left=230, locked=220)
    flight.note(note_facts(GAP, 300, lost=5))
    flight.call(8, "munmap", (0x7F0000003000, 0x1000), 0, entered=310, left=330, locked=320)
    flight.note(note_facts(LOOK, 400, pid=7, threads=[7]), SMAPS)
    flight.note(note_facts(OVER, 401))
    flight.call(7, "munmap", (0x7F0000000000, 0x1000), 0, entered=500, left=530, locked=520)
    flight.note(note_facts(LAST, 600, pid=7), SMAPS.replace(b"7f0000000000-", b"7f0000001000-"))
    flight.call(7, "munmap", (0x7F0000001000, 0x1000), 0, entered=700, left=730, locked=720)
    assert len(lines()) == 2
    recording = open_sorted(tmp_path)
    assert recording.meta.lost_events == 5
    assert sorted(recording.images) == ["7.0", "7.1"]
    report = Replay(recording, Options()).run()
    assert report.differences == []
    assert report.images["7.1"].figures.final_identical is True
    assert any("5 events were lost" in note for note in report.notes)


def test_a_process_that_is_gone_behind_a_gap_has_ended(
    flight: Events, tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    flight.note(note_facts(GAP, 300, lost=1))
    flight.note(note_facts(OVER, 401))
    flight.call(7, "munmap", (0x7F0000000000, 0x1000), 0, entered=500, left=530, locked=520)
    assert lines() == []
    assert [event.event for event in open_sorted(tmp_path).meta.events][-2:] == ["exit", "exit"]


@pytest.mark.parametrize("size", [0, 3, 11, 40])
def test_a_file_that_ends_in_the_middle_is_read_to_there(
    flight: Events, lines: Callable[[], list[str]], size: int
) -> None:
    flight.call(7, "munmap", (0x7F0000000000, 0x1000), 0, entered=200, left=230, locked=220)
    flight.chunk(b"vmEv\0\0\0\0\xff\0\0\0\0\0\0\0" + b"\x09\0\0\0\0\0\x80\0" * 8)
    flight.chunk(b"vmNt" + bytes(size))
    assert len(lines()) == 1


def test_no_file_that_events_name_is_opened(flight: Events, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\x7fELF\x02" + bytes(59))
    raw = bytearray(at.EXEC_SIZE)
    at.head.pack_into(raw, 0, at.EXEC, 7, 7, 7, 200)
    raw[at.EXEC_FILE : at.EXEC_FILE + len(bytes(secret))] = bytes(secret)
    flight.add(bytes(raw))
    vma = at.vma.pack(at.VMA, 7, 7, 0, 210, 0, 0x1000, 0x75, 0, 0, 0, secret.stat().st_ino)
    flight.add(vma + bytes(at.VMA_SIZE - len(vma)))
    flight.add(at.vmas.pack(at.VMAS, 7, 7, 0, 220, 1, 1, 0, 0, 0, 0, 0, 0))
    flight.close()
    image = open_sorted(tmp_path).image("7.1")
    assert image is not None
    assert image.meta.program is None
    assert image.initial() is not None


def test_a_recorder_that_was_killed_before_it_began_leaves_no_calls(tmp_path: Path) -> None:
    for name in ("events.raw", "calls.strace"):
        (tmp_path / name).write_bytes(b"")
    meta = {"format": 2, "kernel": {"release": "6.18.0"}, "complete": False}
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    recording = open_recording(str(tmp_path))
    assert recording.cut_short
    assert Path(recording.log_path).read_bytes() == b""


@pytest.mark.parametrize(
    "facts", [None, [], {"pid": "x"}, {"pid": 1, "launched": True, "fds": 3, "clock": 0}]
)
def test_a_flight_that_is_none_is_an_error(flight: Events, tmp_path: Path, facts: object) -> None:
    flight.close()
    meta = json.loads((tmp_path / "meta.json").read_text())
    meta["flight"] = facts
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(ReadError, match="flight"):
        open_recording(str(tmp_path))


def test_random_bytes_are_no_events(flight: Events, lines: Callable[[], list[str]]) -> None:
    for kind in range(16):
        flight.add(at.head.pack(kind, 7, 7, 0xFFFFFFFF, 500 + kind))
        flight.add(at.head.pack(kind, 7, 7, 0xFFFFFFFF, 600) + b"\xff" * 1600)
    assert all(line.startswith("7 ") for line in lines())
