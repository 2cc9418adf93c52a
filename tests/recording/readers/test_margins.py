# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs with something around each line are read as they were before."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.calls.call import Call, Event, Exit, Signal, Unparsed
from vmalab.recording.format.recording import Log
from vmalab.recording.readers.line_shape import STRACE_LINES, without_end
from vmalab.recording.readers.map_file import holds_map
from vmalab.recording.readers.map_text.reader import map_in
from vmalab.recording.readers.margins import margin_of

MMAP = "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000"
BODY = [
    'execve("./a", ["./a"], 0x7ffdaf3e8588 /* 35 vars */) = 0',
    "brk(NULL)                               = 0x5578304cd000",
    MMAP,
    "mprotect(0x7f0000001000, 4096, PROT_NONE <unfinished ...>",
    "munmap(0x7f0000001000, 4096)    = 0",
    "<... mprotect resumed>)         = 0",
    "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=6, si_uid=0} ---",
    "+++ exited with 0 +++",
]
TASKS = ["12", "12", "12", "13", "12", "13", "12", "12"]
LOGS = {
    "bare": [line for line in BODY if "mprotect" not in line],
    "numbered": [f"{tid} {line}" for tid, line in zip(TASKS, BODY, strict=True)],
    "bracketed": [f"[pid {tid}] {line}" for tid, line in zip(TASKS, BODY, strict=True)],
    "clock": [f"{tid} 10:22:33 {line}" for tid, line in zip(TASKS, BODY, strict=True)],
    "seconds": [f"{tid} 1700000000.000012 {line}" for tid, line in zip(TASKS, BODY, strict=True)],
    "since": [f"     0.00001{n} {line}" for n, line in enumerate(BODY) if "mprotect" not in line],
    "stacks": [
        part for line in BODY[1:3] * 2 for part in (line, " > /lib/libc.so.6(__mmap+0x26) [0x1]")
    ],
}
AROUND = {
    "cat -n": "{0:6d}\t{1}",
    "less -N": "{0:7d} {1}",
    "editor": "{0:4d}  {1}",
    "bat": "{0:4d}   │ {1}",
    "grep -n": "{0}:{1}",
    "grep -H": "logs/app.strace:{1}",
    "grep -Hn": "trace.log:{0}:{1}",
    "list": "{0}. {1}",
    "compose": "app-1  | {1}",
    "padded": "{1: <160}",
    "coloured compose": "\x1b[36mapp-1  |\x1b[0m {1}",
    "kubectl": "[pod/app-5c9d-x/app] {1}",
    "container log": "2026-11-29T10:00:00.12345678{2}Z stderr F {1}",
    "journal": "Nov {2}9 10:00:0{2} host-1 strace[812]: {1}",
    "precise journal": "Nov 29 10:00:00.12345{2} host-1 strace[812]: {1}",
    "ISO journal": "2026-11-29T10:00:0{2}+0000 host-1 strace[812]: {1}",
    "date": "Nov 29 10:00:0{2} {1}",
    "date, padded": "Nov  {2} 10:00:0{2} {1}",
    "date in brackets": "[2026-11-29 10:00:0{2}] {1}",
    "clock in brackets": "[10:00:0{2}] {1}",
    "date of ISO": "2026-11-29 10:00:0{2} {1}",
    "logger": "2026-11-29 10:00:00,12{2} INFO strace: {1}",
    "Python logger": "INFO:root:{1}",
    "supervisor": "2026-11-29 10:00:00,12{2} DEBG 'app' stderr output: {1}",
    "diff": "+{1}",
    "bold": "**{1}**",
    "code": "`{1}`",
    "row": "| {1} |",
    "quoted cell": '"{1}"',
    "page": "<code>{1}</code><br/>",
    "trailing blanks": "{1}   ",
    "title": "\x1b]0;root@host\x07{1}\x1b(B",
}


def events_of(path: Path, lines: list[str]) -> list[tuple[object, ...]]:
    path.write_text("".join(f"{line}\n" for line in lines))
    log = Log(str(path), follow=True)
    return [told(event) for event in list(log)]


def told(event: Event) -> tuple[object, ...]:
    if isinstance(event, Call):
        return (event.line, event.tid, event.name, event.args, event.mem, event.ret, event.stack)
    assert isinstance(event, Signal | Exit), event
    return (event.line, event.tid)


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("name", LOGS)
def test_log_with_something_around_each_line(name: str, around: str, tmp_path: Path) -> None:
    lines = LOGS[name]
    pasted = [around.format(at, line, at % 10) for at, line in enumerate(lines, start=1)]
    if '"' in around:
        pasted = [line for line in pasted if line.count('"') == 2]
        lines = [line for line in lines if '"' not in line]
    expected = events_of(tmp_path / "plain", lines)
    assert expected
    assert events_of(tmp_path / "pasted", pasted) == expected


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize(
    "way", [str.strip, lambda line: line.replace("    ", "\t")], ids=["trimmed", "tabs"]
)
def test_log_whose_blanks_were_changed(
    name: str, way: Callable[[str], str], tmp_path: Path
) -> None:
    expected = events_of(tmp_path / "plain", LOGS[name])
    assert events_of(tmp_path / "pasted", list(map(way, LOGS[name]))) == expected


def test_numbers_of_lines_may_begin_anywhere(tmp_path: Path) -> None:
    lines = [f"{at} {line}" for at, line in enumerate([MMAP] * 3, start=120)]
    (tmp_path / "log").write_text("".join(f"{line}\n" for line in lines))
    events = [item for item in Log(str(tmp_path / "log"), follow=True) if isinstance(item, Call)]
    assert [event.tid for event in events] == [0, 0, 0]


@pytest.mark.parametrize("pids", [(7, 7, 7), (7, 8, 7), (7, 8, 10), (9, 8, 7)])
def test_numbers_of_threads_are_no_margin(pids: tuple[int, ...]) -> None:
    lines = [f"{pid} {MMAP}" for pid in pids]
    assert margin_of(STRACE_LINES.margins(lines), lines) is None


def test_word_before_one_of_several_calls_is_no_margin(tmp_path: Path) -> None:
    failed = "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 ENOMEM (Cannot)"
    (tmp_path / "log").write_text(f"It ends with {failed}\n{MMAP}\n{failed}\n")
    first, *rest = Log(str(tmp_path / "log"), follow=True)
    assert isinstance(first, Unparsed)
    assert [event.line for event in rest] == [2, 3]


@pytest.mark.parametrize(("words", "count"), [("", 1), ("It fails:\n", 0)])
def test_words_before_the_only_call_are_a_margin_where_nothing_else_is(
    words: str, count: int, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text(f"{words}    line 635: {MMAP}\n")
    log = Log(str(tmp_path / "log"), follow=True)
    assert sum(1 for event in log if isinstance(event, Call)) == count


@pytest.mark.parametrize("line", ["3</srv>", "5 <unfinished ...>", "close(3</srv/a>) = 0"])
def test_end_of_a_line_that_is_whole_stays(line: str) -> None:
    assert without_end(line) == line


@pytest.mark.parametrize(
    ("typeset", "plain"),
    [
        ("“/tmp/a”", '"/tmp/a"'),
        ("\u00a0", " "),
        ("\u200b", ""),
        ("\ufeff", ""),
        ("…", "..."),
        ("\u2212", "-"),
        ("\u2013", "-"),
    ],
)
def test_characters_set_in_type_are_those_of_strace(
    typeset: str, plain: str, tmp_path: Path
) -> None:
    lines = [
        'openat(AT_FDCWD, "/tmp/a", O_RDONLY)   = -1 ENOENT (No such file or directory)',
        MMAP,
        "7 mprotect(0x7f0000001000, 4096, PROT_NONE <unfinished ...>",
        "7 <... mprotect resumed>)    = 0",
    ]
    pasted = [line.replace(plain, typeset) if plain else typeset + line for line in lines]
    assert events_of(tmp_path / "log", pasted) == events_of(tmp_path / "plain", lines)


@pytest.mark.parametrize(
    "line",
    [
        "{code}",
        "{noformat}",
        "{code:title=strace}",
        "[code]",
        "[/code]",
        "\u279c  ~ strace ./a",
        "\u276f",
        "Script started on 2026-11-29 10:00:00+00:00",
        " <detached ...>",
        " 65,21    0,001234           5       229           mmap",
        "100,00    0,001892           6       300        12 total",
    ],
)
def test_line_of_the_page_is_none_of_the_log(line: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(f"{line}\n{MMAP}\n")
    log = Log(str(tmp_path / "log"), follow=True)
    assert [event.line for event in log] == [2]
    assert log.unparsed == 0


def test_empty_line_does_not_end_a_call_that_a_message_broke(tmp_path: Path) -> None:
    lines = ["munmap(0x7f0000001000, 8192^Cstrace: Process 9 attached", "", ")   = 0"]
    assert [item[2:4] for item in events_of(tmp_path / "log", lines)] == [
        ("munmap", (0x7F0000001000, 8192, 0, 0, 0, 0))
    ]


MAPS = Path(__file__).parents[2] / "data" / "maps"
FORMS = ["proc.maps", "gdb.txt", "pmap.txt", "pmap-x.txt", "pmap-wide.txt", "readelf-l.txt"]
OF_MAPS = {name: around for name, around in AROUND.items() if around.endswith("{1}")}


@pytest.mark.parametrize("around", OF_MAPS.values(), ids=OF_MAPS)
@pytest.mark.parametrize("form", FORMS)
def test_map_with_something_before_each_line(form: str, around: str, tmp_path: Path) -> None:
    lines = (MAPS / form).read_text().splitlines()
    pasted = [around.format(at, line, at % 10) for at, line in enumerate(lines, start=1)]
    (tmp_path / "map").write_text("".join(f"{line}\n" for line in pasted))
    assert holds_map(str(tmp_path / "map"))
    assert map_in(pasted, "map").lines == map_in(lines, "map").lines


SMAPS = [
    "7f0000001000-7f0000002000 r--p 00000000 fe:00 17                         /usr/lib/a b.so",
    "Rss:                   4 kB",
    "VmFlags: rd mr mw me",
    "7f0000002000-7f0000003000 rw-p 00000000 00:00 0",
    "VmFlags: rd wr mr mw me ac",
]


@pytest.mark.parametrize("around", OF_MAPS.values(), ids=OF_MAPS)
def test_fields_of_smaps_with_something_before_each_line(around: str) -> None:
    pasted = [around.format(at, line, at % 10) for at, line in enumerate(SMAPS, start=1)]
    assert map_in(pasted, "map").lines == map_in(SMAPS, "map").lines


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f"])
def test_blanks_of_a_page_are_blanks_of_a_map(blank: str) -> None:
    ranges = [line for line in SMAPS if "-7f" in line and "a b" not in line]
    assert map_in([line.replace(" ", blank) for line in ranges], "map").lines == [
        *map_in(ranges, "map").lines
    ]


def test_name_of_a_map_keeps_its_characters() -> None:
    line = SMAPS[0].replace("a b", "a\u00a0b")
    assert map_in([line], "map").lines[0].name == "/usr/lib/a\u00a0b.so"
