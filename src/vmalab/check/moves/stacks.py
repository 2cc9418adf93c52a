# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: stacks that grow when what lies below them is touched.

Memory is touched by a call that writes to it, so that the kernel answers instead of a signal.
"""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import MINUS_ONE, PAGE, Draw, call
from vmalab.check.moves.anonymous import touched
from vmalab.linux.include.uapi import mman as m

_RW: Final = m.PROT_READ | m.PROT_WRITE
_STACK: Final = m.MAP_PRIVATE | m.MAP_ANONYMOUS | m.MAP_FIXED | m.MAP_GROWSDOWN
# How far below a stack it is touched, in pages: the guard gap has 256.
_BELOW: Final = (1, 1, 1, 1, 2, 2, 3, 4, 6, 9, 17, 60, 254, 255, 256, 257)


def map_stack(s: Draw) -> Call:
    """Map memory that grows downwards, somewhere in one of the windows."""
    s.choose_window()
    start, length = s.range()
    prot = s.pick((_RW, _RW, _RW, _RW, m.PROT_READ, m.PROT_NONE))
    return call("mmap", start, length, prot, _STACK, MINUS_ONE, 0)


def map_low(s: Draw) -> Call:
    """Map memory from address 0 on, where null pointers lead."""
    prot = s.pick((_RW, _RW, m.PROT_READ))
    flags = m.MAP_PRIVATE | m.MAP_ANONYMOUS | m.MAP_FIXED
    return call("mmap", 0, (1 + s.below(20)) * PAGE, prot, flags, MINUS_ONE, 0)


def map_below(s: Draw) -> Call:
    """Map memory in the way of what grows, or just out of its way."""
    start = _some_start(s) - (s.pick(_BELOW) + s.pick((0, 0, 1, 2))) * PAGE
    length = s.pick((1, 1, 2)) * PAGE
    if not s.in_windows(start) or not s.in_windows(start + length - 1):
        return map_stack(s)
    prot = s.pick((_RW, _RW, m.PROT_READ, m.PROT_NONE))
    flags = m.MAP_PRIVATE | m.MAP_ANONYMOUS | m.MAP_FIXED
    return call("mmap", start, length, prot, flags, MINUS_ONE, 0)


def touch_below(s: Draw) -> Call:
    """Touch memory below a VMA, which may be a stack."""
    return touched(max(_some_start(s) - s.pick(_BELOW) * PAGE, 0) + s.below(PAGE - 16))


def touch(s: Draw) -> Call:
    """Touch any memory of the window."""
    return touched(s.page() + s.below(PAGE - 16))


def _some_start(s: Draw) -> int:
    """Return where a VMA of a window begins, in bytes."""
    vmas = s.choose_window().vmas
    return vmas[s.below(len(vmas))][0] if vmas else s.page()
