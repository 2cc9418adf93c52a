# SPDX-License-Identifier: GPL-2.0-or-later
"""What a Parquet file says of its columns decides which are read; no event is another for it."""

from itertools import chain
from pathlib import Path

import pytest

from vmalab.calls.call import Call, Event
from vmalab.recording.readers import columns
from vmalab.recording.readers.column_statistics import telling_columns
from vmalab.recording.readers.columns import ColumnReader, write_columns

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vmalab[arrow]'")

# What a plain call needs: its result has no text, and no time.
PLAIN = {"kind", "line", "entry_line", "tid", "name", *(f"a{at}" for at in range(6)), "ret"}


def plain_calls() -> list[Call]:
    """Calls that have nothing that most calls have not."""
    return [Call(7, "brk", (at, 0, 0, 0, 0, 0), line=at, ret=at) for at in range(1, 9)]


def shown(calls: list[Call]) -> list[Call]:
    """The same calls, their results printed as usual."""
    for call in calls:
        call.ret_text = hex(call.result)
    return calls


def telling(path: Path) -> set[str]:
    """The columns of a file that say something."""
    import pyarrow.parquet

    return set(telling_columns(pyarrow.parquet.read_metadata(path)))


def test_plain_calls_need_few_columns(tmp_path: Path) -> None:
    path = tmp_path / "calls.parquet"
    write_columns(shown(plain_calls()), str(path))
    assert telling(path) == PLAIN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("time", 1.5), ("time", -1.5), ("abi", "i386"), ("lenient", True), ("mem", {0: "text"})),
        *(("out", [1]), ("ret_mem", "text"), ("stack", ["a"]), ("ret_text", "0x01 (x)")),
    ],
    ids=str,
)
@pytest.mark.parametrize("at", [0, 7])
def test_a_column_that_says_something_of_one_row_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object, at: int
) -> None:
    monkeypatch.setattr(columns, "GROUP", 3)
    calls = shown(plain_calls())
    setattr(calls[at], name, value)
    path = tmp_path / "calls.parquet"
    events: list[Event] = [*calls]
    write_columns(events, str(path))
    assert telling(path) == PLAIN | {name}
    found = [*chain.from_iterable(ColumnReader(str(path), follow=False).batches())]
    assert [getattr(event, name) for event in found] == [getattr(call, name) for call in calls]


def test_without_statistics_every_column_is_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    rows = [columns.row_of(call) for call in plain_calls()]
    path = tmp_path / "calls.parquet"
    table = pa.Table.from_pylist(rows, columns.schema())
    pyarrow.parquet.write_table(table, path, write_statistics=False)
    assert telling(path) == set(columns.schema().names)
    found = [*chain.from_iterable(ColumnReader(str(path), follow=False).batches())]
    assert [event.line for event in found] == list(range(1, 9))
