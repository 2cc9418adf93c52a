# SPDX-License-Identifier: GPL-2.0-or-later
"""Decides which characters may be printed: all others are shown as escapes, `\\x1b` or `\\u202e`.

Names of files, programs and mappings are any bytes that somebody else chose. Printed as they are,
they could drive a terminal, hide, or turn the direction of what follows.
"""

import re
from typing import Final

from vmalab.patterns import pattern

# Shown as nothing, or as nothing but a change of what stands beside them, though they count as
# printable: joiners, fillers, vowel signs without a form, selectors of variants.
_WITHOUT_FORM: Final = pattern(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)


def visible(text: str, *, lines: bool = False) -> str:
    """Return the text with an escape for each character that does not print.

    That is every control character, format character (directions and joiners among them), separator
    but the space, and unassigned code point. A byte that was no UTF-8 becomes `\\xff`, so does what
    ASCII controls; any other character becomes `\\u0085` or `\\U000e0001`. lines: newlines stay.
    """
    if text.isprintable():
        return text if text.isascii() else _WITHOUT_FORM().sub(_escaped, text)
    kept = "\n" if lines else ""
    return "".join(
        char
        if char in kept or (char.isprintable() and not _WITHOUT_FORM().match(char))
        else _escape(ord(char))
        for char in text
    )


def _escaped(match: re.Match[str]) -> str:
    return _escape(ord(match[0]))


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
