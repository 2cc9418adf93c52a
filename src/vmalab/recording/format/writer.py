# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a recording of one process: meta.json, the log as strace prints it, first and last map."""

import json
import os
from collections.abc import Sequence
from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call, format_result
from vmalab.recording.format.output_folder import Folder

# Where strace puts the `=`.
_RESULT_COLUMN: Final = 40


def log_line(tid: int, call: Call, result: int) -> str:
    """Return one line of calls.strace."""
    return f"{tid} {format_call(call):{_RESULT_COLUMN - 1}} = {format_result(call.name, result)}"


def write_recording(
    folder: Folder,
    meta: dict[str, object],
    lines: Sequence[str],
    image: str,
    first: str,
    last: dict[str, str],
) -> None:
    """Fill the folder of a recording. first, last: smaps text of images at start and end.

    Errors: OSError, also where there is a link in the place of a folder.
    """
    write_text(folder, "meta.json", json.dumps(meta, indent=1) + "\n")
    write_text(folder, "calls.strace", "".join(line + "\n" for line in lines))
    with folder.inside("images") as images:
        with images.inside(image) as place:
            write_text(place, "initial.smaps", first)
        for name, text in last.items():
            with images.inside(name) as place:
                write_text(place, "final.smaps", text)


def write_text(folder: Folder, name: str, text: str) -> None:
    """Write a file of a folder, in the place of one, or a link, of that name. Errors: OSError."""
    folder.replace(name, text.encode("utf-8", "surrogateescape"), os.write)
