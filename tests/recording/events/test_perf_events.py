# SPDX-License-Identifier: GPL-2.0-or-later
"""Records of perf events: put together to calls, and damaged in every place."""

import json
import random
import struct
from pathlib import Path

from vmalab.calls.errors import ReadError
from vmalab.recording.events import rawfile
from vmalab.recording.events.looks import GAP, LOOK, OVER, note_facts
from vmalab.recording.events.perf_events import formats_note
from vmalab.recording.events.tracepoints import Tracepoint, filters
from vmalab.recording.opening import open_recording

# As Linux 6.18 has them, but for their numbers.
TRACEPOINTS: dict[str, Tracepoint] = {
    "entry": (1, {"id": (8, 8), "args": (16, 48)}),
    "exit": (2, {"id": (8, 8), "ret": (16, 8)}),
    "lock": (3, {"write": (24, 1)}),
    "fault": (4, {"address": (8, 8)}),
    "kernel fault": (5, {"address": (8, 8)}),
    "page": (6, {"member": (16, 4), "curr": (12, 4)}),
    "task": (7, {"pid": (8, 4), "clone_flags": (32, 8)}),
    "program": (8, {"filename": (8, 4), "old_pid": (16, 4)}),
    "end": (9, {"pid": (24, 4)}),
}
SMAPS = b"7f0000000000-7f0000010000 rw-p 00000000 00:00 0 \nVmFlags: rd wr mr mw me ac \n"
ANON = (0, 0x1000, 3, 0x22, (1 << 64) - 1, 0)


def event(purpose: str, tid: int, when: int, rest: bytes) -> bytes:
    """A record of perf events, and the chunk that it comes in."""
    raw = struct.pack("<HBBi", TRACEPOINTS[purpose][0], 0, 0, tid) + rest
    raw = raw.ljust((len(raw) + 7) // 8 * 8 + 4, b"\0")
    body = struct.pack("<IIQI", 7, tid, when, len(raw)) + raw
    record = struct.pack("<IHH", 9, 0, 8 + len(body)) + body
    return struct.pack("<4sIQ", b"vmEv", 0, len(record)) + record


def call(tid: int, number: int, args: tuple[int, ...], result: int, when: int, lock: int) -> bytes:
    """A call of a thread that lasts 20 nanoseconds at least."""
    found = event("entry", tid, when, struct.pack("<q6Q", number, *args))
    if lock:
        found += event("lock", tid, lock, bytes(16) + b"\1")
    return found + event("exit", tid, max(when, lock) + 20, struct.pack("<qq", number, result))


def flight(folder: Path) -> bytes:
    """What a recorder that was killed has left of two threads."""
    meta = {
        "format": 2,
        "kernel": {"release": "6.18.0"},
        "complete": False,
        "flight": {"pid": 7, "launched": False, "fds": {}, "clock": 0},
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    (folder / "calls.strace").write_text("")
    facts: dict[str, object] = {"mm": {"start_stack": "0x7ffff0000000"}, "anon_vma": []}
    look = note_facts(LOOK, 100, pid=7, threads=[7, 8], facts=facts)
    notes = [formats_note(TRACEPOINTS), note_facts("round", 10_000), note_facts(GAP, 0)]
    raw = b"".join(rawfile.note_chunk(json.dumps(note).encode() + b"\n") for note in notes)
    raw += rawfile.note_chunk(json.dumps(look).encode() + b"\n" + SMAPS)
    raw += rawfile.note_chunk(json.dumps(note_facts(OVER, 101)).encode() + b"\n")
    raw += call(7, 9, ANON, 0x7F0000020000, 200, 300)
    raw += call(8, 11, (0x7F0000000000, 0x1000, 0, 0, 0, 0), 0, 210, 220)
    raw += event("fault", 7, 400, struct.pack("<3Q", 0x7F0000020008, 0, 6))
    raw += event("page", 7, 410, struct.pack("<IIiq", 0, 1, 1, 4096))
    raw += call(7, 10, (0x7F0000020000, 0x1000, 1, 0, 0, 0), 0, 500, 510)
    return raw


def test_calls_stand_where_they_took_the_lock_and_pages_between_them(tmp_path: Path) -> None:
    (tmp_path / "events.raw").write_bytes(flight(tmp_path))
    recording = open_recording(str(tmp_path))
    log = Path(recording.log_path).read_text().splitlines()
    assert [line.split()[2].split("(")[0] for line in log] == ["munmap", "mmap", "mprotect"]
    image = recording.image("7.0")
    assert image is not None
    (fact,) = image.faults()
    assert (fact.line, fact.kind, fact.addresses) == (2, "pages", (0x7F0000020000,))


def test_damaged_events_are_read_or_refused(tmp_path: Path) -> None:
    whole = flight(tmp_path)
    dice = random.Random(4)
    for _ in range(100):
        raw = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        (tmp_path / "events.raw").write_bytes(raw[: dice.randint(1, len(raw))])
        try:
            open_recording(str(tmp_path))
        except ReadError:
            continue


def test_only_calls_that_are_recorded_pass() -> None:
    calls = filters()["entry"]
    allowed = eval(calls.replace("||", " or ").replace("&&", " and ").replace("id", "9"))
    assert allowed
    assert not eval(calls.replace("||", " or ").replace("&&", " and ").replace("id", "0"))
