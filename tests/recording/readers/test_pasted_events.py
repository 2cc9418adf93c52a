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

STACKS = [
    "app 7 [000] 15.{0:06d}: syscalls:sys_enter_munmap: addr: 0x7f0000000000, len: 0x00001000",
    "\t    7f356d53{0:04x} __munmap+0x13 (/usr/lib/libc.so.6)",
    "\t           20ca3 std::vector<int>::grow(int, char)+0x2 (/srv/app (deleted))",
    "\tffffffff81000000 [unknown] ([kernel.kallsyms])",
    "",
    "app 7 [000] 15.{0:06d}: syscalls:sys_exit_munmap: 0x0",
    "",
]
FORMS = {
    **{
        form: (TRACEPOINTS / form).read_text().splitlines()[:80]
        for form in ("ftrace.txt", "threads-perf-script-pid-tid.txt", "threads-perf-trace.txt")
    },
    "stacks": [line.format(at) for at in range(9) for line in STACKS],
    "syzkaller": [
        "r0 = memfd_create(&(0x7f0000200000)='x\\x00', 0x0)",
        "mmap(&(0x7f0000000000/0x3000)=nil, 0x3000, 0x3, 0x12, r0, 0x0)",
        "munmap(0x20000000, 0x1000)",
    ],
}


def calls_in(path: Path, lines: list[str]) -> list[tuple[object, ...]]:
    path.write_text("".join(f"{line}\n" for line in lines))
    events = list(Log(str(path), follow=True))
    assert not [event for event in events if isinstance(event, Unparsed)]
    calls = [event for event in events if isinstance(event, Call)]
    return [(call.line, call.tid, call.name, call.args, call.ret, call.stack) for call in calls]


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("form", FORMS)
def test_events_with_something_around_each_line(form: str, around: str, tmp_path: Path) -> None:
    lines = FORMS[form]
    pasted = [around.format(at, line) for at, line in enumerate(lines, start=1)]
    expected = calls_in(tmp_path / "plain", lines)
    assert expected
    assert calls_in(tmp_path / "pasted", pasted) == expected


@pytest.mark.parametrize("form", FORMS)
def test_events_without_their_indentation(form: str, tmp_path: Path) -> None:
    pasted = [line.strip() for line in FORMS[form]]
    assert calls_in(tmp_path / "pasted", pasted) == calls_in(tmp_path / "plain", FORMS[form])


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
