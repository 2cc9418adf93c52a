# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of strace that something else broke: its own messages, or what the program printed.

A log on a terminal, or of `2>file`, has both in the middle of calls:

    mprotect(0x7f141b907000, 4096, PROT_NONEstrace: Process 23019 attached
     <unfinished ...>
    write(1, "hello\\n", 6hello
    )                  = 6
"""

import re
from typing import Final, final

from vmalab.calls.table import OTHER, ROWS
from vmalab.patterns import pattern

# Characters and lines that are kept of a broken line.
_MAX_HELD: Final = 1 << 16
_MAX_LINES: Final = 256

_MESSAGE = pattern(
    r"(?:strace: )?Process (\d{1,10})(?:<[^>]*>)? (attached|detached|suspended|resumed)"
    r"(?: with (\d{1,7}) threads| \([\w ]{1,60}\))?$|"
    # Of `strace -d`: what wait4 told it.
    r" ?\[wait\(0x[0-9a-f]{1,8}\) = \d{1,10}\] WIF\w+,(?:sig|exitcode)=\w+$",
    re.ASCII,
)
_NAME = pattern(r"(?:\[pid +\d+(?:<[^>]*>)?\] |\d+ +)?(?:[\d:.]+ )?([a-z_]\w*)\(", re.ASCII)
_RESULT = pattern(r"\) *= ")
_GOES_ON: Final = (")", " <unfinished ...>", " => ", ", ", "|", "}", "]")
_COUNTS = pattern(
    r"% time +seconds|(?:-{6,} ){3}|\s*\d+[.,]\d\d +\d+[.,]\d{6} +\d+ +\d+ (?: *\d+)? +\w+$|"
    r"\s*100[.,]00 +\d+[.,]\d{6} .*total$",
    re.ASCII,
)


def message_in(line: str) -> re.Match[str] | None:
    """Return strace's word on a process at the end of a line.

    Its groups: the process; "attached" and the like; how many threads it has; None for what the
    message does not tell.
    """
    return _MESSAGE().search(line) if "Process " in line or "[wait(0x" in line else None


def is_count_table(line: str) -> bool:
    """Return whether a line is of the table that `strace -c` or `-C` prints at the end."""
    return _COUNTS().match(line) is not None


@final
class BrokenLine:
    """The beginning of a call, until the line comes that goes on with it.

    by_message: strace itself broke it, so the next line goes on. line: where it stands, from 1.
    """

    def __init__(self, text: str, line: int, *, by_message: bool) -> None:
        self.text = text
        self.line = line
        self.by_message = by_message
        self._lines = 0

    @classmethod
    def begun(cls, text: str, line: int) -> "BrokenLine | None":
        """Return a line that can be the beginning of a call whose output followed, else None."""
        name = _NAME().match(text) if len(text) <= _MAX_HELD else None
        if name is None or _RESULT().search(text):
            return None
        # What memory calls are about is never left to a guess.
        if ROWS.get(name.group(1), OTHER).strict >= 0:
            return None
        return cls(text, line, by_message=False)

    def goes_on(self, line: str) -> bool:
        """Return whether a line goes on with this one."""
        return self.by_message or line.startswith(_GOES_ON)

    def passes(self) -> bool:
        """Take a line for what the program printed: whether that can still be."""
        self._lines += 1
        return self._lines < _MAX_LINES
