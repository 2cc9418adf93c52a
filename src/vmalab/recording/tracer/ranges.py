# SPDX-License-Identifier: GPL-2.0-or-later
"""Which part of memory a call is about to change, or has just made, as far as registers tell."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.table import ANYWHERE, LOOKS
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE
from vmalab.linux.include.uapi import mman
from vmalab.linux.include.uapi.userfaultfd import UFFDIO_REGISTER, UFFDIO_UNREGISTER

TOP: Final = 1 << 47

Range = tuple[int, int]
EVERYWHERE: Final = [(0, TOP)]


def span(start: int, length: int) -> Range:
    """`[start, start + length)` in whole pages, within what programs have of addresses."""
    start = min(start, TOP) & PAGE_MASK
    return (start, min(start + min(length, TOP) + PAGE_SIZE - 1, TOP) & PAGE_MASK)


def ranges_before(call: Call, brk: int) -> list[Range]:
    """Return what a call may change, in bytes, as far as it is known before it is made.

    brk: the end of the heap, 0 when it is not known.
    """
    name, args, family = call.name, call.args, call.row.family
    if name == "mmap":
        fixed = args[3] & (mman.MAP_FIXED | mman.MAP_FIXED_NOREPLACE)
        return [span(args[0], args[1])] if fixed else []
    if name == "mremap":
        found = [span(args[0], max(args[1], args[2]))]
        if args[3] & mman.MREMAP_FIXED:
            found.append(span(args[4], args[2]))
        return found
    if name == "brk":
        return [span(min(brk, args[0]), abs(brk - args[0]))] if brk and args[0] else []
    if name == "ioctl":
        return _registered(call)
    at = call.range_at
    if at >= 0:
        return [] if family & LOOKS else [span(args[at], args[at + 1])]
    return EVERYWHERE if name == "prctl" or family & ANYWHERE else []


def _registered(call: Call) -> list[Range]:
    """Return the range of a userfaultfd's ioctl that changes VMAs."""
    request = (call.mem or {}).get(2)
    if not isinstance(request, dict) or call.args[1] not in (UFFDIO_REGISTER, UFFDIO_UNREGISTER):
        return []
    bounds = request.get("range", request)
    start, length = bounds.get("start"), bounds.get("len")
    return [span(start, length)] if isinstance(start, int) and isinstance(length, int) else []


def range_after(call: Call, result: int) -> Range | None:
    """Return what a call has made, at a place that the kernel chose."""
    if result < 0:
        return None
    if call.name == "mmap":
        return span(result, call.args[1])
    if call.name == "mremap" and result != call.args[0]:
        return span(result, call.args[2])
    if call.name == "shmat":
        return span(result, 1)
    return None
