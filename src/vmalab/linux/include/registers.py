# SPDX-License-Identifier: GPL-2.0-or-later
"""What registers hold: 64 bits of an unsigned number, kept as a signed one, which is native."""

from typing import Final

from mypy_extensions import i64

U64: Final = 1 << 64


def signed(value: int) -> i64:
    """Return the same 64 bits as a signed number."""
    return value - U64 if value >= U64 >> 1 else value


def register(value: i64) -> int:
    """Return a number as the register held it."""
    plain: int = value
    return plain if plain >= 0 else plain + U64
