# SPDX-License-Identifier: GPL-2.0-or-later
"""Columns hold what a log's text holds: every event comes back as it was, and replays alike."""

import random
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from click.testing import CliRunner

from vmalab.calls.call import (
    Call,
    Event,
    Exit,
    FdPath,
    Signal,
    TruncatedList,
    TruncatedStr,
    UnknownSymbol,
    Unparsed,
)
from vmalab.calls.errors import ReadError
from vmalab.cli.main import vmalab
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers import columns
from vmalab.recording.readers.columns import ColumnReader, write_columns
from vmalab.replay.replay import Options, Replay
from vmalab.views.text import figures_text

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vmalab[arrow]'")

NAMES = {
    Call: (
        *("tid", "name", "args", "mem", "out", "line", "entry_line", "time", "ret", "ret_text"),
        *("ret_mem", "abi", "lenient", "stack", "spelling", "native", "result"),
        *(f"a{index}" for index in range(6)),
    ),
    Signal: ("tid", "line", "name", "addr", "text", "time", "stack"),
    Exit: ("tid", "line", "status", "signal", "successor", "time"),
    Unparsed: ("line", "text", "why"),
}


def said(event: Event) -> tuple[object, ...]:
    """All that an event says, its types included."""
    values = [getattr(event, name) for name in NAMES[type(event)]]
    return (type(event), *values, [type(value) for value in values])


def back(events: list[Event], path: Path) -> list[Event]:
    """Events written and read again."""
    assert write_columns(iter(events), str(path)) == len(events)
    return list(chain.from_iterable(ColumnReader(str(path), follow=False).batches()))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("name", ["sqlite3", "python-rlimit-as", "dense-1"])
def test_every_event_comes_back(examples: Path, tmp_path: Path, name: str, suffix: str) -> None:
    events = list(RecordingFiles(str(examples / name)).log())
    assert len(events) > 100
    found = back(events, tmp_path / f"calls{suffix}")
    assert [said(event) for event in found] == [said(event) for event in events]


def test_what_is_rare_comes_back(tmp_path: Path) -> None:
    top = (1 << 64) - 1
    call = Call(7, "ioctl", (top, 1 << 63, 0, 0, 0, 5), line=3, entry_line=2, ret=top)
    call.ret_text = hex(top)
    call.mem = {
        0: FdPath("/a\udcff"),
        1: {"range": {"start": 1}, "mode": UnknownSymbol("X")},
        2: TruncatedList([1, TruncatedStr("cut")]),
    }
    call.out = [1, "two", {"3": 4}]
    call.stack = ["a", "b"]
    killed = Call(7, "munmap", (0, 0, 0, 0, 0, 0), ret=None, ret_text="?")
    events: list[Event] = [
        call,
        killed,
        Signal(7, 4, "SIGSEGV", top, "{}", 1.5),
        Exit(7, 5, None, "SIGKILL", 9, 2.0),
        Unparsed(6, "bytes \udcff", "why"),
    ]
    found = back(events, tmp_path / "calls.parquet")
    assert [said(event) for event in found[:4]] == [said(event) for event in events[:4]]
    assert said(found[4])[1:4] == (6, "bytes \\udcff", "why")


def test_groups_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "GROUP", 3)
    events: list[Event] = [Call(1, "brk", (at, 0, 0, 0, 0, 0), ret=at) for at in range(10)]
    found = back(events, tmp_path / "calls.arrow")
    assert [event.args[0] for event in found if isinstance(event, Call)] == list(range(10))


@pytest.mark.parametrize("name", ["sqlite3", "dense-1"])
def test_the_command_makes_a_recording_that_replays_alike(
    examples: Path, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "columns"
    result = CliRunner().invoke(vmalab, ["convert", str(examples / name), str(target)])
    assert result.exit_code == 0, result.output
    text = Replay(RecordingFiles(str(examples / name)), Options()).run().total
    total = Replay(RecordingFiles(str(target)), Options()).run().total
    assert figures_text(total) == figures_text(text)
    assert total.memory_calls == total.predicted + total.adopted > 50


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_the_text_of_a_result_comes_back_however_it_is_printed(tmp_path: Path, suffix: str) -> None:
    """Digits as they are usually printed are made again of the number; all else is kept."""
    top = (1 << 63) - 1
    numbers = [0, 1, 9, 10, 15, 16, 255, 4096, 0x7F0000000000, top]
    usual = [(number, form(number)) for number in numbers for form in (str, hex)]
    odd = [
        *((10, text) for text in ("0xA", "0X a", "0x0a", "010", "11", "0x", "a", "10 (x)")),
        *((0, text) for text in ("00", "0x", "0x00", "x0", "?", "", "-0")),
        *((-12, text) for text in ("-1 ENOMEM (Cannot allocate memory)", "-12", "-0xc", "12")),
    ]
    events: list[Event] = [
        Call(7, "brk", (1, 0, 0, 0, 0, 0), line=line, entry_line=line, ret=ret, ret_text=text)
        for line, (ret, text) in enumerate(usual + odd, 1)
    ]
    found = back(events, tmp_path / f"calls{suffix}")
    # A row without a text says as little as one with an empty one.
    assert [said(event)[10] or "?" for event in events] == [said(event)[10] for event in found]
    assert [said(event)[9] for event in found] == [ret for ret, _ in usual + odd]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_result_is_kept_as_text_only_where_its_number_does_not_say_it(
    tmp_path: Path, suffix: str
) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    told = [
        *(("mmap", 4096, "0x1000", None), ("mmap", 4096, "4096", "4096")),
        *(("munmap", 0, "0", None), ("munmap", 0, "0x0", "0x0"), ("madvise", 4096, "4096", None)),
        *(("brk", -12, "-12", "-12"), ("read", -12, "-12", None), ("unheard_of", 7, "7", None)),
        *(("munmap", -22, "-1 EINVAL (Invalid argument)", "-1 EINVAL (Invalid argument)"),),
        *(("munmap", None, "?", "?"),),
    ]
    events: list[Event] = [
        Call(7, name, None, ret=ret, ret_text=text, line=1) for name, ret, text, _ in told
    ]
    path = tmp_path / f"calls{suffix}"
    found = back(events, path)
    assert [said(event) for event in found] == [said(event) for event in events]
    if suffix == ".parquet":
        table = pyarrow.parquet.read_table(path)
    else:
        table = pa.ipc.open_file(path).read_all()
    assert table.column("ret_text").to_pylist() == [kept for _, _, _, kept in told]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_files_of_the_first_format_are_read(tmp_path: Path, suffix: str) -> None:
    """Each of their calls has the text of its result."""
    import pyarrow as pa
    import pyarrow.parquet

    events = list(odd_events(random.Random(1), 200))
    first = columns.schema().with_metadata({columns.FORMAT_KEY: b"1"})
    table = pa.Table.from_pylist([columns.row_of(event) for event in events], first)
    path = str(tmp_path / f"calls{suffix}")
    if suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pa.ipc.new_file(path, first) as writer:
            writer.write_table(table)
    found = chain.from_iterable(ColumnReader(path, follow=False).batches())
    assert [said(event) for event in found] == [said(event) for event in events]


WORDS = ["", "x86_64", "i386", "é", "a" * 300]


def odd_events(numbers: random.Random, count: int) -> Iterator[Event]:
    """Events that have what others have not, in any order."""
    for line in range(1, count + 1):
        time = numbers.choice([0.0, 1.25])
        if numbers.randrange(4) == 0:
            yield Exit(line, line, numbers.choice([None, 3]), numbers.choice([None, "SIGKILL"]))
        elif numbers.randrange(4) == 0:
            yield Signal(line, line, "SIGSEGV", numbers.choice([None, 1 << 63]), "{}", time)
        elif numbers.randrange(8) == 0:
            yield Unparsed(line, numbers.choice(WORDS), "why")
        else:
            name = numbers.choice(["brk", "mmap2", "ioctl"])
            args = tuple(numbers.choice([0, 1, 1 << 63, (1 << 64) - 1]) for _ in range(6))
            ret = numbers.choice([None, 0, -12, 1 << 47, (1 << 64) - 1])
            text = "?" if ret is None else numbers.choice([str(ret), hex(ret)])
            call = Call(line, name, args, None, None, line, line - 1, time, ret, text)
            call.abi = numbers.choice(["x86_64", "i386"])
            call.lenient = numbers.randrange(5) == 0
            call.mem = numbers.choice([None, {0: "text"}])
            call.out = numbers.choice([None, [1, "two"]])
            call.stack = numbers.choice([None, ["a", "b"]])
            yield call


@pytest.mark.parametrize("rows", [1, 3, 8, 13, 1000])
@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_events_come_back_wherever_batches_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, rows: int
) -> None:
    monkeypatch.setattr(columns, "UNPACKED", rows)
    monkeypatch.setattr(columns, "GROUP", 50)
    events = list(odd_events(random.Random(rows), 200))
    found = back(events, tmp_path / f"calls{suffix}")
    assert [said(event) for event in found] == [said(event) for event in events]


def test_a_word_may_be_there_twice_or_not_at_all(tmp_path: Path) -> None:
    import pyarrow as pa

    row = columns.row_of(Call(7, "brk", (0, 0, 0, 0, 0, 0), line=3, ret=0))
    table = pa.Table.from_pylist([row] * 3, schema=columns.schema())
    indices = pa.array([0, 1, 1], pa.int32())
    path = str(tmp_path / "calls.arrow")
    for words, outcome in ((["call", "call"], [3, 3, 3]), (["call", None], "of the kind 'None'")):
        kinds = pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()))
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table.set_column(0, table.schema.field(0), kinds))
        events = chain.from_iterable(ColumnReader(path, follow=False).batches())
        if isinstance(outcome, str):
            with pytest.raises(ReadError, match=outcome):
                list(events)
        else:
            assert [event.line for event in events] == outcome


def test_a_result_of_no_text_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    row = columns.row_of(Call(7, "brk", (0, 0, 0, 0, 0, 0), line=3)) | {"ret_text": " "}
    path = str(tmp_path / "calls.parquet")
    pyarrow.parquet.write_table(pa.Table.from_pylist([row], schema=columns.schema()), path)
    with pytest.raises(ReadError, match="cannot be read"):
        list(chain.from_iterable(ColumnReader(path, follow=False).batches()))


def test_a_file_of_others_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    path = str(tmp_path / "calls.parquet")
    pyarrow.parquet.write_table(pa.table({"kind": ["call"]}), path)
    with pytest.raises(ReadError, match="no events that this version"):
        list(chain.from_iterable(ColumnReader(path, follow=False).batches()))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_broken_file_is_an_error_of_the_input(
    examples: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"calls{suffix}"
    write_columns(RecordingFiles(str(examples / "sqlite3")).log(), str(path))
    raw = path.read_bytes()
    for cut in (0, 3, len(raw) // 2, len(raw) - 5):
        path.write_bytes(raw[:cut])
        with pytest.raises(ReadError):
            list(chain.from_iterable(ColumnReader(str(path), follow=False).batches()))


def test_columns_of_other_types_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    path = str(tmp_path / "calls.parquet")
    other = pa.schema({"kind": pa.string()}, metadata=columns.schema().metadata)
    pyarrow.parquet.write_table(pa.table({"kind": ["call"]}, schema=other), path)
    with pytest.raises(ReadError, match="no events that this version"):
        list(chain.from_iterable(ColumnReader(path, follow=False).batches()))


@pytest.mark.parametrize("missing", ["tid", "line", "entry_line", "name", "a3"])
def test_a_call_that_lacks_something_is_an_error(tmp_path: Path, missing: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    row = columns.row_of(Call(7, "munmap", (4096, 4096, 0, 0, 0, 0), line=3))
    path = str(tmp_path / "calls.parquet")
    whole = pa.Table.from_pylist([row], schema=columns.schema())
    pyarrow.parquet.write_table(whole, path)
    assert [
        event.line for event in chain.from_iterable(ColumnReader(path, follow=False).batches())
    ] == [3]
    cut = pa.Table.from_pylist([{**row, missing: None}], schema=columns.schema())
    pyarrow.parquet.write_table(cut, path)
    with pytest.raises(ReadError, match="a call without"):
        list(chain.from_iterable(ColumnReader(path, follow=False).batches()))


def test_a_call_may_lack_what_says_nothing_of_it(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    row = columns.row_of(Call(7, "munmap", (4096, 4096, 0, 0, 0, 0), line=3, ret=0))
    least = {**row, "ret_text": None, "abi": None, "time": None, "lenient": None}
    timed = {**row, "time": 1.5, "abi": "i386", "ret": None, "ret_text": "0xffffffffffffffff"}
    path = str(tmp_path / "calls.parquet")
    pyarrow.parquet.write_table(pa.Table.from_pylist([least, timed], columns.schema()), path)
    one, two = chain.from_iterable(ColumnReader(path, follow=False).batches())
    plain = Call(7, "munmap", (4096, 4096, 0, 0, 0, 0), line=3, ret=0, ret_text="0")
    assert said(one) == said(plain)
    assert isinstance(two, Call)
    assert (two.time, two.abi, two.ret) == (1.5, "i386", (1 << 64) - 1)


def test_events_of_all_kinds_keep_their_order(tmp_path: Path) -> None:
    events: list[Event] = []
    for line in range(1, 400, 4):
        events += [
            Call(7, "brk", (line, 0, 0, 0, 0, 0), line=line, ret=line, ret_text=str(line)),
            Signal(7, line + 1, "SIGSEGV", line, "{}", 0.5),
            Call(8, "munmap", (0, line, 0, 0, 0, 0), line=line + 2, ret=None, ret_text="?"),
            Exit(8, line + 3, line % 3, None, 0, 0.5),
        ]
    found = back(events, tmp_path / "calls.parquet")
    assert [said(event) for event in found] == [said(event) for event in events]


def test_changed_bytes_end_in_events_or_an_error(examples: Path, tmp_path: Path) -> None:
    path = tmp_path / "calls.arrow"
    write_columns(RecordingFiles(str(examples / "sqlite3")).log(), str(path))
    raw = path.read_bytes()
    refused = 0
    for at in range(8, len(raw), len(raw) // 150):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :])
        try:
            list(chain.from_iterable(ColumnReader(str(path), follow=False).batches()))
        except ReadError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_long_rows_are_written_in_groups_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(columns, "MAX_GROUP", 100000)
    events: list[Event] = [Unparsed(at, f"{at:04}" * 500, "why") for at in range(1, 201)]
    found = back(events, tmp_path / f"calls{suffix}")
    assert [said(event) for event in found] == [said(event) for event in events]
