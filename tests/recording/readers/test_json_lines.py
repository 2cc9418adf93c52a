# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines that are in objects of JSON are read as they are by themselves."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.calls.call import Call, Event, Unparsed
from vmalab.recording.format.recording import Log
from vmalab.recording.readers.json_lines import JsonPacking, JsonUnpacker
from vmalab.recording.readers.json_values import MAX_HELD, Values, strings_at
from vmalab.recording.readers.line_source import MAX_LINE
from vmalab.recording.readers.map_file import holds_map, read_map
from vmalab.recording.readers.unpacked import packing_of

DATA = Path(__file__).parents[2] / "data"
STRACE = [
    '12 execve("./a", ["./a", "\\303\\244\\n"], 0x7ffdaf3e8588 /* 35 vars */) = 0',
    "12 brk(NULL)                               = 0x5578304cd000",
    "12 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000",
    "13 mprotect(0x7f0000001000, 4096, PROT_NONE <unfinished ...>",
    "12 munmap(0x7f0000001000, 4096)    = 0",
    "13 <... mprotect resumed>)         = 0",
    "12 +++ exited with 0 +++",
]
LOGS = {
    "strace": STRACE,
    "stamped": [f"2026-11-29T10:00:00.{at}Z stderr F {line}" for at, line in enumerate(STRACE)],
    "quoted": [f"> {line}" for line in STRACE],
    "perf script": (DATA / "tracepoints" / "threads-perf-script.txt").read_text().splitlines(),
    "ftrace": (DATA / "tracepoints" / "ftrace.txt").read_text().splitlines(),
    "syzkaller": [
        "r0 = memfd_create(&(0x7f0000200000)='x\\x00', 0x0)",
        "munmap(0x20000000, 0x1000)",
    ],
    "perf trace": (DATA / "tracepoints" / "threads-perf-trace.txt").read_text().splitlines()[:80],
}


def docker(line: str) -> str:
    return packed(log=f"{line}\n", stream="stderr", time="2026-11-29T10:00:00.123456789Z")


def packed(**strings: object) -> str:
    return json.dumps(strings).replace("<", "\\u003c").replace(">", "\\u003e")


AROUND: dict[str, Callable[[str], str]] = {
    "docker": docker,
    "docker, terminal": lambda line: packed(log=f"{line}\r\n", stream="stdout"),
    "journalctl": lambda line: packed(_PID="812", MESSAGE=line, _CMDLINE="strace ./a"),
    "shipper": lambda line: packed(ts=1764410400.1, level="info", msg=line, tags=["a", {"b": []}]),
    "shipper of docker": lambda line: docker(packed(message=line)),
    "fluentd": lambda line: packed(kubernetes={"labels": {"app": "a"}}, log=f"{line}\n"),
    "nested": lambda line: packed(host="a", message={"level": 3, "text": line}),
    "docker compose": lambda line: f"app-1  | {docker(line)}",
    "logcli": lambda line: f'2026-11-29T10:00:00Z {{app="a", pod="a-1"}} {docker(line)}',
    "strings": lambda line: json.dumps(line),
    "CSV": lambda line: cell("2026-11-29T10:00:00Z") + "," + cell(line) + "," + cell("app-1"),
    "CSV, some cells": lambda line: f"12;{cell(line)};stderr",
    "CSV, one column": lambda line: cell(line),
    "CSV of docker": lambda line: f"12,{cell(docker(line))}",
}


def cell(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""'))


# What holds a whole log; in how many of its lines more than there are calls.
HOLDERS: dict[str, Callable[[list[str]], str]] = {
    "objects, indented": lambda lines: "\n".join(
        json.dumps({"stream": "stderr", "log": line}, indent=2) for line in lines
    ),
    "array": lambda lines: json.dumps([{"log": line, "n": [1, {}]} for line in lines]),
    "array, indented": lambda lines: json.dumps([{"log": line} for line in lines], indent=2),
    "array, a line each": lambda lines: (
        "[" + ",\n".join(json.dumps({"log": line}) for line in lines) + "]"
    ),
    "array of strings": lambda lines: json.dumps(lines, indent=2),
    "answer": lambda lines: json.dumps(
        {"events": [{"message": line} for line in lines], "next": 1}
    ),
    "answer, indented": lambda lines: json.dumps(
        {"next": "a", "events": [{"t": 1, "message": line} for line in lines]}, indent=4
    ),
    "one cell": lambda lines: f"P-1,Crash,{cell(chr(10).join(lines))},open",
}


def events_of(path: Path, lines: list[str]) -> list[Event]:
    path.write_text("".join(f"{line}\n" for line in lines))
    return list(Log(str(path), follow=True))


def told(event: Event) -> tuple[object, ...]:
    if isinstance(event, Call):
        return (event.line, event.tid, event.name, event.args, event.mem, event.ret)
    assert not isinstance(event, Unparsed), event
    return (event.line, event.tid)


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("name", LOGS)
def test_log_in_objects(name: str, around: Callable[[str], str], tmp_path: Path) -> None:
    expected = [told(event) for event in events_of(tmp_path / "plain", LOGS[name])]
    assert expected
    found = events_of(tmp_path / "packed", list(map(around, LOGS[name])))
    assert [told(event) for event in found] == expected
    assert not holds_map(str(tmp_path / "packed"))


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("name", LOGS)
def test_log_in_one_value(name: str, holder: Callable[[list[str]], str], tmp_path: Path) -> None:
    expected = [told(event)[1:] for event in events_of(tmp_path / "plain", LOGS[name])]
    found = events_of(tmp_path / "packed", [holder(LOGS[name])])
    assert [told(event)[1:] for event in found] == expected
    assert not holds_map(str(tmp_path / "packed"))


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("form", ["proc.maps", "gdb.txt", "pmap-x.txt", "readelf-l.txt"])
def test_map_in_objects(form: str, around: Callable[[str], str], tmp_path: Path) -> None:
    lines = (DATA / "maps" / form).read_text().splitlines()
    (tmp_path / "map").write_text("".join(f"{around(line)}\n" for line in lines))
    assert holds_map(str(tmp_path / "map"))
    assert read_map(str(tmp_path / "map")) == read_map(str(DATA / "maps" / form))


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_map_in_one_value(holder: Callable[[list[str]], str], tmp_path: Path) -> None:
    lines = (DATA / "maps" / "proc.maps").read_text().splitlines()
    (tmp_path / "map").write_text(holder(lines) + "\n")
    assert holds_map(str(tmp_path / "map"))
    assert read_map(str(tmp_path / "map")).lines == read_map(str(DATA / "maps/proc.maps")).lines


def test_value_whose_end_is_missing_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    lines = HOLDERS["answer, indented"](STRACE).split("\n")
    cut = next(at for at, line in enumerate(lines) if "resumed" in line)
    events = events_of(tmp_path / "log", lines[:cut])
    assert [told(event)[1:] for event in events if isinstance(event, Call)] == [
        told(event)[1:]
        for event in events_of(tmp_path / "plain", STRACE[:5])
        if isinstance(event, Call)
    ]
    assert not any(isinstance(event, Unparsed) for event in events)


def test_object_whose_end_is_missing_takes_no_other_with_it(tmp_path: Path) -> None:
    lines = [packed(log=line, t={"n": 1}, last=1) for line in STRACE[1:3] * 5]
    lines[3] = lines[3].partition(' "last"')[0]
    events = events_of(tmp_path / "log", lines)
    assert [event.line for event in events if isinstance(event, Call)] == list(range(1, 11))


def test_event_stands_in_the_last_line_of_its_object(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"log": line, "n": 1}, indent=1) for line in STRACE[1:3]).split(
        "\n"
    )
    assert [event.line for event in events_of(tmp_path / "log", lines)] == [4, 8]


def test_long_value_comes_in_parts() -> None:
    filler = "a" * 40000
    count = MAX_HELD * 2 // len(filler)
    parts = [{"line": f"{at} {filler}", "of": [1, {}]} for at in range(count)]
    text = json.dumps({"of": [{"line": "other"}], "found": {"events": parts}, "next": 1}, indent=1)
    values = Values()
    taken = [value for line in text.split("\n") for value in values.feed(line)] + values.finish()
    place = ("found", "events", "[]", "line")
    found = [text for value in taken for text, _ in strings_at(value.found, place, "")]
    assert found == [part["line"] for part in parts]
    assert "\n".join(line for value in taken for line in value.lines) == text
    assert len(taken) == 3


def test_long_value_without_parts_is_given_up_and_nothing_is_lost() -> None:
    values = Values()
    assert values.feed("{") == []
    part = f'"a": "{"b" * (1 << 20)}",'
    taken = [value for _ in range(20) for value in values.feed(part)]
    taken += values.finish()
    assert sum(len(value.lines) for value in taken) == 21
    assert max(len("".join(value.lines)) for value in taken) <= MAX_HELD + len(part)


@pytest.mark.parametrize("text", ['"\\' * 200000, "[{" * 200000, '{"' * 200000, '{"a": [' * 200000])
def test_hostile_line_is_told_apart_soon(text: str) -> None:
    assert packing_of([text] * 3, lambda lines: lines) is None


def test_remark_says_where_the_lines_were(tmp_path: Path) -> None:
    events_of(tmp_path / "log", list(map(docker, STRACE)))
    log = Log(str(tmp_path / "log"), follow=True)
    list(log)
    assert log.remark == "the lines are the strings 'log' of JSON objects"
    events_of(tmp_path / "log", [HOLDERS["answer"](STRACE)])
    log = Log(str(tmp_path / "log"), follow=True)
    list(log)
    assert log.remark.startswith("the lines are the strings 'events[].message' of JSON objects")
    events_of(tmp_path / "log", list(map(AROUND["CSV"], STRACE)))
    log = Log(str(tmp_path / "log"), follow=True)
    list(log)
    assert log.remark == "the lines are in column 2 of a table"


@pytest.mark.parametrize("heading", ["message", "@message", "Log Line"])
def test_heading_of_a_table_is_no_line_that_is_not_understood(heading: str, tmp_path: Path) -> None:
    rows = [f'"@timestamp","{heading}"', *(f"2026-11-29,{cell(line)}" for line in STRACE)]
    expected = [told(event)[1:] for event in events_of(tmp_path / "plain", STRACE)]
    assert [told(event)[1:] for event in events_of(tmp_path / "log", rows)] == expected
    log = Log(str(tmp_path / "log"), follow=True)
    list(log)
    assert log.remark == f"the lines are in column 2 ({heading!r}) of a table"


def test_line_that_is_no_such_object_is_reported_as_it_is(tmp_path: Path) -> None:
    lines = list(map(docker, STRACE))
    others = ['{"log": 5}', '{"log":"\\ud800\\n"}', "{" * 5000, "[" * 5000, '{"log":"hello\\n"}']
    events = events_of(tmp_path / "log", lines[:2] + others + lines[2:])
    found = [event for event in events if isinstance(event, Unparsed)]
    assert [(event.line, event.text) for event in found] == [
        *((at, text[:200]) for at, text in enumerate(others[:4], start=3)),
        (7, "hello"),
    ]


@pytest.mark.parametrize("size", [1, 7, 40])
def test_line_that_was_split_is_joined_and_stands_where_it_ends(size: int, tmp_path: Path) -> None:
    call = STRACE[2]
    parts = [call[at : at + size] for at in range(0, len(call), size)]
    split = [packed(log=part, stream="stderr") for part in parts[:-1]]
    whole = list(map(docker, STRACE))
    # What a log begins with shows that lines end with a newline.
    events = events_of(tmp_path / "log", [*whole * 40, *split, docker(parts[-1]), *whole])
    calls = [told(event) for event in events if isinstance(event, Call) and event.name == "mmap"]
    expected = [told(event) for event in events_of(tmp_path / "plain", STRACE * 41 + [call])]
    mmaps = [call for call in expected if len(call) > 2 and call[2] == "mmap"]
    at = len(whole) * 40 + len(parts)
    assert [call[1:] for call in calls] == [call[1:] for call in mmaps]
    assert (at, *calls[0][1:]) in calls
    assert calls[-1][0] == at + 3


def test_part_of_one_output_does_not_go_on_with_another() -> None:
    unpacker = JsonUnpacker(JsonPacking(("log",), ended=True, known=1))
    assert unpacker.feed(packed(log="Password: ", stream="stdout")) == []
    assert unpacker.feed(packed(log="brk(NULL) = 0\n", stream="stderr")) == [
        "Password: ",
        "brk(NULL) = 0",
    ]


def test_part_that_does_not_go_on_may_miss_its_end(tmp_path: Path) -> None:
    part = packed(log="munmap(0x7f0000001000, 4096)    = 0", stream="stderr")
    *_, last = events_of(tmp_path / "log", [*map(docker, STRACE), part])
    assert isinstance(last, Unparsed)
    assert "no newline" in last.why


def test_joined_line_is_bounded() -> None:
    unpacker = JsonUnpacker(JsonPacking(("log",), ended=True, known=1))
    part = packed(log="a" * (1 << 14))
    for _ in range(200):
        assert set(unpacker.feed(part)) <= {""}
    assert list(map(len, unpacker.finish())) == [MAX_LINE + 1]


def test_lines_of_one_object_are_read_one_by_one(tmp_path: Path) -> None:
    events = events_of(tmp_path / "log", [packed(message="\n".join(STRACE)), packed(message="")])
    expected = events_of(tmp_path / "plain", STRACE)
    assert [told(event) for event in events] == [told(event) for event in expected]
    log = Log(str(tmp_path / "log"), follow=True)
    list(log)
    assert "a line's number counts these" in log.remark


@pytest.mark.parametrize(("end", "count"), [("", 6), ("}", 5)])
def test_last_object_without_a_newline_counts_where_it_is_whole(
    end: str, count: int, tmp_path: Path
) -> None:
    text = "\n".join(map(docker, STRACE[:2] + STRACE[4:5] * 4))
    (tmp_path / "log").write_text(text.removesuffix(end))
    events = list(Log(str(tmp_path / "log"), follow=True))
    assert sum(1 for event in events if isinstance(event, Call)) == count
    assert sum(1 for event in events if isinstance(event, Unparsed)) == 6 - count


@pytest.mark.parametrize(
    "lines",
    [
        [packed(message="hello")] * 9,
        [packed(pid=7)] * 9,
        [packed(message=STRACE[1]), *["hello"] * 9],
        ["{"] * 9,
    ],
    ids=["no calls", "no strings", "few objects", "no objects"],
)
def test_other_objects_are_lines_that_are_no_calls(lines: list[str], tmp_path: Path) -> None:
    events = events_of(tmp_path / "log", lines)
    found = [event for event in events if isinstance(event, Unparsed)]
    assert [event.text for event in found] == lines
