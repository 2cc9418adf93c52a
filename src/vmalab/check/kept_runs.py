# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps the runs of guided streams in the cache, for the next check of the same target."""

import json
import os
import zlib
from pathlib import Path
from typing import Final

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.errors import ReadError
from vmalab.check.guide import MOST_KEPT, RUN, Guidance, Outcome
from vmalab.recording.json_text import parse_json
from vmalab.recording.readers.line_source import read_all
from vmalab.targets.real.build import cache_folder
from vmalab.targets.real.config_probes import TID
from vmalab.targets.real.wire import CannotEncode, add_call

FORMAT: Final = 1
_ABIS: Final = ("x86_64", "i386")
MAX_BYTES: Final = 64 << 20


def path_of(target: str) -> Path:
    """Return where the runs of a target are kept, by its name as a user gives it."""
    name = "".join(letter if letter.isalnum() else "-" for letter in target[-40:])
    return cache_folder() / "guided" / f"{name}-{zlib.crc32(target.encode()):08x}.json"


def load(target: str) -> Guidance:
    """Return the runs that are kept of a target, none when there are none.

    Errors: ReadError, for a file that this program did not write.
    """
    path = str(path_of(target))
    if not os.path.exists(path):
        return Guidance()
    top = parse_json(read_all(path, MAX_BYTES), path)
    rows = top.get("runs") if isinstance(top, dict) and top.get("format") == FORMAT else None
    if not isinstance(rows, list):
        raise ReadError(path, 0, "not the runs of guided streams: remove the file")
    runs: dict[Outcome, tuple[Call, ...]] = {}
    for number, row in enumerate(rows[:MOST_KEPT]):
        run = _run(row)
        if run is None:
            raise ReadError(path, 0, f"run {number} is none: remove the file")
        runs[run[0]] = run[1]
    return Guidance(runs)


def save(target: str, guidance: Guidance) -> None:
    """Keep the runs that are known. Errors: OSError."""
    path = path_of(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "outcome": outcome,
            "calls": [[call.name, call.args, call.mem, call.abi] for call in calls],
        }
        for outcome, calls in guidance.runs.items()
    ]
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps({"format": FORMAT, "runs": rows}), "utf-8")
    # Whole or not at all, whoever else keeps some at the same time.
    new.replace(path)


def _run(row: object) -> tuple[Outcome, tuple[Call, ...]] | None:
    """Return an outcome and the calls to it; None when a row is nothing of the kind."""
    if not isinstance(row, dict):
        return None
    outcome, calls = row.get("outcome"), row.get("calls")
    if not isinstance(outcome, list) or not isinstance(calls, list) or len(calls) > RUN:
        return None
    if [type(value) for value in outcome] != [str, int, int, int, str]:
        return None
    made = [_call(call) for call in calls]
    known = tuple(call for call in made if call is not None)
    return None if len(known) < len(made) else (tuple(outcome), known)


def _call(row: object) -> Call | None:
    """Return a call that a worker can be asked for, None for anything else."""
    if not isinstance(row, list) or len(row) != 4 or row[3] not in _ABIS:
        return None
    name, args, mem, abi = row
    if not isinstance(name, str) or not isinstance(args, list) or len(args) != 6:
        return None
    if not all(isinstance(arg, int) and 0 <= arg <= U64_MAX for arg in args):
        return None
    memory: dict[int, object] | None = None
    if isinstance(mem, dict):
        memory = {int(key): value for key, value in mem.items() if key in "012345" and key}
    call = Call(TID, name, tuple(args), memory, abi=abi)
    try:
        add_call([], call)
    except (CannotEncode, ValueError, OverflowError):
        return None
    return call
