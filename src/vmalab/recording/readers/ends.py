# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads strace's lines on how threads end, and on signals: what stands between `+++` and `---`."""

import re

from vmalab.patterns import pattern

_EXITED = pattern(r"\+\+\+ exited with (\d{1,10}) \+\+\+$", re.ASCII)
_KILLED = pattern(r"\+\+\+ killed by (\S+)(?: \(core dumped\))? \+\+\+$")
_SUPERSEDED = pattern(
    r"\+\+\+ superseded by execve in pid (\d{1,10})(?:<[^>]*>)? \+\+\+$", re.ASCII
)
_SIGNAL = pattern(r"--- (?:stopped by )?(SIG\w+)(.*) ---$", re.ASCII)
_SI_ADDR = pattern(r"\bsi_addr=(NULL|0x[0-9a-f]{1,16})\b", re.ASCII)


def end_in(line: str, at: int) -> tuple[int | None, str | None, int] | None:
    """Return how a thread ended, by the line's text from `at` on: status, signal, heir.

    heir: the thread that goes on under its number, else 0. None: it says nothing known.
    """
    exited = _EXITED().match(line, at)
    if exited is not None:
        return int(exited.group(1)), None, 0
    killed = _KILLED().match(line, at)
    if killed is not None:
        return None, killed.group(1), 0
    superseded = _SUPERSEDED().match(line, at)
    return None if superseded is None else (None, None, int(superseded.group(1)))


def signal_in(line: str, at: int) -> tuple[str, int | None, str] | None:
    """Return a signal, by the line's text from `at` on: its name, the fault's address, the rest."""
    match = _SIGNAL().match(line, at)
    if match is None:
        return None
    found = _SI_ADDR().search(match.group(2))
    addr = None
    if found is not None:
        addr = 0 if found.group(1) == "NULL" else int(found.group(1), 16)
    return match.group(1), addr, match.group(2).strip()
