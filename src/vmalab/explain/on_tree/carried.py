# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recorded call becomes in a tree's program: the same at its place, or why it cannot be."""

from dataclasses import dataclass
from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.ranges import Ranges, page_range, requested_range
from vmalab.calls.table import MAKES_FD, MAPS
from vmalab.explain.on_tree.space import DESCRIPTOR
from vmalab.explain.whatif.carry_calls import with_args
from vmalab.linux.include.mm_flags import VM_HUGETLB, VM_NOHUGEPAGE
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.mman import (
    MADV_HUGEPAGE,
    MADV_NOHUGEPAGE,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.linux.include.uapi.prctl import PR_SET_VMA
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.replay.attempt import touched_by
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.tree.scope import lacks

_POPULATES: Final = (MADV_POPULATE_READ, MADV_POPULATE_WRITE)
_NO_HUGE: Final = "user mode has no huge pages"


@dataclass(frozen=True, slots=True)
class TreeCall:
    """A call to make. recorded: as it was.

    vma: of the model, that it maps. hidden: words of flags that the mapping gets besides. given,
    taken: words of flags, for advice that user mode's madvise does not know.
    """

    recorded: Call
    made: Call
    vma: Vma | None = None
    hidden: str = ""
    given: str = ""
    taken: str = ""


def why_not(call: Call) -> str:
    """Return why a call cannot be made whatever the memory is like, "" when it can."""
    if call.abi != "x86_64":
        return "32-bit calls"
    if call.row.family & MAKES_FD or (call.row.indices("fd") and not call.row.family & MAPS):
        return f"{call.name}: files are known by what is mapped, not by their descriptors"
    why = lacks(call)
    if why and call.name == "mmap" and call.args[3] & MAP_32BIT:
        # It only decides on the place.
        why = lacks(with_args(call, *call.args[:3], call.args[3] & ~MAP_32BIT, *call.args[4:]))
    return f"{call.name}: {why}" if why and not why.startswith(call.name) else why


def carried(call: Call, mm: Mm, vma: Vma | None) -> TreeCall | str:
    """Return what a call becomes, or why it cannot be made. vma: what it maps, in the model.

    mm: after the call.
    """
    if call.name == "madvise" and call.args[2] in (MADV_HUGEPAGE, MADV_NOHUGEPAGE):
        if call.ret:
            return "madvise: user mode has no huge pages, and the advice was refused"
        if call.args[2] == MADV_HUGEPAGE:
            return TreeCall(call, call, given="hg", taken="nh")
        return TreeCall(call, call, given="nh", taken="hg")
    if call.name == "prctl" and not mm.config.anon_vma_name and call.args[0] == PR_SET_VMA:
        return "prctl: the recorded kernel has no names of anonymous memory"
    if call.name == "madvise" and call.args[2] in _POPULATES and call.ret:
        return "madvise: there are no pages"
    at = call.range_at
    if at >= 0 and _has_huge(mm, call.args[at], call.args[at + 1]):
        return f"{call.name}: {_NO_HUGE}"
    if not call.row.family & MAPS:
        return TreeCall(call, call)
    if vma is not None and vma.vm_flags & VM_HUGETLB:
        return f"{call.name}: {_NO_HUGE}"
    if call.name == "mremap":
        return TreeCall(call, _mremap(call))
    if call.name != "mmap":
        return TreeCall(call, call)
    if not call.args[3] & MAP_ANONYMOUS and vma is None:
        return "mmap: a refusal by a file"
    hidden = "nh" if vma is not None and vma.vm_flags & ~mm.def_flags & VM_NOHUGEPAGE else ""
    return TreeCall(call, _mmap(call), vma, hidden)


def effects_of(mm: Mm, call: Call) -> Ranges | None:
    """Return what a call that was left out may have changed, in bytes; None: anything."""
    ret = call.ret
    if call.name == "ioctl":
        span = requested_range(call)
        return None if span is None else [span]
    if call.name == "shmat" and ret is not None and 0 <= ret < TASK_SIZE_5LEVEL:
        vma = vma_lookup(mm, ret)
        return None if vma is None else [(int(vma.vm_start), int(vma.vm_end))]
    return touched_by(mm, call)


def _has_huge(mm: Mm, start: int, length: int) -> bool:
    low, high = page_range(start, length)
    return low < high and any(
        vma.vm_flags & VM_HUGETLB and vma.vm_start < high and low < vma.vm_end
        for vma in vmas_in(mm, low, high)
    )


def _mmap(call: Call) -> Call:
    """A mapping at its recorded place, of the descriptor that stands for its file."""
    addr, length, prot, flags, fd, offset = call.args
    ret = call.ret
    flags &= ~MAP_32BIT
    if ret is not None and 0 <= ret < TASK_SIZE_5LEVEL:
        if not flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
            addr, flags = ret, flags | MAP_FIXED_NOREPLACE
    if not flags & MAP_ANONYMOUS:
        fd = DESCRIPTOR
    return with_args(call, addr, length, prot, flags, fd, offset)


def _mremap(call: Call) -> Call:
    ret = call.ret
    if ret is None or not 0 <= ret < TASK_SIZE_5LEVEL or ret == call.args[0]:
        return call
    if call.args[3] & MREMAP_FIXED:
        return call
    flags = call.args[3] | MREMAP_MAYMOVE | MREMAP_FIXED
    return with_args(call, *call.args[:3], flags, ret)
