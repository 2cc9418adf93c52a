# SPDX-License-Identifier: GPL-2.0-or-later
"""Which place of a program a call belongs to: by its stack where one was recorded, or its form."""

import os
import re
from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.format import call_shape
from vmalab.calls.table import COMMANDS

# The C library and the loader: they make the calls, but not of their own accord.
_LIBC: Final = re.compile(
    r"(libc\.so|libc-2\.|libc\.musl|libpthread|ld-linux|ld-2\.|ld-musl|ld\.so|libdl\.|librt\.)"
)
# "path(symbol+0x10) [0x1234]": a symbol may have parentheses too, or be missing.
_FRAME: Final = re.compile(r"([^(]+)\((.*)\) \[(0x[0-9a-f]+)\]$")
_OFFSET: Final = re.compile(r"\+0x[0-9a-f]+$")
_DELETED: Final = " (deleted)("

NO_STACK: Final = "(no stack recorded)"


def frame_of(stack: list[str]) -> str:
    """Return the innermost frame outside the C library, "" for a stack without frames."""
    for frame in stack:
        if not _LIBC.match(os.path.basename(_path(frame))):
            return frame
    return stack[-1] if stack else ""


def _parts(frame: str) -> tuple[str, str, str]:
    """File, symbol with its offset, and address of a frame; "" for what it does not tell."""
    match = _FRAME.match(frame.replace(_DELETED, "("))
    if match is None:
        return frame.partition(" [")[0], "", ""
    return match[1], match[2], match[3]


def _path(frame: str) -> str:
    return _parts(frame)[0]


def library_of(frame: str) -> str:
    """Return the file that a frame's code is in, without its folders."""
    return os.path.basename(_path(frame)) or frame


def function_of(frame: str) -> str:
    """Return the function of a frame, or its address in the file where it has no name."""
    _, symbol, address = _parts(frame)
    return _OFFSET.sub("", symbol) or address


def site_of(call: Call) -> str:
    """Return the place of the program: "libx.so: grow, mprotect(PROT_NONE)", or the form alone."""
    shape = call_shape(call)
    frame = frame_of(call.stack) if call.stack else ""
    if not frame:
        return shape
    function = function_of(frame)
    return (
        f"{library_of(frame)}: {function}, {shape}" if function else f"{library_of(frame)}, {shape}"
    )


def kind_of(call: Call) -> str:
    """Return the call's name, with its purpose where a name has many: "madvise(MADV_DONTNEED)"."""
    if call.row.family & COMMANDS:
        return call_shape(call)
    return call.spelling
