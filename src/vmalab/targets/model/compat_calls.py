# SPDX-License-Identifier: GPL-2.0-or-later
"""Knows the 32-bit calls that 64-bit programs make (int 0x80), and where those map.

A log does not mark them, but by names that i386 alone has, and by answers of 32 bits.
"""

from vmalab.calls.call import Call
from vmalab.calls.table import ADDRESS, I386_ONLY
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE, SZ_4G
from vmalab.linux.include.uapi.mman import (
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task


def is_32bit(task: Task, call: Call) -> bool:
    """Return whether a 64-bit program made a call as one of i386.

    No other answers an address below 4 GiB: the end of a heap that lies above, a new place.
    """
    mm = task.mm
    if not call.row.family & ADDRESS or mm is None or mm.task_size <= SZ_4G:
        return False
    ret, args = call.ret, call.args
    if ret is None or ret >= SZ_4G:
        return False
    if call.spelling in I386_ONLY:
        return True
    if ret <= 0:
        return False
    if call.name == "brk":
        return mm.start_brk >= SZ_4G
    if call.name == "mremap":
        moves = args[3] & (MREMAP_MAYMOVE | MREMAP_FIXED) == MREMAP_MAYMOVE
        return moves and ret != args[0]
    return call.name == "shmat" and args[1] == 0


def learns_compat_base(task: Task, mm: Mm, call: Call) -> bool:
    """Learn where 32-bit calls map from the first that does: whether this one told.

    It is drawn at exec, apart from where other calls map, and shown by nothing else.
    """
    ret = call.ret
    if mm.mmap_compat_base != 0 or ret is None or ret <= 0 or not is_32bit(task, call):
        return False
    if call.name == "mmap":
        fixed, length = call.args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0, call.args[1]
    elif call.name == "mremap":
        fixed, length = False, call.args[2]
    else:
        return False
    end = (ret + length + PAGE_SIZE - 1) & PAGE_MASK
    if fixed or ret == call.args[0] or end > SZ_4G:
        return False
    mm.mmap_compat_base = end
    if not mm.topdown:
        mm.mmap_compat_legacy_base = ret
    return True
