# SPDX-License-Identifier: GPL-2.0-or-later
"""One mapping with code, as stacks are read by it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A mapping with code of a file: addresses and offset in bytes; name: as maps prints it."""

    start: int
    end: int
    offset: int
    inode: int
    name: str
