# SPDX-License-Identifier: GPL-2.0-or-later
"""What a mapping must be for the action that its file asks for in mmap_prepare.

Mirrors parts of mm/util.c and mm/memory.c (v7.3). Pages that the kernel puts into a mapping of a
driver have no contents here, so completing an action has nothing to do and cannot fail.
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_IO,
    VM_MAYWRITE,
    VM_MIXEDMAP,
    VM_PFNMAP,
    VM_SHARED,
)
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL
from vmalab.linux.types.mm_types import (
    MMAP_MAP_KERNEL_PAGES,
    MMAP_NOTHING,
    MMAP_REMAP_PFN,
    MmapAction,
    VmAreaDesc,
)


def is_cow_mapping(vm_flags: i64) -> bool:
    """Tell whether a write would copy: private, and writable now or later."""
    return vm_flags & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE


def mmap_action_prepare(desc: VmAreaDesc) -> i64:
    """Give a mapping the flags and the offset that its action needs: 0 or -errno.

    Errors: EFAULT (what is to be shown is not within the mapping), EINVAL (frames that are private
    and writable do not fill it). Kernel: mmap_action_prepare().
    """
    action = desc.action
    if action is None or action.type == MMAP_NOTHING:
        return 0
    if action.start < desc.start or action.start + action.size > desc.end:
        return desc.mm.blame(EFAULT, "fd", "the driver shows memory beyond the mapping")
    if action.type == MMAP_MAP_KERNEL_PAGES:
        desc.vm_flags |= VM_MIXEDMAP
        return 0
    if action.type == MMAP_REMAP_PFN:
        return remap_pfn_range_prepare(desc, action)
    return desc.mm.blame(EINVAL, "fd", "the driver asks for an unknown action")


def remap_pfn_range_prepare(desc: VmAreaDesc, action: MmapAction) -> i64:
    """Make a mapping one of page frames: 0 or -EINVAL.

    A copy is told from the original by the offset, which must therefore be the frame's number.
    """
    if is_cow_mapping(desc.vm_flags):
        if action.start != desc.start or action.start + action.size != desc.end:
            return desc.mm.blame(EINVAL, "fd", "the driver fills a private mapping only in part")
        desc.pgoff = action.start_pfn
    desc.vm_flags |= VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP
    return 0
