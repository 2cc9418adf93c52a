# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps what comes by standard input in a file: a log is read several times, a pipe only once."""

import os
import shutil
import sys
import tempfile
import weakref
from typing import Final

from vmalab.calls.errors import ReadError

# What stands for standard input on a command line; a file of that name is `./-`.
STANDARD_INPUT: Final = "-"


class _KeptInput:
    """The folder with the file, which goes with this process."""

    path = ""


def kept_input() -> str:
    """Return the path of a file with all of standard input, which is read the first time.

    Errors: ReadError when it is closed, or cannot be kept.
    """
    if not _KeptInput.path:
        _KeptInput.path = _keep()
    return _KeptInput.path


def _keep() -> str:
    folder = tempfile.mkdtemp(prefix="vmalab-")
    weakref.finalize(_KeptInput, shutil.rmtree, folder, ignore_errors=True)
    path = os.path.join(folder, "input")
    try:
        if sys.stdin is None:
            raise ReadError(STANDARD_INPUT, 0, "standard input is closed")
        with open(path, "xb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
    except OSError as error:
        raise ReadError(STANDARD_INPUT, 0, error.strerror or str(error)) from None
    return path
