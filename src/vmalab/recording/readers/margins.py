# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds what a program or a page has put before each line of a text: stamps, names, line numbers.

    app-1  | [pid 12] munmap(0x7f141b907000, 4096) = 0
    2026-11-29T10:00:00.123456789Z stderr F brk(NULL) = 0x5578304cd000
    trace.log:17:4711 10:22:33 mprotect(0x7f141b907000, 4096, PROT_NONE <unfinished ...>

What stands before one line has the form of what stands before others, but for numbers, months and
days.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from vmalab.patterns import pattern
from vmalab.recording.readers.paste import restore

# The longest line and margin that are looked at, and how many forms one text has.
MAX_LINE: Final = 1 << 14
MAX_MARGIN: Final = 256
_MAX_FORMS: Final = 16
_PART = pattern(
    r"(?P<number>\d+)|(?P<blank>[ \t]+)|(?P<day>\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|"
    r"May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b)|.",
    re.ASCII,
)
_FORMS: Final = {"number": r"\d+", "blank": r"[ \t]+", "day": "[A-Z][a-z][a-z]"}


def margin_of(before: Sequence[str], lines: Sequence[str]) -> re.Pattern[str] | None:
    """Return what stands before the lines of a text, None where they are as they were printed.

    before: what stands before each of them that is known for what it is. Words before one line
    amid others are no margin.
    """
    forms = Counter(map(_form_of, before))
    known = [form for form, count in forms.most_common(_MAX_FORMS) if form and count > 1]
    if len(before) == 1 and sum(1 for line in lines if line.strip()) == 1:
        known = [form for form in forms if form]
    if not known or sum(forms[form] for form in known) * 2 < len(before):
        return None
    return re.compile("|".join(sorted(known, key=len, reverse=True)), re.ASCII)


def without_margin(line: str, margin: re.Pattern[str] | None) -> str:
    """Return a line without what stands before the lines of its text."""
    if margin is None:
        return line
    line = restore(line)
    before = margin.match(line)
    return line if before is None else line[before.end() :]


def _form_of(margin: str) -> str:
    """Return a pattern of margins that are like one; "" for none, and for indentation."""
    inner = margin.rstrip(" \t")
    if not inner:
        return ""
    parts = [
        _FORMS.get(part.lastgroup or "", "") or re.escape(part.group())
        for part in _PART().finditer(inner)
    ]
    # Blanks at its end are no more in each: others belong to what the line goes on with.
    return f"{''.join(parts)}[ \\t]{{0,{len(margin) - len(inner)}}}"
