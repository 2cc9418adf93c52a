# SPDX-License-Identifier: GPL-2.0-or-later
"""In a log of memory calls alone, a break that cannot be the program's own shows an exec."""

from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

ANON = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"
HEAP = 0x555555560000
FIRST = (
    f"50 brk(NULL) = {HEAP:#x}",
    f"50 mmap(NULL, 8192, {ANON}) = 0x7f0000001000",
    f"50 mmap(NULL, 4096, {ANON}) = 0x7f0000000000",
    f"50 brk({HEAP + 0x21000:#x}) = {HEAP + 0x21000:#x}",
)


def replay(tmp_path: Path, *calls: str) -> ReplayReport:
    path = tmp_path / "calls.strace"
    path.write_text("".join(f"{call}\n" for call in (*FIRST, *calls)))
    return Replay(RecordingFiles(str(path)), Options(maps=True)).run()


@pytest.mark.parametrize("heap", [0x5614F105F000, 0x23000000], ids=["elsewhere", "below"])
def test_another_break_begins_another_program(tmp_path: Path, heap: int) -> None:
    calls = (
        f"50 brk(NULL) = {heap:#x}",
        f"50 mmap(NULL, 8192, {ANON}) = 0x7f4000001000",
        f"50 mmap(NULL, 4096, {ANON}) = 0x7f4000000000",
        f"50 brk({heap + 0x1000:#x}) = {heap + 0x1000:#x}",
    )
    report = replay(tmp_path, *calls)
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 4}
    assert len(report.images) == 2
    last = list(report.images.values())[-1].final
    assert [(line.start, line.end) for line in last] == [
        (heap, heap + 0x1000),
        (0x7F4000000000, 0x7F4000003000),
    ]


@pytest.mark.parametrize("grown", [0, 0x42000], ids=["the same", "grown where nothing tells"])
def test_a_break_that_may_be_its_own_is_of_the_same_program(tmp_path: Path, grown: int) -> None:
    report = replay(tmp_path, f"50 brk(NULL) = {HEAP + 0x21000 + grown:#x}")
    assert len(report.images) == 1
