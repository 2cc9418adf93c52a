# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells logs that can only be of strace, as it printed them: no other reader need look at them."""

import re
from collections.abc import Sequence
from typing import Final

from vmalab.recording.readers.line_start import CLOCK

# Who, when, a call without strings, arrays and addresses in brackets, its result. No program of
# syzkaller has results, no event of the kernel begins so, and nothing stands around or is missing.
_PLAIN = re.compile(
    rf"(?:\d{{1,10}} +)?(?:(?:{CLOCK}) )?"
    r"(?!r\d)[a-z_][a-z0-9_]{2,}\([^()\[\n]*\) += "
    r"(?:\d+|0x[0-9a-f]+|-1 E[A-Z0-9]+ \([^()\[\n]*\))(?: <\d+\.\d+>)?",
    re.ASCII,
)
# So many lines show whether their numbers may count them.
_NUMBERED: Final = 3


def are_plain(lines: Sequence[str]) -> bool:
    """Return whether all lines of a text are whole calls, each told in one line."""
    return all(map(_PLAIN.fullmatch, lines)) and not _may_be_numbered(lines)


def _may_be_numbered(lines: Sequence[str]) -> bool:
    """Return whether the numbers before lines may be those of the lines: they go up by one."""
    heads = [line.partition(" ")[0] for line in lines[:_NUMBERED]]
    numbers = [int(head) for head in heads if head.isdecimal()]
    return len(numbers) == _NUMBERED and numbers == list(range(numbers[0], numbers[-1] + 1))
