# SPDX-License-Identifier: GPL-2.0-or-later
"""Knows which arguments point to what a log does not hold, and what the answers say of them.

strace prints an address for a structure that it does not know, or cannot read; a recording may have
a mask that the kernel could not read.
"""

from copy import copy

from vmalab.calls.call import Call
from vmalab.calls.ranges import page_range
from vmalab.linux.include.page import is_pointer_unknown
from vmalab.linux.include.uapi.errno import EFAULT
from vmalab.linux.include.uapi.mman import MREMAP_DONTUNMAP, MREMAP_FIXED
from vmalab.linux.mm.mempolicy import UNREADABLE
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import find_vma


def unread(call: Call) -> bool:
    """Return whether the log holds an address instead of what the kernel read there."""
    kinds = call.row.kinds or ()
    held = call.mem or {}
    return any(
        kind in ("&request", "&nodes", "&iovec", "&numbers") and call.args[at] and at not in held
        for at, kind in enumerate(kinds)
    )


def has_unprinted_hint(call: Call) -> bool:
    """Return whether a call may have had an argument that strace does not print.

    With MREMAP_DONTUNMAP mremap takes its fifth for a hint, and refuses one that is not aligned.
    """
    if call.name != "mremap" or call.args[4]:
        return False
    return call.args[3] & (MREMAP_DONTUNMAP | MREMAP_FIXED) == MREMAP_DONTUNMAP


def with_unreadable_mask(mm: Mm, call: Call) -> Call | None:
    """Return the call with a node mask that cannot be read, when its EFAULT means just that.

    None: it does not. mbind answers EFAULT for holes as well; where the model has one, the mask may
    have been readable.
    """
    at = call.row.index("&nodes")
    if call.ret != -EFAULT or at < 0 or not is_pointer_unknown(call.args[at]):
        return None
    if call.name == "mbind" and not _is_covered(mm, call.args[0], call.args[1]):
        return None
    changed = copy(call)
    changed.mem = {**(call.mem or {}), at: UNREADABLE}
    return changed


def _is_covered(mm: Mm, start: int, length: int) -> bool:
    """Return whether something is mapped everywhere in `[start, start + length)` (bytes)."""
    task_size: int = mm.task_size
    if start + length > task_size:
        return False
    position, end = page_range(start, length)
    while position < end:
        vma = find_vma(mm, position)
        if vma is None or vma.vm_start > position:
            return False
        position = vma.vm_end
    return True
