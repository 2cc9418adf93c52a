# SPDX-License-Identifier: GPL-2.0-or-later
"""What about an mremap is against the rules: predicates, in the order in which the kernel looks."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.explain.enomem.arguments import Rule, unaligned, unknown_bits
from vmalab.linux.include.mm_flags import (
    VM_DONTEXPAND,
    VM_HUGETLB,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_SHARED,
)
from vmalab.linux.include.page import ULONG_MAX
from vmalab.linux.include.uapi import errno as e
from vmalab.linux.include.uapi import mman as m
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import vma_lookup


def mremap_needs_maymove(call: Call, mm: Mm) -> str:
    """mremap's flags, one by one."""
    both = m.MREMAP_FIXED | m.MREMAP_DONTUNMAP
    if call.args[3] & both == 0 or call.args[3] & m.MREMAP_MAYMOVE:
        return ""
    return "MREMAP_FIXED and MREMAP_DONTUNMAP take MREMAP_MAYMOVE"


def mremap_sizes(call: Call, mm: Mm) -> str:
    """mremap's sizes under MREMAP_DONTUNMAP."""
    if call.args[3] & m.MREMAP_DONTUNMAP == 0 or call.args[1] == call.args[2]:
        return ""
    return "MREMAP_DONTUNMAP takes both sizes to be the same"


def mremap_size(call: Call, mm: Mm) -> str:
    """mremap's new_size."""
    if (call.args[2] + 4095) & ULONG_MAX & ~4095 == 0:
        return "it is 0"
    return "it is larger than the address space" if call.args[2] > mm.task_size else ""


def mremap_place(call: Call, mm: Mm) -> str:
    """mremap's new_address."""
    if call.args[3] & (m.MREMAP_FIXED | m.MREMAP_DONTUNMAP) == 0:
        return ""
    new, size = call.args[4], call.args[2]
    if new & 4095:
        return f"{new:#x} is no multiple of the page size"
    if new + size > mm.task_size:
        return f"it ends beyond the address space, which ends at {mm.task_size:#x}"
    return ""


def mremap_overlap(call: Call, mm: Mm) -> str:
    """mremap's old and new range."""
    if call.args[3] & (m.MREMAP_FIXED | m.MREMAP_DONTUNMAP) == 0:
        return ""
    old, size, new = call.args[0], call.args[2], call.args[4]
    overlap = old + call.args[1] > new and new + size > old
    return "source and destination overlap" if overlap else ""


def mremap_source(call: Call, mm: Mm) -> str:
    """mremap's old range."""
    vma = vma_lookup(mm, call.args[0]) if call.args[0] < mm.task_size else None
    if call.args[1] > mm.task_size:
        return "it is larger than the address space"
    if vma is None:
        return ""
    if call.args[1] == 0 and vma.vm_flags & (VM_SHARED | VM_MAYSHARE) == 0:
        return "an old size of 0 copies a shared mapping; this one is private"
    if vma.vm_flags & VM_HUGETLB:
        return "huge pages: sizes and addresses must be multiples of them, and cannot grow"
    if vma.vm_flags & (VM_DONTEXPAND | VM_PFNMAP):
        return "MREMAP_DONTUNMAP on memory of a device"
    return ""


def mremap_fault(call: Call, mm: Mm) -> str:
    """What is at mremap's old range."""
    vma = vma_lookup(mm, call.args[0]) if call.args[0] < mm.task_size else None
    if vma is None:
        return f"nothing is mapped at {call.args[0]:#x}"
    if call.args[0] + call.args[1] > vma.vm_end:
        return (
            f"the old range goes on beyond {vma.vm_end:#x}, where the mapping ends: it is several, "
            "or has a hole"
        )
    if vma.vm_flags & (VM_DONTEXPAND | VM_PFNMAP):
        return f"the mapping at {vma.vm_start:#x} may not grow"
    return "a mapping of the range cannot be moved together with others"


_MREMAP_FLAGS: Final = unknown_bits(3, m.MREMAP_FIXED | m.MREMAP_DONTUNMAP | m.MREMAP_MAYMOVE)
_MREMAP_REST: Final[tuple[Rule, ...]] = (
    (e.EINVAL, "old_size", mremap_source),
    (e.EFAULT, "old_address", mremap_fault),
)
# Since 6.17 all arguments are looked at before the mapping.
_MREMAP: Final[tuple[Rule, ...]] = (
    (e.EINVAL, "flags", _MREMAP_FLAGS),
    (e.EINVAL, "old_address", unaligned(0)),
    (e.EINVAL, "new_size", mremap_size),
    (e.EINVAL, "new_address", mremap_place),
    (e.EINVAL, "flags", mremap_needs_maymove),
    (e.EINVAL, "flags", mremap_sizes),
    (e.EINVAL, "new_address", mremap_overlap),
    *_MREMAP_REST,
)
_MREMAP_LOOKING_FIRST: Final[tuple[Rule, ...]] = (
    (e.EINVAL, "flags", _MREMAP_FLAGS),
    (e.EINVAL, "flags", mremap_needs_maymove),
    (e.EINVAL, "flags", mremap_sizes),
    (e.EINVAL, "old_address", unaligned(0)),
    (e.EINVAL, "new_size", mremap_size),
    (e.EINVAL, "new_address", mremap_place),
    (e.EINVAL, "new_address", mremap_overlap),
    *_MREMAP_REST,
)


def mremap_rules(mm: Mm) -> tuple[Rule, ...]:
    """The rules in the order in which the kernel of an address space looks."""
    first = mm.features.mremap_checks_arguments_first
    return _MREMAP if first else _MREMAP_LOOKING_FIRST
