# SPDX-License-Identifier: GPL-2.0-or-later
"""Page faults that a recording tells of decide what merges, and how far a stack has grown."""

import json
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.recording.format.faults import read_faults
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

LOW, MIDDLE, HIGH = 0x7F0000000000, 0x7F0000002000, 0x7F0000004000
STACK, TOP = 0x7FFFFFFDE000, 0x7FFFFFFFF000
BASE = f"{HIGH:x}-{HIGH + 0x1000:x} r--p 00000000 fe:00 5  /bin/x\nVmFlags: rd mr mw me \n"


def stack(start: int) -> str:
    return f"{start:x}-{TOP:x} rw-p 00000000 00:00 0  [stack]\nVmFlags: rd wr mr mw me gd ac \n"


def vma(start: int, end: int, perms: str, flags: str) -> str:
    return f"{start:x}-{end:x} {perms} 00000000 00:00 0 \nVmFlags: {flags} \n"


# Two VMAs side by side become alike: whether they become one depends on who was written to.
LOG = f"""\
5 mmap({LOW:#x}, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = {LOW:#x}
5 mmap({MIDDLE:#x}, 8192, PROT_NONE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = {MIDDLE:#x}
5 mprotect({LOW:#x}, 8192, PROT_READ) = 0
5 mprotect({MIDDLE:#x}, 8192, PROT_READ) = 0
"""
MERGED = vma(LOW, HIGH, "r--p", "rd mr mw me")
APART = vma(LOW, MIDDLE, "r--p", "rd mr mw me ac") + vma(MIDDLE, HIGH, "r--p", "rd mr mw me")


def replayed(folder: Path, final: str, faults: str | None) -> ReplayReport:
    """A recording of one program, with what was seen of faults."""
    image = folder / "images" / "5.1"
    image.mkdir(parents=True)
    events = [{"after_line": 0, "event": "exec", "pid": 5, "image": "5.1"}]
    meta = {"format": 1, "events": events, "images": {"5.1": {"anon_vma": []}}}
    (folder / "meta.json").write_text(json.dumps(meta))
    (folder / "calls.strace").write_text(LOG)
    (image / "initial.smaps").write_text(BASE + stack(STACK))
    (image / "final.smaps").write_text(final)
    if faults is not None:
        (image / "faults.txt").write_text(faults)
    return Replay(RecordingFiles(str(folder)), Options()).run()


@pytest.mark.parametrize(
    ("faults", "final"),
    [
        ("", MERGED),
        (f"@2 pages {LOW:x}\n", APART),
        (f"@2 pages {LOW + 0x1000:x} {HIGH:x}\n", APART),
        # Too late: by then the charge is gone.
        (f"@3 pages {LOW:x}\n", MERGED),
        (f"@0 pages 1000\n@2 pages {LOW:x}\n", APART),
    ],
    ids=["untouched", "first page", "second page", "after the call", "nothing there"],
)
def test_a_page_is_written_before_the_call_that_it_decides(
    tmp_path: Path, faults: str, final: str
) -> None:
    report = replayed(tmp_path, final + BASE + stack(STACK), faults)
    assert [(found.call, found.predicted) for found in report.differences] == []
    assert report.total.final_identical is True
    assert report.total.adopted == 0


def test_without_the_file_programs_are_supposed_to_write(tmp_path: Path) -> None:
    report = replayed(tmp_path, APART + BASE + stack(STACK), None)
    assert report.total.final_identical is True


def test_a_stack_has_grown(tmp_path: Path) -> None:
    faults = f"@4 stack {STACK - 0x5000:x} {TOP:x}\n"
    report = replayed(tmp_path, MERGED + BASE + stack(STACK - 0x5000), faults)
    assert report.total.final_identical is True


def test_a_stack_that_is_elsewhere_is_left_alone(tmp_path: Path) -> None:
    faults = f"@1 stack {LOW:x} {HIGH:x}\n@1 stack 1000 2000\n"
    report = replayed(tmp_path, MERGED + BASE + stack(STACK), faults)
    assert report.total.final_identical is True


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / "faults.txt"
    path.write_text("@3 pages 1000 2f000\n@12 stack 7000 9000\n@13 pages 10")
    assert [(fact.line, fact.kind, fact.addresses) for fact in read_faults(str(path))] == [
        (3, "pages", (0x1000, 0x2F000)),
        (12, "stack", (0x7000, 0x9000)),
    ]


@pytest.mark.parametrize(
    "line",
    ["@x pages 1", "3 pages 1000", "@3 pages", "@3 stack 1000", "@3 pages ffffffffffffffff", "\0"],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, line: str) -> None:
    path = tmp_path / "faults.txt"
    path.write_text(f"@1 pages 1000\n{line}\n")
    with pytest.raises(ReadError, match=r"faults\.txt:2: "):
        list(read_faults(str(path)))
