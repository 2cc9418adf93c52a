# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns what a caller writes for an argument, a number or names of constants, into a number."""

import re
from typing import Final

from vmalab.calls.call import U64_MAX
from vmalab.calls.symbols import SYMBOLS
from vmalab.linux.include.uapi.mman import PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE

# A number, or names: "MAP_PRIVATE|MAP_ANONYMOUS". Protections also as maps shows them: "rw-".
Flags = int | str

_LETTERS: Final = {"r": PROT_READ, "w": PROT_WRITE, "x": PROT_EXEC, "-": PROT_NONE}
_PERMISSIONS: Final = re.compile(r"r?w?x?|[r-][w-][x-]")
_LONGEST: Final = 40


def number(name: str, value: object) -> int:
    """Return an argument as a 64-bit register holds it.

    Errors: TypeError for what is no int, ValueError for what no register holds, both with the
    argument's name.
    """
    # Nearly always so, and much faster to see; a bool is no int here.
    if type(value) is int and 0 <= value <= U64_MAX:
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not -(1 << 63) <= value <= U64_MAX:
        raise ValueError(f"{name} does not fit into 64 bits: {value:#x}"[: 2 * _LONGEST])
    return value & U64_MAX


def flags(name: str, value: Flags, prefix: str) -> int:
    """Return a number, or what the names of constants with this prefix add up to.

    The prefix may be left out, and case does not matter: "private|anonymous".
    Errors: TypeError and ValueError as for `number`, ValueError for a name that is not known.
    """
    if not isinstance(value, str):
        return number(name, value)
    total = 0
    for word in value.split("|"):
        text = word.strip().upper()
        found = SYMBOLS.get(text if text.startswith(prefix) else prefix + text)
        if found is None:
            raise ValueError(f"{name}: no constant {prefix}*: {word.strip()[:_LONGEST]!r}")
        total |= found
    return total


def protection(value: Flags) -> int:
    """Return a protection: a number, "rw", "r-x", or names as PROT_READ|PROT_WRITE.

    Errors: as for `flags`.
    """
    if isinstance(value, str) and value and _PERMISSIONS.fullmatch(value):
        return sum(_LETTERS[letter] for letter in value)
    return flags("prot", value, "PROT_")
