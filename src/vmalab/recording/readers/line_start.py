# SPDX-License-Identifier: GPL-2.0-or-later
"""How a line of strace begins: whose it is, when it came, what it tells of."""

import re
from typing import Final

from vmalab.patterns import pattern

CLOCK: Final = r"\d\d:\d\d:\d\d(?:\.\d+)?|\d+\.\d+"
# Its groups: the number in brackets or without, the clock, the time since the line before.
PREFIX_FORM: Final = (
    r"(?:\[pid +(\d+)(?:<[^>]*>)?\] |(\d+)(?:<[^>]*>)? +)?"
    r"(?: *(" + CLOCK + r") (?:\(\+ +(\d+\.\d+)\) )?)?"
    r"(?:\[ *\d+\] )?(?:\[[0-9a-f?]{8,16}\] )?"
)
PREFIX: Final = pattern(PREFIX_FORM, re.ASCII)
HEAD: Final = pattern(r"([A-Za-z_]\w*|\?\?\?)\(", re.ASCII)
STARTS: Final = ("+++ ", "--- ", "<... ", "strace: ", "[ Process PID=")
