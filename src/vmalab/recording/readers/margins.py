# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds what a program or a page has put around each line of a log: stamps, names, line numbers.

    app-1  | [pid 12] munmap(0x7f141b907000, 4096) = 0
    2026-11-29T10:00:00.123456789Z stderr F brk(NULL) = 0x5578304cd000
    trace.log:17:4711 10:22:33 mprotect(0x7f141b907000, 4096, PROT_NONE <unfinished ...>

Which it is shows by what stands before calls: it has few forms, but for numbers, months and days.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from vmalab.patterns import pattern
from vmalab.recording.readers.line_shape import STRACE_LINES
from vmalab.recording.readers.line_start import PREFIX_FORM
from vmalab.recording.readers.paste import restore

# The longest line and margin that are looked at, and how many forms one text has.
_MAX_LINE: Final = 1 << 14
_MAX_MARGIN: Final = 256
_MAX_FORMS: Final = 16
# Numbers that go up line by line are of lines, where there are so many.
_NUMBERED: Final = 3
# A call, with its thread and its time, that begins amid a line: behind no part of a word, a path, a
# number or a date, whose clock goes with it. Its group `number`:
# that of the thread, or of the line.
_CALL = pattern(
    r"(?<![\w./,])(?<!\w-)(?<![A-Z][a-z][a-z] )(?<![A-Z][a-z][a-z]  )"
    r"(?<!\d\d:\d\d:)(?<!\d\d-\d\d )(?<![A-Z][a-z][a-z] \d\d )(?<![A-Z][a-z][a-z]  \d )"
    rf"(?={PREFIX_FORM}[a-z_][a-z0-9_]*\()(?:(?P<number>\d+) +)?",
    re.ASCII,
)
_RESULT = pattern(r"\) *= |<unfinished ")
_PART = pattern(
    r"(?P<number>\d+)|(?P<blank>[ \t]+)|(?P<day>\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|"
    r"May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b)|.",
    re.ASCII,
)
_FORMS: Final = {"number": r"\d+", "blank": r"[ \t]+", "day": "[A-Z][a-z][a-z]"}
# What can stand behind a line: blanks, bars of a table, marks of bold and of code, quotes; tags.
_MARKS: Final = ' \t\r|*`",'
_TAG = pattern(r"</?[a-z]{1,10} ?/?>$")
_MAX_TAGS: Final = 4


def margin_of(lines: Sequence[str]) -> re.Pattern[str] | None:
    """Return what stands before the lines of a text, None where they are as strace printed them."""
    plain = [restore(line) if len(line) <= _MAX_LINE else "" for line in lines]
    calls = [
        (index, found)
        for index, line in enumerate(plain)
        if (found := _CALL().search(line[:_MAX_MARGIN])) and _RESULT().search(line, found.end())
    ]
    numbers = [int(found["number"]) - index for index, found in calls if found["number"]]
    numbered = len(numbers) >= _NUMBERED and len(set(numbers)) == 1
    forms = Counter(
        _form_of(plain[index][: found.end() if numbered else found.start()])
        for index, found in calls
    )
    known = [form for form, count in forms.most_common(_MAX_FORMS) if form and count > 1]
    if len(calls) == 1:
        known = [form for form in forms if form]
    if not known or sum(forms[form] for form in known) * 2 < len(calls):
        return None
    return re.compile("|".join(sorted(known, key=len, reverse=True)), re.ASCII)


def _form_of(margin: str) -> str:
    """Return a pattern of margins that are like one; "" for none."""
    # Blanks at its end are as many in each: more belong to what the line goes on with.
    inner = margin.rstrip(" \t")
    parts = [
        _FORMS.get(part.lastgroup or "", "") or re.escape(part.group())
        for part in _PART().finditer(inner)
    ]
    return "".join(parts) + re.escape(margin[len(inner) :])


def without_end(line: str) -> str:
    """Return a line without what stands behind it, where it is a whole one only so."""
    plain = line.rstrip(_MARKS)
    for _ in range(_MAX_TAGS):
        if STRACE_LINES.whole(plain):
            break
        plain = plain[: -len(tag.group())] if (tag := _TAG().search(plain[-16:])) else plain
        plain = plain.rstrip(_MARKS)
    return plain if STRACE_LINES.whole(plain) else line
