# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a recording of one process: meta.json, the log as strace prints it, first and last map."""

import json
import os
from collections.abc import Sequence
from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError
from vmalab.calls.format import format_call, format_result

# Where strace puts the `=`.
_RESULT_COLUMN: Final = 40


def log_line(tid: int, call: Call, result: int) -> str:
    """One line of calls.strace."""
    return f"{tid} {format_call(call):{_RESULT_COLUMN - 1}} = {format_result(call.name, result)}"


def write_recording(
    folder: str,
    meta: dict[str, object],
    lines: Sequence[str],
    image: str,
    first: str,
    last: dict[str, str],
) -> None:
    """Make the folder of a recording. first, last: smaps text of images at start and end.

    Errors: ReadError when it cannot be written.
    """
    try:
        where = os.path.join(folder, "images", image)
        os.makedirs(where, exist_ok=True)
        _write(os.path.join(folder, "meta.json"), json.dumps(meta, indent=1) + "\n")
        _write(os.path.join(folder, "calls.strace"), "".join(line + "\n" for line in lines))
        _write(os.path.join(where, "initial.smaps"), first)
        for name, text in last.items():
            there = os.path.join(folder, "images", name)
            os.makedirs(there, exist_ok=True)
            _write(os.path.join(there, "final.smaps"), text)
    except OSError as error:
        raise ReadError(
            error.filename or folder, 0, error.strerror or "cannot be written"
        ) from None


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
