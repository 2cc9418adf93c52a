# SPDX-License-Identifier: GPL-2.0-or-later
"""The moments of a recording that a map is taken at, and single places looked at closely."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.explain.why.boundaries import layout_of_mm
from vmalab.explain.why.moment import take
from vmalab.explain.why.place import place_of_mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

Write = Callable[..., RecordingFiles]


def mmap(start: int, pages: int) -> str:
    """An mmap of writable memory at a fixed place."""
    flags = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0"
    return f"mmap({start:#x}, {pages << 12}, {flags}) = {start:#x}"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a bare log, whose map is empty at first."""

    def make(*calls: str) -> RecordingFiles:
        path = tmp_path / "log"
        path.write_text("".join(f"{call}\n" for call in calls), "utf-8")
        return RecordingFiles(str(path))

    return make


def test_moments_of_a_recording(examples: Path) -> None:
    recording = RecordingFiles(str(examples / "dense-1"))
    sizes = {}
    for at in ("end", "peak", 1332):
        taken, _ = take(recording, Options(), at, None)
        sizes[at] = (len(taken.layout.lines), taken.line)
    snapshot = recording.images["20000.1"].checkpoint(1332)
    assert snapshot is not None
    assert sizes["end"] == (18, 2000)
    assert sizes[1332] == (len([line for line in snapshot if line.start < 1 << 63]), 1332)
    assert sizes["peak"][0] >= max(size for size, _ in sizes.values())


def test_peak_is_where_there_were_the_most(write: Write) -> None:
    calls = [
        mmap(0x10000000, 4),
        "mprotect(0x10001000, 4096, PROT_READ) = 0",
        "munmap(0x10001000, 12288) = 0",
        mmap(0x10001000, 3),
    ]
    taken, _ = take(write(*calls), Options(), "peak", None)
    assert (taken.line, len(taken.layout.lines)) == (2, 3)


def test_an_image_that_does_not_live_is_said(examples: Path) -> None:
    recording = RecordingFiles(str(examples / "sqlite3"))
    with pytest.raises(ReadError, match=r"the image '9\.9' does not exist in this recording"):
        take(recording, Options(), "end", "9.9")


def test_a_place_shows_both_its_ends(write: Write) -> None:
    replay = Replay(
        write(mmap(0x10000000, 3), "madvise(0x10001000, 4096, MADV_DONTFORK) = 0"),
        Options(until=2),
    )
    replay.run()
    [(_, mm)] = replay.living()
    place = place_of_mm(mm, 0x10001800)
    assert place.vma is not None
    assert (place.vma.start, place.vma.end) == (0x10001000, 0x10002000)
    assert [meeting.failing for meeting in place.meetings] == [("flags",), ("flags",)]
    [flags] = [item for item in place.meetings[0].conditions if item.kind == "flags"]
    assert (flags.lower, flags.upper) == ("only here: none", "only here: dc")


def test_a_place_in_a_hole_shows_what_faces_it(write: Write) -> None:
    replay = Replay(write(mmap(0x10000000, 1), mmap(0x10003000, 1)), Options(until=2))
    replay.run()
    [(_, mm)] = replay.living()
    place = place_of_mm(mm, 0x10001000)
    assert place.vma is None
    [meeting] = place.meetings
    assert (meeting.hole, meeting.failing) == (0x2000, ())
    assert layout_of_mm(mm).causes == [()]
