# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps what comes by a pipe in a file: a log is read several times, a pipe only once."""

import os
import stat
import sys
from typing import BinaryIO, Final

from vmalab.calls.errors import ReadError

# What stands for standard input on a command line; a file of that name is `./-`.
STANDARD_INPUT: Final = "-"


class _KeptInput:
    """The folder with the files, which goes with this process; and the files, by pipes' names."""

    folder = ""
    paths: Final[dict[str, str]] = {}


def is_piped(path: str) -> bool:
    """Return whether a path is of something to be read once: standard input, or a pipe."""
    if path == STANDARD_INPUT:
        return True
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def kept_input(path: str = STANDARD_INPUT) -> str:
    """Return the path of a file with all that came by a pipe, which is read the first time.

    Errors: ReadError when it is closed, or cannot be kept.
    """
    kept = _KeptInput.paths.get(path)
    if kept is None:
        kept = _KeptInput.paths[path] = _keep(path)
    return kept


def _keep(path: str) -> str:
    # Few programs have anything come by a pipe.
    import shutil
    import tempfile
    import weakref

    try:
        if not _KeptInput.folder:
            _KeptInput.folder = tempfile.mkdtemp(prefix="vmalab-")
            weakref.finalize(_KeptInput, shutil.rmtree, _KeptInput.folder, ignore_errors=True)
        kept = os.path.join(_KeptInput.folder, f"input-{len(_KeptInput.paths)}")
        with open(kept, "xb") as file:
            if path != STANDARD_INPUT:
                with open(path, "rb") as pipe:
                    shutil.copyfileobj(pipe, file)
            else:
                shutil.copyfileobj(_standard_input(), file)
    except OSError as error:
        raise ReadError(path, 0, error.strerror or str(error)) from None
    return kept


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise ReadError(STANDARD_INPUT, 0, "standard input is closed")
    return sys.stdin.buffer
