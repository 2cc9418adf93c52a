# SPDX-License-Identifier: GPL-2.0-or-later
"""Which mappings of a process that asked for KSM (PR_SET_MEMORY_MERGE) are mergeable.

Mirrors mm/ksm.c, as far as flags go: nothing merges pages here.
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_DROPPABLE,
    VM_HUGETLB,
    VM_MAYSHARE,
    VM_MERGEABLE,
    VM_SHARED,
    VM_SPECIAL,
)
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Mm


def ksm_is_early(mm: Mm, file: File | None) -> bool:
    """Tell whether KSM's flag is set before a mapping is merged (no driver can veto it)."""
    if not mm.features.ksm_flag_before_merge:
        return False
    return file is None or file.f_op.is_shmem or file.f_op.has_mmap_prepare


def ksm_vma_flags(mm: Mm, file: File | None, vm_flags: i64) -> i64:
    """Add VM_MERGEABLE when the process asked for KSM and the flags allow it."""
    if not mm.ksm_merge_any:
        return vm_flags
    forbidden = VM_SHARED | VM_MAYSHARE | VM_HUGETLB | VM_DROPPABLE | VM_SPECIAL
    return vm_flags | VM_MERGEABLE if vm_flags & forbidden == 0 else vm_flags
