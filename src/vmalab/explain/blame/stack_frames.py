# SPDX-License-Identifier: GPL-2.0-or-later
"""The frames of a stack: from the text that the log has, and what the recorder found out of it."""

import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from vmalab.patterns import pattern
from vmalab.recording.format.frames import Frames
from vmalab.recording.symbol_names import demangled

# "path(symbol+0x10) [0x1234]": a symbol may have parentheses too, or be missing.
_FRAME: Final = pattern(r"([^(]+)\((.*)\) \[(0x[0-9a-f]+)\]$")
_OFFSET: Final = pattern(r"\+0x[0-9a-f]+$")
_DELETED: Final = " (deleted)("
_OWN_CODE: Final = pattern(r"perf-\d+\.map$")
# What code is called that a program wrote itself.
OWN_CODE: Final = "(JIT)"


class Frame(NamedTuple):
    """One function on a stack.

    file: the mapped file that its code is in, as the log has it. function, source, line: "" and 0
    where not known; why: for what reason. address: in the file, as the log has it. inlined: into
    the function of the next frame, which has the same address.
    """

    file: str
    function: str = ""
    source: str = ""
    line: int = 0
    address: str = ""
    inlined: bool = False
    why: str = ""

    @property
    def library(self) -> str:
        """The mapped file without its folders."""
        name = os.path.basename(self.file) or self.file
        return OWN_CODE if _OWN_CODE().match(name) else name

    @property
    def label(self) -> str:
        """The function, or the address in the file where it has no name; "": neither is known."""
        return self.function or self.address

    @property
    def place(self) -> str:
        """The function with the line of its source, if known: "grow at pool.c:12"."""
        if not self.source:
            return self.label
        line = f":{self.line}" if self.line else ""
        return f"{self.label} at {os.path.basename(self.source)}{line}"


def frames_of(stack: Sequence[str], names: Frames) -> tuple[Frame, ...]:
    """Return the frames of a stack of the log, innermost first, inlined functions among them."""
    frames: list[Frame] = []
    for text in stack:
        file, symbol, address = _parts(text)
        known = names.get(text)
        if known is None or not known.names:
            function = demangled(_OFFSET().sub("", symbol))
            frames.append(
                Frame(file, function, address=address, why=known.why if known is not None else "")
            )
            continue
        last = len(known.names) - 1
        frames += [
            Frame(file, name.function, name.source, name.line, address, at < last, known.why)
            for at, name in enumerate(known.names)
        ]
    return tuple(frames)


def _parts(frame: str) -> tuple[str, str, str]:
    """File, symbol with its offset, and address of a frame; "" for what it does not tell."""
    match = _FRAME().match(frame.replace(_DELETED, "("))
    if match is None:
        return frame.partition(" [")[0], "", ""
    return match[1], match[2], match[3]
