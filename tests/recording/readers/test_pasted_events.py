# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts of events that went through a page or a log daemon are read as they were before."""

from pathlib import Path

import pytest

from vmalab.calls.call import Call, Unparsed
from vmalab.recording.format.recording import Log

TRACEPOINTS = Path(__file__).parents[2] / "data" / "tracepoints"
AROUND = {
    "quoted": "> {1}",
    "grep -Hn": "trace.log:{0}:{1}",
    "cat -n": "{0:6d}\t{1}",
    "compose": "app-1  | {1}",
    "journal": "Nov 29 10:00:00 host-1 perf[812]: {1}",
    "container log": "2026-11-29T10:00:00.123456789Z stderr F {1}",
    "coloured": "\x1b[1m{1}\x1b[0m",
    "row": "| {1} |",
    "code": "`{1}`",
    "trailing blanks": "{1}   ",
}


def calls_in(path: Path, lines: list[str]) -> list[tuple[object, ...]]:
    path.write_text("".join(f"{line}\n" for line in lines))
    events = list(Log(str(path), follow=True))
    assert not [event for event in events if isinstance(event, Unparsed)]
    calls = [event for event in events if isinstance(event, Call)]
    return [(call.line, call.tid, call.name, call.args, call.ret) for call in calls]


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize(
    "form", ["ftrace.txt", "threads-perf-script-pid-tid.txt", "threads-perf-trace.txt"]
)
def test_events_with_something_around_each_line(form: str, around: str, tmp_path: Path) -> None:
    lines = (TRACEPOINTS / form).read_text().splitlines()[:80]
    pasted = [around.format(at, line) for at, line in enumerate(lines, start=1)]
    expected = calls_in(tmp_path / "plain", lines)
    assert expected
    assert calls_in(tmp_path / "pasted", pasted) == expected


@pytest.mark.parametrize(("old", "new"), [(" ", "\u00a0"), ("->", "-&gt;")])
def test_events_of_a_page(old: str, new: str, tmp_path: Path) -> None:
    lines = (TRACEPOINTS / "ftrace.txt").read_text().splitlines()[:80]
    pasted = [line.replace(old, new) for line in lines]
    assert calls_in(tmp_path / "pasted", pasted) == calls_in(tmp_path / "plain", lines)


def test_call_whose_result_was_lost_is_kept(tmp_path: Path) -> None:
    lines = [
        "     0.196 ( 0.028 ms): thr/7 munmap(addr: 0x7f356d528000, len: 43519) ...",
        "     0.296 ( 0.028 ms): thr/7 munmap(addr: 0x7f356d538000, len: 43519) = 0",
        "     0.396 ( 0.028 ms): thr/7 munmap(addr: 0x7f356d548000, len: 43519) ...",
        "     0.496 ( 0.028 ms): thr/7 munmap(addr: 0x7f356d558000, len: 43519) ...",
    ]
    path = tmp_path / "log"
    path.write_text("".join(f"{line}\n" for line in lines))
    calls = [event for event in Log(str(path), follow=True) if isinstance(event, Call)]
    assert sorted((call.args[0], call.ret is None) for call in calls) == [
        (0x7F356D528000, True),
        (0x7F356D538000, False),
        (0x7F356D548000, True),
        (0x7F356D558000, True),
    ]
