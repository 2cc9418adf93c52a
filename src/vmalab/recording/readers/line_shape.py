# SPDX-License-Identifier: GPL-2.0-or-later
"""What lines of strace look like where something was done to them: whether one is all there."""

import re
from collections.abc import Sequence
from typing import Final

from vmalab.patterns import pattern
from vmalab.recording.readers.broken_lines import message_in
from vmalab.recording.readers.line_start import PREFIX, PREFIX_FORM, STARTS
from vmalab.recording.readers.margins import MAX_LINE, MAX_MARGIN
from vmalab.recording.readers.paste import MARKS, restore
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

_TRIMMED = pattern(r"> \S.{0,4096}\[0x[0-9a-f]+\]$", re.ASCII)

# Numbers that go up line by line are of lines, where there are so many.
_NUMBERED: Final = 3
# A call, with its thread and its time, that begins amid a line: behind no part of a word, a path, a
# number or a date, whose clock goes with it. Its group `number` is that of the thread, or of the
# line.
_AMID = pattern(
    r"(?<![\w./,])(?<!\w-)(?<![A-Z][a-z][a-z] )(?<![A-Z][a-z][a-z]  )"
    r"(?<!\d\d:\d\d:)(?<!\d\d-\d\d )(?<![A-Z][a-z][a-z] \d\d )(?<![A-Z][a-z][a-z]  \d )"
    rf"(?={PREFIX_FORM}[a-z_][a-z0-9_]*\()(?:(?P<number>\d+) +)?",
    re.ASCII,
)
_ANY_RESULT = pattern(r"\) *= |<unfinished ")
# A tag that stands behind a line.
_TAG = pattern(r"</?[a-z]{1,10} ?/?>$")
_MAX_TAGS: Final = 4


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


def _margins(lines: Sequence[str]) -> list[str]:
    """Return what stands before each line that tells of a call; numbers of lines are part of it."""
    plain = [restore(line) if len(line) <= MAX_LINE else "" for line in lines]
    calls = [
        (index, line, found)
        for index, line in enumerate(plain)
        if (found := _AMID().search(line[:MAX_MARGIN])) and _ANY_RESULT().search(line, found.end())
    ]
    numbers = [int(found["number"]) - index for index, _, found in calls if found["number"]]
    numbered = len(numbers) >= _NUMBERED and len(set(numbers)) == 1
    return [line[: found.end() if numbered else found.start()] for _, line, found in calls]


STRACE_LINES: Final = LineShape(_begins, _ends, _goes_on, _never, _heads, 1, _margins)


def is_trimmed(line: str) -> bool:
    """Return whether a line is of a stack, but for the blank that it begins with."""
    return line[:1] == ">" and _TRIMMED().match(line) is not None


def without_end(line: str) -> str:
    """Return a line without what stands behind it, where it is a whole one only so."""
    plain = line.rstrip(MARKS)
    for _ in range(_MAX_TAGS):
        if STRACE_LINES.whole(plain):
            break
        plain = plain[: -len(tag.group())] if (tag := _TAG().search(plain[-16:])) else plain
        plain = plain.rstrip(MARKS)
    return plain if STRACE_LINES.whole(plain) else line
