# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers of characters, for what reads a text character by character."""

from typing import Final

from mypy_extensions import i64

NEWLINE: Final = 10
SPACE: Final = 32
QUOTE: Final = 34
OPEN: Final = 40
CLOSE: Final = 41
COMMA: Final = 44
MINUS: Final = 45
POINT: Final = 46
ZERO: Final = 48
NINE: Final = 57
COLON: Final = 58
LESS: Final = 60
EQUAL: Final = 61
MORE: Final = 62
AT: Final = 64
UPPER_A: Final = 65
UPPER_Z: Final = 90
BRACKET: Final = 91
BACKSLASH: Final = 92
UNDERSCORE: Final = 95
LOWER_A: Final = 97
LOWER_F: Final = 102
LOWER_X: Final = 120
LOWER_Z: Final = 122
BRACE: Final = 123


def is_word(char: i64) -> bool:
    """Return whether a character may be in a name of C: a letter of ASCII, a digit or `_`."""
    if LOWER_A <= char <= LOWER_Z or char == UNDERSCORE:
        return True
    return ZERO <= char <= NINE or UPPER_A <= char <= UPPER_Z
