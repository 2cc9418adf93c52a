# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the recordings that a path stands for: itself, or those in the folders below it."""

import os
from collections.abc import Iterator
from itertools import islice
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.recording.format.recording import LOGS, RecordingFiles
from vmalab.recording.format.stated import Stated
from vmalab.recording.opening import open_recording

# Folders below a path that are looked through for recordings.
MAX_FOLDERS: Final = 1 << 16
# Recordings in a folder that a message names.
_NAMED: Final = 5


def recordings_in(path: str) -> Iterator[str]:
    """Yield the recordings that a path stands for: itself, or those in the folders below it.

    Errors: ReadError when there is none.
    """
    if not os.path.isdir(path) or any(os.path.lexists(os.path.join(path, log)) for log in LOGS):
        yield path
        return
    found = False
    for seen, (folder, folders, files) in enumerate(os.walk(path)):
        if seen > MAX_FOLDERS:
            raise ReadError(path, 0, f"more than {MAX_FOLDERS} folders")
        folders.sort()
        if any(log in files for log in LOGS):
            folders.clear()
            found = True
            yield folder
    if not found:
        raise ReadError(path, 0, "no recording here or below: no folder has a calls.strace")


def one_recording(path: str, stated: Stated | None = None) -> RecordingFiles:
    """Return the recording at a path or, when there is just one, in the folders below it.

    stated: what the user knows of its machine. Errors: ReadError for none, and for several.
    """
    found = list(islice(recordings_in(path), _NAMED + 1))
    if len(found) > 1:
        names = ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
        raise ReadError(path, 0, f"several recordings; name one of them: {names}")
    return open_recording(found[0], stated)
