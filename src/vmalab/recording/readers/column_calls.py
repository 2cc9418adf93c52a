# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes calls of the rows of columns: registers go from one into the other as native numbers.

Most columns hold one thing in all rows, or nothing in any: what a row costs is what it has.
"""

from collections.abc import Mapping
from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64

from vmalab.calls.call import TEXT, Call, CallName
from vmalab.linux.include.page import NR_ARGUMENTS
from vmalab.recording.readers.memory_json import memory_of, strings_of
from vmalab.recording.readers.packed_column import Column

# By name; None: no row has anything in it.
Columns = Mapping[str, Column | None]

_CALLER: Final = ("line", "entry_line", "tid", "name")
_ARGUMENTS: Final = tuple(f"a{index}" for index in range(NR_ARGUMENTS))
# The columns that no call can be without.
NEEDED_COLUMNS: Final = [*_CALLER, *_ARGUMENTS]
# The ABI of a call whose row says nothing of it.
_ABI: Final = "x86_64"


@final
class CallRows:
    """The rows of one batch that are calls."""

    def __init__(self, columns: Columns) -> None:
        """Errors: ValueError where no row has what no call can be without."""
        # The columns that no call can be without, and that some row lacks.
        self._gaps: list[Column] = []
        for name in NEEDED_COLUMNS:
            column = _needed(columns, name)
            if len(column.valid) > 0:
                self._gaps.append(column)
        self._lines = _needed(columns, "line").rows
        self._entry_lines = _needed(columns, "entry_line").rows
        self._tids = _needed(columns, "tid").rows
        self._names = _needed(columns, "name")
        # By the places of the texts, those that have been asked for.
        self._called: list[CallName | None] = [None] * self._names.words.count
        self._a0 = _needed(columns, "a0").rows
        self._a1 = _needed(columns, "a1").rows
        self._a2 = _needed(columns, "a2").rows
        self._a3 = _needed(columns, "a3").rows
        self._a4 = _needed(columns, "a4").rows
        self._a5 = _needed(columns, "a5").rows
        self._results = columns["ret"]
        self._texts = columns["ret_text"]
        self._times = _telling(columns["time"])
        self._lenient = _telling(columns["lenient"])
        abis = columns["abi"]
        self._abis = None if abis is None or abis.words.only == _ABI else abis
        self._mem = columns["mem"]
        self._out = columns["out"]
        self._ret_mem = columns["ret_mem"]
        self._stacks = columns["stack"]
        self._plain = (
            self._mem is None
            and self._out is None
            and self._ret_mem is None
            and self._stacks is None
            and self._abis is None
            and self._times is None
            and self._lenient is None
        )

    def call(self, at: i64) -> Call:
        """Return the call that a row is.

        Errors: ValueError, TypeError for what no call is; RecursionError.
        """
        for column in self._gaps:
            if not column.has(at):
                raise _lacking()
        called = self._called[self._names.word_at(at)] or self._learn_name(at)
        place = 8 * at
        call = Call(
            int(read_i64_le(self._tids, place)),
            called.spelling,
            line=int(read_i64_le(self._lines, place)),
            entry_line=int(read_i64_le(self._entry_lines, place)),
            row=called.row,
        )
        call.a0 = read_i64_le(self._a0, place)
        call.a1 = read_i64_le(self._a1, place)
        call.a2 = read_i64_le(self._a2, place)
        call.a3 = read_i64_le(self._a3, place)
        call.a4 = read_i64_le(self._a4, place)
        call.a5 = read_i64_le(self._a5, place)
        results = self._results
        if self._texts is None and results is not None and results.has(at):
            call.answer(results.number(at), called.form)
        else:
            self._answer(call, at, called.form)
        if not self._plain:
            self._add_rest(call, at)
        return call

    def _learn_name(self, at: i64) -> CallName:
        """Return the name of a row's call, for the first time in the batch."""
        name = self._names.text(at)
        if name is None:
            raise _lacking()
        called = self._called[self._names.word_at(at)] = CallName(name)
        return called

    def _answer(self, call: Call, at: i64, form: i64) -> None:
        """Fill in a call's result. form: how it is printed when its row has no text of it."""
        results, texts = self._results, self._texts
        told = texts is not None and texts.has(at)
        if results is not None and results.has(at):
            result = results.number(at)
            if texts is not None and told:
                form = texts.words.shows(texts.word_at(at), result)
            if form != TEXT:
                call.answer(result, form)
                return
            call.ret = int(result)
        if told and texts is not None:
            text = texts.text(at)
            if text:
                call.ret_text = text
        if call.ret is None and not call.ret_text.startswith("?"):
            # All of a register: no signed number holds it.
            call.ret = int(call.ret_text.split()[0], 0)

    def _add_rest(self, call: Call, at: i64) -> None:
        """Add what few logs have, or few calls."""
        if self._times is not None and self._times.has(at):
            call.time = self._times.fraction(at)
        if self._lenient is not None and self._lenient.has(at):
            call.lenient = self._lenient.bit(at)
        if self._abis is not None:
            call.abi = self._abis.text(at) or _ABI
        if self._mem is not None and self._mem.has(at):
            behind = memory_of(self._mem.text(at))
            if not isinstance(behind, dict):
                raise ValueError("memory that is no structure")
            call.mem = behind
        if self._out is not None and self._out.has(at):
            call.out = memory_of(self._out.text(at))
        if self._ret_mem is not None and self._ret_mem.has(at):
            call.ret_mem = memory_of(self._ret_mem.text(at))
        if self._stacks is not None and self._stacks.has(at):
            call.stack = strings_of(self._stacks.text(at))


def _needed(columns: Columns, name: str) -> Column:
    column = columns[name]
    if column is None:
        raise _lacking()
    return column


def _lacking() -> ValueError:
    return ValueError("a call without line, entry_line, tid, name or arguments")


def _telling(column: Column | None) -> Column | None:
    """Return a column whose zeros say nothing, None where all are zeros."""
    return None if column is None or column.is_blank else column
