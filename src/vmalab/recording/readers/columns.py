# SPDX-License-Identifier: GPL-2.0-or-later
"""A log's events as columns of an Arrow table, in Parquet or Arrow files: written and read.

One row is one event. Calls have their six registers as numbers, so that files are small and can be
queried; what pointers led to, and notes, are JSON. Rows come in groups, so that neither writing nor
reading a log of any length needs more memory than one group. Needs pyarrow (`vmalab[arrow]`).
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, final

from vmalab.calls.call import (
    Call,
    Event,
    Exit,
    Signal,
    Thread,
    Unparsed,
)
from vmalab.calls.errors import ReadError, VmalabError
from vmalab.recording.readers.column_calls import CALL_COLUMNS, NEEDED_COLUMNS, calls_of
from vmalab.recording.readers.column_files import PARQUET
from vmalab.recording.readers.column_values import ColumnValues, find_long_text, pieces_of
from vmalab.recording.readers.line_source import MAX_LINE, check_kind
from vmalab.recording.readers.memory_json import json_of, strings_of

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
# What the file's own description says it is.
FORMAT: Final = b"1"
FORMAT_KEY: Final = b"vmalab.events"
CALL: Final = "call"
SIGNAL: Final = "signal"
EXIT: Final = "exit"
THREAD: Final = "thread"
UNPARSED: Final = "unparsed"

Row = dict[str, object]
# What a row that nobody wrote so can raise.
_BAD_ROW: Final = (KeyError, TypeError, ValueError, RecursionError)


class NeedsArrow(VmalabError):
    """pyarrow is not installed."""


def arrow() -> Any:
    """Return the pyarrow module. Errors: NeedsArrow."""
    try:
        import pyarrow
        import pyarrow.compute
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


def other_event(row: Sequence[Any]) -> Event:
    """Return a row, its values in the order of the columns, as the event it was made of, no call.

    Errors: ValueError, TypeError for what no event is.
    """
    values = dict(zip(schema().names, row, strict=True))
    kind, line, tid = values["kind"], values["line"], values["tid"]
    time = values["time"] or 0.0
    if line is None or (tid is None and kind != UNPARSED):
        raise ValueError("a row without line or tid")
    if kind == SIGNAL:
        text = values["text"] or ""
        signal = Signal(tid, line, str(values["name"]), values["addr"], text, time)
        signal.stack = strings_of(values["stack"])
        return signal
    if kind == EXIT:
        successor = values["successor"] or 0
        return Exit(tid, line, values["status"], values["name"], successor, time)
    if kind == THREAD:
        return Thread(tid, line, values["successor"] or 0)
    if kind == UNPARSED:
        return Unparsed(line, values["text"] or "", values["ret_text"] or "")
    raise ValueError(f"an event of the kind {str(kind)[:40]!r}")


def write_columns(events: Iterable[Event], path: str) -> int:
    """Write events to a new file, Parquet or Arrow by its name: how many. Errors: OSError."""
    pa = arrow()
    columns = schema()
    count = 0
    waiting = iter(events)
    with open(path, "xb") as file:
        if path.endswith(PARQUET):
            writer = pa.parquet.ParquetWriter(file, columns, compression="zstd")
        else:
            writer = pa.ipc.new_file(file, columns)
        with writer:
            while rows := [row_of(event) for event in islice(waiting, GROUP)]:
                count += len(rows)
                table = pa.Table.from_pylist(rows, schema=columns)
                # Few enough of long rows that they are read again.
                fitting = len(rows) * (MAX_GROUP // 2) // max(table.nbytes, 1)
                writer.write_table(table, max(1, min(len(rows), fitting)))
    return count


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
    _check_format(pa.parquet.read_schema(path), path)
    # A text that many rows share is unpacked once.
    texts = [field.name for field in schema() if field.type == pa.string()]
    file = pa.parquet.ParquetFile(path, read_dictionary=texts)
    for index in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(index).total_byte_size
        if size > MAX_GROUP:
            why = f"its row group {index} unpacks to {size} bytes: at most {MAX_GROUP} are read"
            raise ReadError(path, 0, why)
    # Threads would share out columns of a few kilobytes, and cost more than these.
    yield from file.iter_batches(batch_size=UNPACKED, use_threads=False)


def _check_format(found: Any, path: str) -> None:
    same = found.equals(schema()) and (found.metadata or {}).get(FORMAT_KEY) == FORMAT
    if not same:
        raise ReadError(path, 0, "it holds no events that this version of vmalab wrote")


def _events_of(pa: Any, batch: Any, values: ColumnValues) -> list[Event]:
    """Return the events of a batch. Errors: ArrowException; what no event is."""
    is_call = pa.compute.equal(batch.column("kind"), CALL).fill_null(False)
    every = is_call.true_count == len(batch)
    calls = (batch if every else batch.filter(is_call)).select(CALL_COLUMNS)
    if any(calls.column(name).null_count for name in NEEDED_COLUMNS):
        raise ValueError("a call without line, entry_line, tid, name or arguments")
    found: list[Event] = [*calls_of(values.columns_of(calls), len(calls))]
    if every:
        return found
    made = iter(found)
    others = batch.filter(pa.compute.invert(is_call))
    rest = values.rows_of(others)
    return [next(made) if call else other_event(next(rest)) for call in is_call.to_pylist()]


@final
class ColumnReader:
    """Reads the events of a file again, and counts on the way what a reader of text counts."""

    def __init__(self, path: str, *, follow: bool) -> None:
        """follow: the path may be a symbolic link."""
        self._path = path
        self._follow = follow
        self.lines = 0
        self.unparsed = 0
        self.notes = 0

    def batches(self) -> Iterator[list[Event]]:
        """Yield all events, in order, some at a time. Errors: ReadError, NeedsArrow."""
        pa = arrow()
        path = self._path
        values = ColumnValues()
        try:
            mode = os.stat(path, follow_symlinks=self._follow).st_mode
            check_kind(path, mode, follow=False)
            before = 0
            for batch in _batches(pa, path):
                self._check_size(batch, before)
                before += batch.num_rows
                for piece in pieces_of(batch, MAX_TEXTS):
                    events = _events_of(pa, piece, values)
                    self._count(pa.compute, piece)
                    yield events
        except ReadError:
            raise
        except (pa.ArrowException, OSError, *_BAD_ROW) as error:
            raise ReadError(path, 0, f"its columns cannot be read: {str(error)[:200]}") from None

    def _count(self, pc: Any, batch: Any) -> None:
        self.lines = max(self.lines, pc.max(batch.column("line")).as_py() or 0)
        self.unparsed += pc.sum(pc.equal(batch.column("kind"), UNPARSED)).as_py() or 0

    def _check_size(self, batch: Any, before: int) -> None:
        """Check that no text, and not all rows together, are too much. before: rows before them."""
        at = find_long_text(batch, MAX_TEXT)
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
