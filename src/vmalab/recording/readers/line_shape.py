# SPDX-License-Identifier: GPL-2.0-or-later
"""What lines of strace look like where something was done to them: whether one is all there."""

import re
from typing import Final

from vmalab.patterns import pattern
from vmalab.recording.readers.broken_lines import message_in
from vmalab.recording.readers.line_start import PREFIX, STARTS
from vmalab.recording.readers.wrapped import LineShape

_CALL = pattern(r"(?:[a-z_][a-z0-9_]*|\?\?\?)\(", re.ASCII)
# A result, where another call follows; and how many calls a line has that is several.
_AFTER_RESULT = pattern(
    r"(\) *= (?:\?|0x[0-9a-f]+|-?\d+)(?: E[A-Z]+ \([^()]*\))?(?: <\d+\.\d+>)?)"
    r" +(?=(?:\d{1,10} +)?[a-z_][a-z0-9_]*\(|\+\+\+ |--- SIG)",
    re.ASCII,
)
_FEWEST: Final = 3
_QUOTE = pattern(r"\\.")
# Characters of a line that may be several.
MAX_RUN: Final = 1 << 18
_ENDS = pattern(
    r"(?:\) *= (?:\?(?: E\w+ \(.*\))?|-1 (?:E\w+|\(errno \d+\))(?: \([^()]*\))?|-[2-9]\d*|\d+|"
    r"0x[0-9a-f]+)(?:<.*>)?(?: \((?:[^()]|\([^()]*\))*\))?(?: <\d+\.\d+>)?|"
    r" <(?:unfinished|detached) \.\.\.>| \+\+\+| ---|\. \])$",
    re.ASCII,
)

_NUMBER = pattern(r"(?:\[pid +\d+\]|\d{1,10}) ?$", re.ASCII)
# Of -k: the frames of a call's stack.
_FRAME: Final = " > "
_FRAME_ENDS = pattern(r" ?\[0x[0-9a-f]+\]$", re.ASCII)


def calls_in(line: str) -> list[str]:
    """Return the calls of a line, one each, where a page has lost the ends of lines."""
    if line.count(") = ") < _FEWEST or len(line) > MAX_RUN:
        return [line]
    found: list[str] = []
    within = False
    for part in _AFTER_RESULT().sub(r"\1\n", line).split("\n"):
        if within:
            # What looks like a result is text in a string.
            found[-1] += f" {part}"
        elif part:
            found.append(part)
        within = bool(found) and _QUOTE().sub("", found[-1]).count('"') % 2 == 1
    return found


def _begins(line: str) -> bool:
    """Return whether a line is the beginning of a call, of an end, of a signal or of a message."""
    prefix = PREFIX().match(line)
    assert prefix is not None
    at = prefix.end()
    return line.startswith((*STARTS, _FRAME), at) or _CALL().match(line, at) is not None


def _ends(line: str) -> bool:
    """Return whether a line that begins can end so."""
    if line.startswith(_FRAME):
        return _FRAME_ENDS().search(line) is not None
    return _ENDS().search(line) is not None or message_in(line) is not None


def _goes_on(before: str, joined: str, words: bool) -> bool:
    """Return whether a result that looks whole goes on: digits, a name of an error, a duration."""
    done = before.endswith((">", "+++", "---", "]")) or message_in(before) is not None
    return not done and _ends(joined)


def _heads(line: str) -> bool:
    """Return whether a line is a process number alone."""
    return _NUMBER().match(line) is not None


def _never(before: str, after: str) -> bool:
    """Return that no line of strace goes on with another but by its wrapping."""
    return False


STRACE_LINES: Final = LineShape(_begins, _ends, _goes_on, _never, _heads, 1)
