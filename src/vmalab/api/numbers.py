# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns what a caller writes for an argument, a number or names of constants, into numbers."""

from collections.abc import Mapping
from typing import Final

from vmalab.calls.call import U64_MAX
from vmalab.calls.symbols import SYMBOLS
from vmalab.linux.include.uapi.mman import PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE
from vmalab.patterns import pattern
from vmalab.recording.format.stated import RLIMITS, SYSCTLS, no_rlimit, no_setting

# A number, or names: "MAP_PRIVATE|MAP_ANONYMOUS". Protections also as maps shows them: "rw-".
Flags = int | str

_LETTERS: Final = {"r": PROT_READ, "w": PROT_WRITE, "x": PROT_EXEC, "-": PROT_NONE}
_PERMISSIONS: Final = pattern(r"r?w?x?|[r-][w-][x-]")
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
    if isinstance(value, str) and value and _PERMISSIONS().fullmatch(value):
        return sum(_LETTERS[letter] for letter in value)
    return flags("prot", value, "PROT_")


def sysctls(value: Mapping[str, int] | None) -> dict[str, int]:
    """Return settings of a machine, which all have an effect. Errors: as for `number`."""
    found = dict(value or {})
    for name, setting in found.items():
        if name not in SYSCTLS:
            raise ValueError(f"sysctl: {no_setting(name)}")
        _check_count(f"sysctl: {name}", setting)
    return found


def rlimits(value: Mapping[str, int] | None) -> dict[str, int]:
    """Return limits of a program: "AS" or "RLIMIT_AS", in bytes. Errors: as for `number`."""
    found = {str(name).removeprefix("RLIMIT_"): limit for name, limit in (value or {}).items()}
    for name, limit in found.items():
        if name not in RLIMITS:
            raise ValueError(f"rlimits: {no_rlimit(name)}")
        _check_count(f"rlimits: {name}", limit)
    return found


def text(name: str, value: object) -> str:
    """Return an argument that must be a str. Errors: TypeError, with the argument's name."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    return value


def _check_count(name: str, value: object) -> None:
    if number(name, value) != value:
        raise ValueError(f"{name} must not be negative")
