# SPDX-License-Identifier: GPL-2.0-or-later
"""Which part of memory a call is about to change, or has just made, as far as registers tell."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.ranges import EVERYWHERE, Range, Ranges, page_range, requested_range
from vmalab.calls.table import ANYWHERE, LOOKS
from vmalab.linux.include.uapi import mman
from vmalab.linux.include.uapi.userfaultfd import UFFDIO_REGISTER, UFFDIO_UNREGISTER

# Requests to a userfaultfd that change VMAs.
_REGISTERS: Final = (UFFDIO_REGISTER, UFFDIO_UNREGISTER)


def ranges_before(call: Call, brk: int) -> Ranges:
    """Return what a call may change, in bytes, as far as it is known before it is made.

    brk: the end of the heap, 0 when it is not known.
    """
    name, args, family = call.name, call.args, call.row.family
    if name == "mmap":
        fixed = args[3] & (mman.MAP_FIXED | mman.MAP_FIXED_NOREPLACE)
        return [page_range(args[0], args[1])] if fixed else []
    if name == "mremap":
        found = [page_range(args[0], max(args[1], args[2]))]
        if args[3] & mman.MREMAP_FIXED:
            found.append(page_range(args[4], args[2]))
        return found
    if name == "brk":
        return [page_range(min(brk, args[0]), abs(brk - args[0]))] if brk and args[0] else []
    if name == "ioctl":
        asked = requested_range(call) if args[1] in _REGISTERS else None
        return [] if asked is None else [asked]
    at = call.range_at
    if at >= 0:
        return [] if family & LOOKS else [page_range(args[at], args[at + 1])]
    return list(EVERYWHERE) if name == "prctl" or family & ANYWHERE else []


def range_after(call: Call, result: int) -> Range | None:
    """Return what a call has made, at a place that the kernel chose."""
    if result < 0:
        return None
    if call.name == "mmap":
        return page_range(result, call.args[1])
    if call.name == "mremap" and result != call.args[0]:
        return page_range(result, call.args[2])
    if call.name == "shmat":
        return page_range(result, 1)
    return None
