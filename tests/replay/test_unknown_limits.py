# SPDX-License-Identifier: GPL-2.0-or-later
"""A log without limits: refusals are adopted, and what the log says failed has changed nothing."""

from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.stated import Stated
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

EXEC = 'execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
A = 0x7F0000100000
# Where huge pages align what is placed below it.
TOP = A & ~0x1FFFFF
RW = "PROT_READ|PROT_WRITE"
PRIVATE = "MAP_PRIVATE|MAP_ANONYMOUS"
PAGES = f"mmap(NULL, 40960, {RW}, {PRIVATE}, -1, 0) = {A:#x}\n"
WHOLE = [f"{A:x}-{A + 40960:x} rw-p"]
PIECES = [f"{A + at:x}-{A + end:x} rw-p" for at, end in ((0, 4096), (4096, 8192), (8192, 40960))]
NO_MEMORY = "-1 ENOMEM (Cannot allocate memory)"


def replay(tmp_path: Path, log: str, stated: Stated | None = None) -> ReplayReport:
    path = tmp_path / "calls.strace"
    path.write_text(EXEC + log)
    return Replay(RecordingFiles(str(path), stated), Options(maps=True)).run()


def maps(report: ReplayReport) -> list[str]:
    """The ranges and permissions of the last map."""
    lines = report.images["0.1"].final
    return [f"{line.start:x}-{line.end:x} {line.perms}" for line in lines]


@pytest.mark.parametrize(
    "call",
    [
        f"munmap({A + 8192:#x}, 4096)",
        f"mprotect({A + 8192:#x}, 4096, PROT_NONE)",
        f"madvise({A + 8192:#x}, 4096, MADV_DONTFORK)",
        f"mlock({A + 8192:#x}, 4096)",
        f"mremap({A:#x}, 8192, 4096, 0)",
        f"mremap({A:#x}, 4096, 8192, MREMAP_MAYMOVE)",
        f"mmap(NULL, 4096, {RW}, {PRIVATE}, -1, 0)",
        f"mmap({A + 4096:#x}, 8192, PROT_NONE, {PRIVATE}|MAP_FIXED, -1, 0)",
        "mlockall(MCL_CURRENT)",
    ],
)
def test_a_call_that_failed_leaves_the_map(tmp_path: Path, call: str) -> None:
    report = replay(tmp_path, f"{PAGES}{call} = {NO_MEMORY}\n")
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 1, "unknown limit": 1}
    assert maps(report) == WHOLE


def test_what_failed_merges_with_nothing_later(tmp_path: Path) -> None:
    """A failed mapping beside the next one would have become one VMA with it."""
    failed = f"mmap({A - 4096:#x}, 4096, PROT_READ, {PRIVATE}|MAP_FIXED, -1, 0) = {NO_MEMORY}\n"
    below = f"mmap({A - 8192:#x}, 4096, PROT_READ, {PRIVATE}|MAP_FIXED, -1, 0) = {A - 8192:#x}\n"
    report = replay(tmp_path, PAGES + failed + below)
    assert maps(report) == [f"{A - 8192:x}-{A - 4096:x} r--p", *WHOLE]


def test_a_break_that_stayed(tmp_path: Path) -> None:
    heap = "brk(NULL) = 0x55d0a0000000\nbrk(0x55d0a0021000) = 0x55d0a0000000\n"
    report = replay(tmp_path, heap + PAGES + "brk(0x55d0a0022000) = 0x55d0a0000000\n")
    assert report.total.differ == 0
    assert report.total.adopted_reasons["unknown limit"] == 2
    assert maps(report) == WHOLE


def test_a_machine_with_more_than_usual(tmp_path: Path) -> None:
    """More than the usual RAM in one mapping: from then on the limit is known to be higher."""
    huge = "".join(
        f"mmap(NULL, {64 << 30}, {RW}, {PRIVATE}, -1, 0) = {TOP - (number << 36):#x}\n"
        for number in (1, 2)
    )
    report = replay(tmp_path, PAGES + huge)
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 1, "unknown limit": 1}
    assert maps(report) == [f"{TOP - (2 << 36):x}-{TOP:x} rw-p", *WHOLE]


def test_a_stated_limit_predicts(tmp_path: Path) -> None:
    refused = f"mmap(NULL, {1 << 30}, {RW}, {PRIVATE}, -1, 0) = {NO_MEMORY}\n"
    report = replay(tmp_path, PAGES + refused, Stated(rlimits={"AS": 512 << 20}))
    assert report.total.adopted_reasons == {"unknown layout": 1}


def test_a_stated_limit_that_is_wrong_differs(tmp_path: Path) -> None:
    passed = f"mmap(NULL, {1 << 30}, {RW}, {PRIVATE}, -1, 0) = {A - (1 << 30):#x}\n"
    report = replay(tmp_path, PAGES + passed, Stated(rlimits={"AS": 512 << 20}))
    assert report.total.differ == 1
    assert maps(report) == [f"{A - (1 << 30):x}-{A + 40960:x} rw-p"]


def test_other_errors_are_no_limit(tmp_path: Path) -> None:
    report = replay(tmp_path, f"{PAGES}munmap({A:#x}, 4096) = -1 EINVAL (Invalid argument)\n")
    assert report.total.differ == 1
    assert maps(report) == WHOLE


def test_a_hint_that_is_taken(tmp_path: Path) -> None:
    """Something the log does not know of is at the place, such as the program's own data."""
    hint = f"mmap(0x404000, 8192, PROT_NONE, {PRIVATE}, -1, 0) = {A - 8192:#x}\n"
    report = replay(tmp_path, PAGES + hint)
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 2}


@pytest.mark.parametrize(
    ("calls", "last"),
    [
        ("pkey_alloc(0, PKEY_DISABLE_ACCESS) = 1\npkey_alloc(0, 0) = 2\n", WHOLE),
        (
            f'prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, {A:#x}, 4096, "x") = 0\n'
            f'prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, {A + 4096:#x}, 4096, "y") = 0\n',
            [
                f"{A + at:x}-{A + end:x} rw-p"
                for at, end in ((0, 4096), (4096, 8192), (8192, 40960))
            ],
        ),
    ],
    ids=["keys", "names"],
)
def test_an_answer_shows_the_configuration(tmp_path: Path, calls: str, last: list[str]) -> None:
    report = replay(tmp_path, PAGES + calls)
    assert report.total.adopted_reasons == {"unknown layout": 1, "unknown configuration": 1}
    assert report.total.differ == 0
    assert maps(report) == last
