# SPDX-License-Identifier: GPL-2.0-or-later
"""A log of a program whose loader has a hole begins in that hole, and goes on below the loader."""

from pathlib import Path

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

# The loader's data; its code is 2 MiB lower, and 140 KiB long.
DATA = 0x7F0000200000
CODE = DATA - 0x200000
CODE_SIZE = 0x23000
ANON = "MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"
LIBRARY = "PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_DENYWRITE, 3, 0"
CACHE = f"mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, 3, 0) = {DATA - 0x10000:#x}"
SMALL = f"mmap(NULL, 4096, PROT_READ|PROT_WRITE, {ANON}) = {DATA - 0x11000:#x}"
BIG = 0x26D000
FIRST = f"mmap(NULL, {BIG}, {LIBRARY}) = {CODE - BIG:#x}"


def replay(tmp_path: Path, *calls: str) -> ReplayReport:
    head = (
        'execve("/bin/x", ["x"], [/* 33 vars */]) = 0',
        "brk(0) = 0x2319000",
        'open("/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3',
        CACHE,
        SMALL,
        FIRST,
    )
    path = tmp_path / "calls.strace"
    path.write_text("".join(f"{call}\n" for call in (*head, *calls)))
    return Replay(RecordingFiles(str(path)), Options()).run()


def test_library_that_does_not_fit_goes_below_the_loader(tmp_path: Path) -> None:
    report = replay(tmp_path)
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 3}


def test_what_follows_is_predicted_or_passes_the_loader_again(tmp_path: Path) -> None:
    hole = f"mmap(NULL, 4096, PROT_READ|PROT_WRITE, {ANON}) = {DATA - 0x12000:#x}"
    # It would fit, were there not the loader's code.
    tight = 0x200000 - 0x12000 - 0x10000
    passed = f"mmap(NULL, {tight}, PROT_NONE, {ANON}) = {CODE - BIG - tight:#x}"
    report = replay(tmp_path, hole, passed)
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 4}


def test_place_that_no_loader_explains_differs(tmp_path: Path) -> None:
    far = f"mmap(NULL, 8192, PROT_NONE, {ANON}) = {CODE - (64 << 20):#x}"
    assert replay(tmp_path, far).total.differ == 1
