# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes events of the rows of columns, and says which kinds of rows there are."""

from typing import Final, cast, final

from mypy_extensions import i64

from vmalab.calls.call import Event, Exit, Signal, Thread, Unparsed
from vmalab.recording.readers.column_calls import CallRows, Columns
from vmalab.recording.readers.memory_json import strings_of
from vmalab.recording.readers.packed_column import Column

CALL: Final = "call"
SIGNAL: Final = "signal"
EXIT: Final = "exit"
THREAD: Final = "thread"
UNPARSED: Final = "unparsed"


@final
class ColumnEvents:
    """Makes the events of a file's rows.

    lines: the last line of the log that one tells of. unparsed: lines that were not understood.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.unparsed = 0
        self._columns: Columns = {}
        self._kinds: Column | None = None
        # Where the texts of kinds say for the first time that a row is a call.
        self._call_kind: i64 = -1
        # Of the batch at hand, once a call has come.
        self._calls: CallRows | None = None

    def begin(self, columns: Columns) -> None:
        """Go on to the rows of a batch."""
        self._columns = columns
        kinds = self._kinds = columns["kind"]
        self._call_kind = -1 if kinds is None else kinds.words.place(CALL)
        self._calls = None

    def read(self, start: i64, end: i64) -> list[Event]:
        """Return the events that the rows [start, end) of the batch are.

        Errors: ValueError, TypeError for what no event is; RecursionError.
        """
        events: list[Event] = []
        columns, kinds, call_kind = self._columns, self._kinds, self._call_kind
        last: int = self.lines
        for at in range(start, end):
            if kinds is not None and _is_call(kinds, at, call_kind):
                calls = self._calls
                if calls is None:
                    calls = self._calls = CallRows(columns)
                call = calls.call(at)
                last = max(last, call.line)
                events.append(call)
            else:
                event = other_event(columns, at)
                last = max(last, event.line)
                events.append(event)
                if isinstance(event, Unparsed):
                    self.unparsed += 1
        self.lines = last
        return events


def _is_call(kinds: Column, at: i64, call_kind: i64) -> bool:
    """Return whether a row is a call. call_kind: where the texts say so first, -1: nowhere."""
    return kinds.has(at) and (kinds.word_at(at) == call_kind or kinds.text(at) == CALL)


def other_event(columns: Columns, at: i64) -> Event:
    """Return the event, no call, that a row is.

    Errors: ValueError, TypeError for what no event is; RecursionError.
    """
    kind = _text(columns, "kind", at)
    line = _whole(columns, "line", at)
    tid = _whole(columns, "tid", at)
    if line is None or (tid is None and kind != UNPARSED):
        raise ValueError("a row without line or tid")
    if kind == UNPARSED or tid is None:
        return Unparsed(
            line, _text(columns, "text", at) or "", _text(columns, "ret_text", at) or ""
        )
    if kind == SIGNAL:
        return _signal(tid, line, columns, at)
    if kind == EXIT:
        status, name = _whole(columns, "status", at), _text(columns, "name", at)
        successor = _whole(columns, "successor", at) or 0
        return Exit(tid, line, status, name, successor, _time(columns, at))
    if kind == THREAD:
        return Thread(tid, line, _whole(columns, "successor", at) or 0)
    raise ValueError(f"an event of the kind {str(kind)[:40]!r}")


def _signal(tid: int, line: int, columns: Columns, at: i64) -> Signal:
    name = str(_text(columns, "name", at))
    address = _whole(columns, "addr", at)
    text = _text(columns, "text", at) or ""
    signal = Signal(tid, line, name, address, text, _time(columns, at))
    signal.stack = strings_of(_text(columns, "stack", at))
    return signal


def _whole(columns: Columns, name: str, at: i64) -> int | None:
    column = columns[name]
    return None if column is None else cast("int | None", column.value(at))


def _text(columns: Columns, name: str, at: i64) -> str | None:
    column = columns[name]
    return None if column is None else column.text(at)


def _time(columns: Columns, at: i64) -> float:
    column = columns["time"]
    return column.fraction(at) if column is not None and column.has(at) else 0.0
