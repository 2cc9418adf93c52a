# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs and maps that a terminal or a mail wrapped are read as they were before."""

import gzip
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.calls.call import Call, Event, Unparsed
from vmalab.recording.format.recording import Log
from vmalab.recording.readers.map_file import holds_map
from vmalab.recording.readers.map_text.reader import map_in
from vmalab.recording.readers.strace import StraceReader

DATA = Path(__file__).parents[2] / "data"
Wrap = Callable[[str], list[str]]


def terminal(width: int) -> Wrap:
    """Break behind the last column."""
    return lambda line: [line[at : at + width] for at in range(0, len(line), width)] or [line]


def mail(width: int) -> Wrap:
    """Break between words, and leave longer words whole."""

    def wrap(line: str) -> list[str]:
        kept = line.replace("  ", "\0 ")
        parts = textwrap.wrap(kept, width, break_long_words=False, break_on_hyphens=False)
        return [part.replace("\0", " ").rstrip() for part in parts] or [line]

    return wrap


WRAPS = {
    "terminal 80": (terminal(80), ""),
    "terminal 100": (terminal(100), ""),
    "terminal 132": (terminal(132), ""),
    "indented": (terminal(80), "    "),
    "quoted": (terminal(80), "> "),
    "mail 72": (mail(72), ""),
    "quoted mail 76": (mail(76), "> "),
}


def wrapped(text: str, name: str) -> str:
    wrap, frame = WRAPS[name]
    return "".join(f"{frame}{part}\n" for line in text.split("\n")[:-1] for part in wrap(line))


def log_text() -> str:
    with gzip.open(DATA / "commit-1" / "calls.strace.gz", "rt", encoding="utf-8") as file:
        return file.read()


def calls_in(events: list[Event]) -> list[tuple[object, ...]]:
    assert not [event for event in events if isinstance(event, Unparsed)]
    calls = [event for event in events if isinstance(event, Call)]
    return [(call.tid, call.spelling, call.args, call.mem, call.ret) for call in calls]


def events_of(text: str) -> list[Event]:
    reader = StraceReader()
    for line in text.split("\n")[:-1]:
        reader.feed(line)
    reader.finish()
    return reader.take()


@pytest.mark.parametrize("name", WRAPS)
def test_wrapped_log_has_the_same_calls(name: str, tmp_path: Path) -> None:
    text = log_text()
    (tmp_path / "log").write_text(wrapped(text, name))
    log = Log(str(tmp_path / "log"), follow=True)
    assert calls_in(list(log)) == calls_in(events_of(text))
    assert "wrapped at" in log.remark


@pytest.mark.parametrize("name", WRAPS)
@pytest.mark.parametrize("form", ["proc.maps", "gdb.txt", "pmap-x.txt", "pmap-d.txt"])
def test_wrapped_map_has_the_same_ranges(form: str, name: str, tmp_path: Path) -> None:
    text = (DATA / "maps" / form).read_text()
    pasted = wrapped(text, name)
    (tmp_path / "map").write_text(pasted)
    assert holds_map(str(tmp_path / "map"))
    assert map_in(pasted.splitlines(), "map").lines == map_in(text.splitlines(), "map").lines


@pytest.mark.parametrize("width", [80, 100, 132])
def test_row_of_several_lines_is_put_together(width: int) -> None:
    text = (DATA / "maps" / "pmap-widest.txt").read_text()
    pasted = [part for line in text.splitlines() for part in terminal(width)(line)]
    assert map_in(pasted, "map").lines == map_in(text.splitlines(), "map").lines


def test_event_stands_where_its_last_line_does(tmp_path: Path) -> None:
    line = (
        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000"
    )
    (tmp_path / "log").write_text("".join(f"{part}\n" for part in terminal(80)(line) * 3))
    log = Log(str(tmp_path / "log"), follow=True)
    assert [event.line for event in log] == [2, 4, 6]
    assert log.lines == 6
    assert log.remark == "6 lines were wrapped at 80 columns, and are joined"


def test_line_whose_rest_is_missing_is_told(tmp_path: Path) -> None:
    text = "".join(f"{line[:80]}\n" for line in log_text().split("\n")[:40] if len(line) > 80)
    whole = "munmap(0x7f0000001000, 4096) = 0\n"
    (tmp_path / "log").write_text(whole.join(text.splitlines(keepends=True)))
    log = Log(str(tmp_path / "log"), follow=True)
    events = list(log)
    assert {event.name for event in events if isinstance(event, Call)} >= {"munmap"}
    assert log.unparsed > 0
    assert log.remark == ""


def test_text_behind_the_longest_range_is_no_part_of_its_name() -> None:
    ranges = [
        "7f0000001000-7f0000002000 r--p 00000000 fe:00 17                         /usr/lib/one.so",
        "This is where it crashed",
        "7f0000003000-7f0000004000 r--p 00000000 fe:00 18                         /usr/lib/a.so",
    ]
    names = [line.name for line in map_in(ranges, "map").lines]
    assert names == ["/usr/lib/one.so", "/usr/lib/a.so"]


def test_name_on_the_next_line_is_the_ranges_only_where_it_can_have_one() -> None:
    ranges = [
        "7f0000001000-7f0000002000 r--p 00000000 fe:00 17",
        "/usr/lib/one.so",
        "7f0000003000-7f0000004000 rw-p 00000000 00:00 0",
        "/usr/lib/none.so",
        "7f0000005000-7f0000006000 rw-p 00000000 00:00 0",
        "[heap]",
    ]
    assert [line.name for line in map_in(ranges, "map").lines] == ["/usr/lib/one.so", "", "[heap]"]


@pytest.mark.parametrize("end", ["", "\n"], ids=["no newline", "a newline"])
def test_calls_that_a_page_put_in_one_line_are_read(end: str, tmp_path: Path) -> None:
    lines = [line for line in log_text().split("\n")[:400] if ") = " in line]
    (tmp_path / "log").write_text(" ".join(lines) + end)
    log = Log(str(tmp_path / "log"), follow=True)
    events = list(log)
    read = [event for event in events if isinstance(event, Call)]
    expected = calls_in(events_of("\n".join(lines) + "\n"))
    # Whether the last one is whole cannot be told without a newline.
    assert calls_in(read) == (expected if end else expected[: len(read)])
    assert len(expected) - len(read) <= (0 if end else 1)
    assert log.remark == "calls stood in one line: a line's number is that of a call"


def test_text_that_looks_like_calls_in_a_string_is_one_call(tmp_path: Path) -> None:
    line = 'write(1, "a(1) = 0 b(2) = 0 c(3) = 0", 30) = 30\n'
    (tmp_path / "log").write_text(line)
    assert [event.name for event in Log(str(tmp_path / "log"), follow=True)] == ["write"]
