# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns symbols of C++ and Rust into what their source has, where `demangle` is installed."""

from typing import Final

# Longer ones are left as they are.
_MAX_SYMBOL: Final = 4096


def demangled(symbol: str) -> str:
    """Return a symbol as its source has it; one of another language, or a damaged one, as it is."""
    if not symbol.startswith(("_Z", "__Z", "_R")) or len(symbol) > _MAX_SYMBOL:
        return symbol
    try:
        from demangle import demangle
    except ImportError:
        return symbol
    try:
        return str(demangle(symbol))
    except (ValueError, RecursionError):
        return symbol
