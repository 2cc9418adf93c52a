# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes calls of columns: of their values, a list for each column, as many calls as there are rows.

Most columns hold one thing in all rows, or nothing in any: what a row costs is what it has.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from vmalab.calls.call import Call
from vmalab.linux.include.page import NR_ARGUMENTS
from vmalab.recording.readers.memory_json import memory_of, strings_of

# The values of a column; None: it has none in any row.
Column = list[object] | None
Columns = Mapping[str, Column]

_CALLER: Final = ("line", "entry_line", "tid", "name")
_ARGUMENTS: Final = tuple(f"a{index}" for index in range(NR_ARGUMENTS))
# The columns that no call can be without.
NEEDED_COLUMNS: Final = [*_CALLER, *_ARGUMENTS]
_MEMORY: Final = ("mem", "out", "ret_mem", "stack")
# The columns that calls have something in.
CALL_COLUMNS: Final = [
    *NEEDED_COLUMNS,
    *("ret", "ret_text", "time", "abi", "lenient"),
    *_MEMORY,
]


def calls_of(columns: Columns, rows: int) -> list[Call]:
    """Return the calls that some rows are, none of which lacks what no call can be without.

    Errors: ValueError, TypeError for what no call is; RecursionError.
    """
    if rows == 0:
        return []
    caller = [columns[name] or [] for name in _CALLER]
    arguments = list(zip(*[columns[name] or [] for name in _ARGUMENTS], strict=True))
    calls = _plain_calls(caller, arguments)
    _add_results(calls, columns["ret"], columns["ret_text"])
    _add_rest(calls, columns)
    return calls


def _plain_calls(caller: Sequence[list[object]], arguments: list[tuple[object, ...]]) -> list[Call]:
    lines, entry_lines, tids, names = caller
    calls: list[Call] = []
    for at, args in enumerate(arguments):
        calls.append(
            Call(
                cast(int, tids[at]),
                cast(str, names[at]),
                # Never unpacked here: what was read goes into the call as it is.
                cast("tuple[int, ...]", args),
                None,
                None,
                cast(int, lines[at]),
                cast(int, entry_lines[at]),
            )
        )
    return calls


def _add_results(calls: list[Call], results: Column, texts: Column) -> None:
    for at, call in enumerate(calls):
        text = None if texts is None else texts[at]
        if text:
            call.ret_text = cast(str, text)
        ret = None if results is None else results[at]
        if ret is not None:
            call.ret = cast(int, ret)
        elif not call.ret_text.startswith("?"):
            # All of a register: no signed number holds it.
            call.ret = int(call.ret_text.split()[0], 0)


def _add_rest(calls: list[Call], columns: Columns) -> None:
    """Add what few logs have, or few calls."""
    times, abis, lenient = columns["time"], columns["abi"], columns["lenient"]
    mem, out, ret_mem, stack = (columns[name] for name in _MEMORY)
    for at, call in enumerate(calls):
        if times is not None and times[at]:
            call.time = cast(float, times[at])
        if abis is not None and abis[at]:
            call.abi = cast(str, abis[at])
        if lenient is not None and lenient[at]:
            call.lenient = True
        if mem is not None and mem[at] is not None:
            behind = memory_of(cast(str, mem[at]))
            if not isinstance(behind, dict):
                raise ValueError("memory that is no structure")
            call.mem = behind
        if out is not None:
            call.out = memory_of(cast("str | None", out[at]))
        if ret_mem is not None:
            call.ret_mem = memory_of(cast("str | None", ret_mem[at]))
        if stack is not None:
            call.stack = strings_of(cast("str | None", stack[at]))
