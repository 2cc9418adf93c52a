# SPDX-License-Identifier: GPL-2.0-or-later
"""What a file of columns unpacks to is bounded, however it is packed."""

from itertools import chain
from pathlib import Path

import pytest

from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError
from vmalab.recording.readers import columns
from vmalab.recording.readers.columns import ColumnReader

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vmalab[arrow]'")


def written(path: Path, count: int, text: str, **options: object) -> str:
    """A file with as many rows that share a text, however it is packed."""
    import pyarrow as pa
    import pyarrow.parquet

    row = columns.row_of(Call(7, "brk", (0, 0, 0, 0, 0, 0), line=3))
    table = pa.Table.from_pylist([{**row, "out": text}] * count, schema=columns.schema())
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path, compression="zstd", **options)
    else:
        packed = pa.ipc.IpcWriteOptions(**options)
        with pa.ipc.new_file(str(path), table.schema, options=packed) as writer:
            writer.write_table(table)
    return str(path)


def test_a_text_that_rows_share_is_unpacked_once(tmp_path: Path) -> None:
    import pyarrow as pa

    path = written(tmp_path / "calls.parquet", 400, f'"{"x" * (1 << 18)}"')
    pool = pa.system_memory_pool()
    before, pa_pool = pool.bytes_allocated(), pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        most = 0
        for event in chain.from_iterable(ColumnReader(path, follow=False).batches()):
            assert isinstance(event, Call)
            most = max(most, pool.bytes_allocated() - before)
    finally:
        pa.set_memory_pool(pa_pool)
    assert 0 < most < 16 << 20


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_what_is_made_of_a_text_for_each_row_is_made_for_few_rows_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(columns, "MAX_TEXTS", 4000)
    path = written(tmp_path / f"calls{suffix}", 50, '"' + "x" * 1000 + '"')
    batches = [len(events) for events in ColumnReader(path, follow=False).batches()]
    assert max(batches) <= 4
    assert sum(batches) == 50


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_text_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(columns, "MAX_TEXT", 1000)
    path = written(tmp_path / f"calls{suffix}", 3, "1" * 1000)
    assert len(list(chain.from_iterable(ColumnReader(path, follow=False).batches()))) == 3
    path = written(tmp_path / f"other{suffix}", 3, '"' + "é" * 500 + '"')
    with pytest.raises(ReadError, match=rf"other{suffix}:1: row 1 holds a text of more than 1000"):
        list(chain.from_iterable(ColumnReader(path, follow=False).batches()))


@pytest.mark.parametrize("bound", ["MAX_UNPACKED", "MAX_GROUP"])
def test_rows_that_unpack_to_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    path = written(tmp_path / "calls.parquet", 50, "1" * 1000, use_dictionary=False)
    monkeypatch.setattr(columns, bound, 1000)
    with pytest.raises(ReadError, match=r"(more than|at most) 1000"):
        list(chain.from_iterable(ColumnReader(path, follow=False).batches()))


def test_compressed_arrow_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "calls.arrow", 500, "1" * 10000, compression="zstd")
    with pytest.raises(ReadError, match="compressed"):
        list(chain.from_iterable(ColumnReader(path, follow=False).batches()))
