# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens a recording of whatever kind: what is not sorted yet is sorted in a folder of its own.

A recorder by events that was killed leaves its events as they came. They come from strangers like
all of a recording: no file that they name is opened.
"""

import os
from typing import Final

from vmalab.recording.events.magics import BPFTRACE, PERF_DATA, RAW_NAME
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.stated import Stated
from vmalab.recording.standard_input import is_piped, kept_input

# How a log of our program for bpftrace begins, without and with what bpftrace says before.
_BPFTRACE: Final = (BPFTRACE.split(" ")[0].encode(), b"Attaching ")


def open_recording(path: str, stated: Stated | None = None) -> RecordingFiles:
    """Return the recording at a path, "-" for a log on standard input; a pipe is read once.

    stated: what is known of its machine. Errors: ReadError.
    """
    if is_piped(path):
        return RecordingFiles(path, stated, kept_input(path))
    raw = os.path.join(path, RAW_NAME)
    is_raw = os.path.isdir(path) and os.path.lexists(raw)
    if not is_raw and not (os.path.isfile(path) and _begins(path, PERF_DATA, *_BPFTRACE)):
        return RecordingFiles(path, stated)
    # A tenth of the time that it takes to start.
    from vmalab.recording import sorting

    if is_raw:
        return sorting.sort(path, raw, stated)
    if _begins(path, PERF_DATA):
        return sorting.read_out(path, stated)
    return sorting.logged(path, stated)


def _begins(path: str, *magics: bytes) -> bool:
    """Return whether a file begins with some bytes."""
    try:
        with open(path, "rb") as file:
            return file.read(max(len(magic) for magic in magics)).startswith(magics)
    except OSError:
        return False
