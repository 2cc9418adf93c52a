# SPDX-License-Identifier: GPL-2.0-or-later
"""Ranges of addresses as calls name them: in bytes, half-open, in whole pages."""

from typing import Final

from mypy_extensions import i64

from vmalab.calls.call import Call
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE, TASK_SIZE_5LEVEL

Range = tuple[int, int]
Ranges = list[Range]

# Every address that a VMA can have.
EVERYWHERE: Final = ((0, TASK_SIZE_5LEVEL),)


def page_range(start: int, length: int) -> Range:
    """Return the pages that have a byte of `[start, start + length)`, within user space."""
    low: i64 = min(start, TASK_SIZE_5LEVEL)
    end: i64 = min(length, TASK_SIZE_5LEVEL)
    end += low
    if end > TASK_SIZE_5LEVEL:
        end = TASK_SIZE_5LEVEL
    return (int(low & PAGE_MASK), int((end + PAGE_SIZE - 1) & PAGE_MASK))


def register_range(start: i64, length: i64) -> tuple[i64, i64]:
    """Return the same of an address and a length as registers hold them: signed."""
    first = _within(start)
    end = min(first + _within(length), TASK_SIZE_5LEVEL)
    return (first & PAGE_MASK, (end + PAGE_SIZE - 1) & PAGE_MASK)


def _within(value: i64) -> i64:
    """Return an unsigned number that a register holds, no larger than the address space."""
    if value < 0:
        return TASK_SIZE_5LEVEL
    return min(value, TASK_SIZE_5LEVEL)


def requested_range(call: Call) -> Range | None:
    """Return the pages that a request to a userfaultfd names; None: none, or it is not known."""
    request = None if call.mem is None else call.mem.get(2)
    if not isinstance(request, dict):
        return None
    fields = request.get("range", request)
    if not isinstance(fields, dict):
        return None
    start, length = fields.get("start"), fields.get("len")
    if isinstance(start, int) and isinstance(length, int):
        return page_range(start, length)
    return None
