# SPDX-License-Identifier: GPL-2.0-or-later
"""A log's events as columns of an Arrow table, in Parquet or Arrow files: written and read.

One row is one event. Calls have their six registers as numbers, so that files are small and can be
queried; what pointers led to, and notes, are JSON. Rows come in groups, so that neither writing nor
reading a log of any length needs more memory than one group. Needs pyarrow (`vmalab[arrow]`).
"""

import os
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, final

from vmalab.calls.call import (
    Call,
    Event,
    Exit,
    Signal,
    Thread,
    printed,
    usual_form,
)
from vmalab.calls.errors import ReadError, VmalabError
from vmalab.recording.readers.column_calls import Columns
from vmalab.recording.readers.column_events import (
    CALL,
    EXIT,
    SIGNAL,
    THREAD,
    UNPARSED,
    ColumnEvents,
)
from vmalab.recording.readers.column_files import PARQUET
from vmalab.recording.readers.column_statistics import telling_columns
from vmalab.recording.readers.column_values import ColumnValues, find_long_text, pieces_of
from vmalab.recording.readers.line_source import MAX_LINE, check_kind
from vmalab.recording.readers.memory_json import json_of

if TYPE_CHECKING:
    import pyarrow

# Rows that are written at a time.
GROUP: Final = 1 << 16
# Rows that are read at a time, and about how many bytes of their texts become events at a time: a
# small file can unpack to a lot.
UNPACKED: Final = 1 << 13
MAX_TEXTS: Final = 4 << 20
# Bytes that the rows read at a time may have, and those of a group that a file says it holds.
MAX_UNPACKED: Final = 128 << 20
MAX_GROUP: Final = 512 << 20
# The longest text of a row, in bytes: a line's, each byte of which may be an escape of six.
MAX_TEXT: Final = 8 * MAX_LINE
# What the file's own description says it is. In files of the first format each call has `ret_text`.
FORMAT: Final = b"2"
FORMATS: Final = (b"1", FORMAT)
FORMAT_KEY: Final = b"vmalab.events"
# Columns of numbers that grow row by row: in Parquet they are kept as differences.
_GROWING: Final = ("line", "entry_line")

Row = dict[str, object]
# By column, the words that it has, each with its place.
_Words = dict[str, dict[object, int]]
# What a row that nobody wrote so can raise.
_BAD_ROW: Final = (LookupError, TypeError, ValueError, RecursionError)


class NeedsArrow(VmalabError):
    """pyarrow is not installed."""


def arrow(path: str = "") -> Any:
    """Return the pyarrow module, with all that a file of that name needs. Errors: NeedsArrow."""
    try:
        import pyarrow

        if path.endswith(PARQUET):
            import pyarrow.parquet
    except ModuleNotFoundError:
        raise NeedsArrow("pyarrow is not installed: pip install 'vmalab[arrow]'") from None
    return pyarrow


@cache
def schema() -> "pyarrow.Schema":
    """Return the columns. `kind` says which of them an event uses; the others are null."""
    pa = arrow()
    word = pa.dictionary(pa.int32(), pa.string())
    fields = [
        ("kind", word),
        ("line", pa.int64()),
        ("entry_line", pa.int64()),
        ("tid", pa.int64()),
        ("time", pa.float64()),
        ("name", word),
        *((f"a{index}", pa.uint64()) for index in range(6)),
        # A result is signed, but for the few that are all of a register: those are in ret_text.
        ("ret", pa.int64()),
        ("ret_text", pa.string()),
        ("abi", word),
        ("lenient", pa.bool_()),
        ("mem", pa.string()),
        ("out", pa.string()),
        ("ret_mem", pa.string()),
        ("stack", pa.string()),
        # Of signals the fault's address; of exits status, signal and the thread that goes on.
        ("addr", pa.uint64()),
        ("text", pa.string()),
        ("status", pa.int64()),
        ("successor", pa.int64()),
    ]
    return pa.schema(fields, metadata={FORMAT_KEY: FORMAT})


def _printable(text: str) -> str:
    """Return bytes that are no UTF-8, which a column cannot hold, as Python writes them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def row_of(event: Event) -> Row:
    """Return an event as a row."""
    if isinstance(event, Call):
        row: Row = {
            "kind": CALL,
            "line": event.line,
            "entry_line": event.entry_line,
            "tid": event.tid,
            "time": event.time,
            "name": event.spelling,
            "ret": event.ret if event.ret is None or event.ret < 1 << 63 else None,
            "ret_text": event.ret_text,
            "abi": event.abi,
            "lenient": event.lenient,
            "mem": json_of(event.mem),
            "out": json_of(event.out),
            "ret_mem": json_of(event.ret_mem),
            "stack": json_of(event.stack),
        }
        for index, value in enumerate(event.args):
            row[f"a{index}"] = value
        return row
    if isinstance(event, Signal):
        return {
            "kind": SIGNAL,
            "line": event.line,
            "tid": event.tid,
            "time": event.time,
            "name": event.name,
            "addr": event.addr,
            "text": _printable(event.text),
            "stack": json_of(event.stack),
        }
    if isinstance(event, Exit):
        return {
            "kind": EXIT,
            "line": event.line,
            "tid": event.tid,
            "time": event.time,
            "status": event.status,
            "name": event.signal,
            "successor": event.successor,
        }
    if isinstance(event, Thread):
        return {"kind": THREAD, "line": event.line, "tid": event.tid, "successor": event.leader}
    return {
        "kind": UNPARSED,
        "line": event.line,
        "text": _printable(event.text),
        "ret_text": event.why,
    }


def _kept_row(event: Event) -> Row:
    """Return an event as a row of a file, without the text of a result that its number says."""
    row = row_of(event)
    if isinstance(event, Call) and row["ret"] is not None:
        if event.ret_text == printed(int(event.result), usual_form(event.row)):
            row["ret_text"] = None
    return row


def write_columns(events: Iterable[Event], path: str) -> int:
    """Write events to a new file, Parquet or Arrow by its name: how many. Errors: OSError."""
    pa = arrow(path)
    columns = schema()
    count = 0
    waiting = iter(events)
    with open(path, "xb") as file:
        if path.endswith(PARQUET):
            writer = pa.parquet.ParquetWriter(
                file,
                columns,
                compression="zstd",
                use_dictionary=[name for name in columns.names if name not in _GROWING],
                column_encoding=dict.fromkeys(_GROWING, "DELTA_BINARY_PACKED"),
            )
        else:
            # Words that come later than the first rows.
            deltas = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
            writer = pa.ipc.new_file(file, columns, options=deltas)
        words: _Words = {}
        with writer:
            while rows := [_kept_row(event) for event in islice(waiting, GROUP)]:
                count += len(rows)
                table = pa.Table.from_arrays(_arrays(pa, rows, words), schema=columns)
                # Few enough of long rows that they are read again.
                fitting = len(rows) * (MAX_GROUP // 2) // max(table.nbytes, 1)
                writer.write_table(table, max(1, min(len(rows), fitting)))
    return count


def _arrays(pa: Any, rows: list[Row], words: _Words) -> list[Any]:
    """Return the columns of rows. words: those that there are, to which new ones are added."""
    arrays: list[Any] = []
    for field in schema():
        values = [row.get(field.name) for row in rows]
        if pa.types.is_dictionary(field.type):
            known = words.setdefault(field.name, {})
            places = [
                None if word is None else known.setdefault(word, len(known)) for word in values
            ]
            indices = pa.array(places, pa.int32())
            texts = pa.array(list(known), pa.string())
            arrays.append(pa.DictionaryArray.from_arrays(indices, texts))
        else:
            arrays.append(pa.array(values, field.type))
    return arrays


def _batches(pa: Any, path: str) -> Iterator[Any]:
    """Yield the rows of a file, UNPACKED at a time. Errors: ReadError, ArrowException, OSError."""
    if path.endswith(PARQUET):
        yield from _parquet_batches(pa, path)
        return
    with pa.memory_map(path) as mapped:
        reader = pa.ipc.open_file(mapped)
        _check_format(reader.schema, path)
        for index in range(reader.num_record_batches):
            batch = reader.get_batch(index)
            if batch.get_total_buffer_size() > mapped.size():
                raise ReadError(path, 0, "its rows are compressed: Arrow files must be plain")
            for at in range(0, batch.num_rows, UNPACKED):
                yield batch.slice(at, UNPACKED)


def _parquet_batches(pa: Any, path: str) -> Iterator[Any]:
    found = pa.parquet.read_metadata(path)
    _check_format(found.schema.to_arrow_schema(), path)
    for index in range(found.num_row_groups):
        size = found.row_group(index).total_byte_size
        if size > MAX_GROUP:
            why = f"its row group {index} unpacks to {size} bytes: at most {MAX_GROUP} are read"
            raise ReadError(path, 0, why)
    # A text that many rows share is unpacked once.
    texts = [field.name for field in schema() if field.type == pa.string()]
    file = pa.parquet.ParquetFile(path, metadata=found, read_dictionary=texts)
    columns = telling_columns(found)
    # Threads would share out columns of a few kilobytes, and cost more than these.
    yield from file.iter_batches(batch_size=UNPACKED, columns=columns, use_threads=False)


def _check_format(found: Any, path: str) -> None:
    same = found.equals(schema()) and (found.metadata or {}).get(FORMAT_KEY) in FORMATS
    if not same:
        raise ReadError(path, 0, "it holds no events that this version of vmalab wrote")


@final
class ColumnReader:
    """Reads the events of a file again, and counts on the way what a reader of text counts."""

    def __init__(self, path: str, *, follow: bool) -> None:
        """follow: the path may be a symbolic link."""
        self._path = path
        self._follow = follow
        self._events = ColumnEvents()
        self.notes = 0

    @property
    def lines(self) -> int:
        """The last line that was told of."""
        return self._events.lines

    @property
    def unparsed(self) -> int:
        """Lines that were not understood."""
        return self._events.unparsed

    def batches(self) -> Iterator[list[Event]]:
        """Yield all events, in order, some at a time. Errors: ReadError, NeedsArrow."""
        pa = arrow(self._path)
        path = self._path
        values = ColumnValues()
        self._events = ColumnEvents()
        try:
            mode = os.stat(path, follow_symlinks=self._follow).st_mode
            check_kind(path, mode, follow=False)
            before = 0
            for batch in _batches(pa, path):
                rows = len(batch)
                batch.validate(full=True)
                columns = values.columns_of(batch)
                self._check_size(batch, columns, before)
                before += rows
                self._events.begin(dict.fromkeys(schema().names) | columns)
                for start, end in pieces_of(columns, rows, MAX_TEXTS):
                    yield self._events.read(start, end)
        except ReadError:
            raise
        except (pa.ArrowException, OSError, *_BAD_ROW) as error:
            raise ReadError(path, 0, f"its columns cannot be read: {str(error)[:200]}") from None

    def _check_size(self, batch: Any, columns: Columns, before: int) -> None:
        """Check that no text, and not all rows together, are too much. before: rows before them."""
        at = find_long_text(columns, len(batch), MAX_TEXT)
        if at is not None:
            why = f"row {before + at + 1} holds a text of more than {MAX_TEXT} bytes"
            raise ReadError(self._path, before + at + 1, why)
        if batch.nbytes > MAX_UNPACKED:
            why = f"row {before + 1} and those that follow hold more than {MAX_UNPACKED} bytes"
            raise ReadError(self._path, before + 1, why)

    @property
    def remark(self) -> str:
        """What is to be known of how it was read: nothing."""
        return ""

    def share(self) -> float | None:
        """Return which part has been read: None, for it is not known."""
        return None
