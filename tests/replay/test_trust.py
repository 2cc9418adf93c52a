# SPDX-License-Identifier: GPL-2.0-or-later
"""What a replay says of its own worth: results and maps compared, and how a map differs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.views.answers.replay import replay_answer
from vmalab.views.text import difference_lines, story_lines, trust_text, verdict

from ..small_recordings import DATA, FIRST, Make, anonymous, smaps, step

Replayed = Callable[..., ReplayReport]

EXEC = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
A = 0x7F00000FE000
PAGES = f"50 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {A:#x}\n"

PROGRAM = (
    "mmap(&(0x7f0000000000/0x3000)=nil, 0x3000, 0x3, 0x32, 0xffffffffffffffff, 0x0)\n"
    "munmap(&(0x7f0000000001/0x2000)=nil, 0x2000)\n"
    "mprotect(&(0x7f0000002000/0x2000)=nil, 0x2000, 0x1)\n"
)


def replay(path: Path, log: str) -> ReplayReport:
    path.write_text(log)
    return Replay(RecordingFiles(str(path)), Options(story=True)).run()


def test_a_log_without_results_compares_nothing(tmp_path: Path) -> None:
    report = replay(tmp_path / "p.syz", PROGRAM)
    assert report.compared_nothing
    assert "NOTHING COMPARED" in verdict(report)
    assert trust_text(report.total).startswith("0/3 results compared")
    assert replay_answer(report)["results_compared"] == 0


def test_a_log_without_memory_calls_compares_nothing(tmp_path: Path) -> None:
    report = replay(tmp_path / "calls.strace", "50 close(3) = 0\n")
    assert trust_text(report.total) == "0/0 results compared, no map to compare with"


def test_calls_of_a_program_fail_as_the_model_says(tmp_path: Path) -> None:
    report = replay(tmp_path / "p.syz", PROGRAM)
    assert report.story.failures == {("munmap", "EINVAL"): 1, ("mprotect", "ENOMEM"): 1}
    assert "  failed: mprotect ENOMEM 1, munmap EINVAL 1" in list(story_lines(report.story))


def test_a_bare_log_says_how_far_it_can_be_trusted(tmp_path: Path) -> None:
    unknown = f"50 brk(NULL) = 0x55d0a0000000\n50 munmap({A:#x}, 4096) = 0\n"
    report = replay(tmp_path / "calls.strace", EXEC + PAGES + unknown)
    assert report.identical
    assert not report.compared_nothing
    assert trust_text(report.total) == (
        "2/4 results compared (50 %), 2 adopted (unknown layout: 2), no map to compare with"
    )


@pytest.mark.parametrize(
    ("line", "what", "detail", "cause"),
    [
        (
            anonymous(A, A + 8192, flags=DATA + " dd nh"),
            "flags",
            "recorded dd nh, predicted none more",
            "madvise by io_uring",
        ),
        (
            anonymous(A, A + 4096),
            "range",
            f"recorded {A:x}-{A + 4096:x}, predicted {A:x}-{A + 8192:x}",
            "a call that is not in the log",
        ),
        (
            (f"{A:x}-{A + 8192:x} rw-p 00000000 fe:00 8 " + " " * 20 + "/x", DATA),
            "file",
            "recorded fe:00 8 /x, predicted 00:00 0",
            "a file that was replaced",
        ),
    ],
    ids=["flags", "range", "file"],
)
def test_a_last_map_says_how_it_differs(
    make: Make, replayed: Replayed, line: tuple[str, str], what: str, detail: str, cause: str
) -> None:
    report = replayed(make(EXEC + PAGES, None, [FIRST[0], line, *FIRST[1:]]))
    [found] = report.differences
    assert (found.what, found.detail) == (what, detail)
    assert found.cause.startswith(cause)
    text = "\n".join(difference_lines(found))
    assert f"another map: {what} at {found.at:#x} ({detail})" in text
    assert f"could be:  {cause}" in text
    [shown] = json.loads(json.dumps(replay_answer(report)))["differences"]
    assert (shown["what"], shown["detail"], shown["image"]) == (what, detail, "50.1")
    assert [vma["line"] for vma in shown["predicted_vmas"]]


def test_a_change_by_no_call_is_shown(make: Make, replayed: Replayed) -> None:
    """As io_uring's MADVISE makes it: at the entry of a later call the map is another one."""
    changed = anonymous(A, A + 8192, flags=DATA.replace(" ac", " dc ac"))
    steps = step("2 50 X mmap 1 0 1", anonymous(A, A + 8192)) + step("2 50 E munmap 1 1 1", changed)
    log = EXEC + PAGES + f"50 munmap({A:#x}, 8192) = 0\n"
    report = replayed(make(log, steps + step("3 50 X munmap 1 1 0")))
    [found] = report.differences
    assert (found.call, found.line) == ("a change of the map by no call", 2)
    assert (found.what, found.detail) == ("flags", "recorded dc, predicted none more")
    assert not report.identical


def test_a_stack_that_grew_before_a_fork_is_copied(make: Make, replayed: Replayed) -> None:
    stack = "rd wr mr mw me gd ac"
    grown = (f"{0x7FFD00000000 - 8192:x}-7ffd00021000 rw-p 00000000 00:00 0 " + " " * 25, stack)
    grown = (grown[0] + "[stack]", stack)
    path = make(
        EXEC + PAGES + "50 fork() = 51\n51 exit_group(0) = ?\n51 +++ exited with 0 +++\n",
        step("2 50 X mmap 1 0 1", anonymous(A, A + 8192)) + step("2 50 E fork 3 1 1", grown),
        meta={
            "events": [
                {"after_line": 0, "event": "exec", "pid": 50, "image": "50.1"},
                {"after_line": 2, "event": "fork", "ppid": 50, "pid": 51, "image": "51.0"},
            ]
        },
    )
    child = path / "images" / "51.0"
    child.mkdir()
    (child / "initial.smaps").write_text(
        smaps([FIRST[0], anonymous(A, A + 8192), FIRST[1], grown]), "utf-8"
    )
    (child / "steps.txt").write_text("", "utf-8")
    report = replayed(path)
    assert [found.predicted for found in report.differences] == []
    assert report.identical
