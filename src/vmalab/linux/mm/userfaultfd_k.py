# SPDX-License-Identifier: GPL-2.0-or-later
"""What unmapping and moving a VMA must know of its userfaultfd context.

Mirrors include/linux/userfaultfd_k.h and `userfaultfd_unmap_prep` of fs/userfaultfd.c.
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_UFFD_MASK
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_FEATURE_EVENT_REMAP,
    UFFD_FEATURE_EVENT_UNMAP,
)
from vmalab.linux.types.mm_types import Vma


def userfaultfd_unmap_prep(vma: Vma, start: i64, end: i64, uf: list[object]) -> i64:
    """Note the context that must hear of the unmapping of `[start, end)`: 0 or -ENOMEM."""
    ctx = vma.vm_userfaultfd_ctx
    if ctx is not None and ctx.features & UFFD_FEATURE_EVENT_UNMAP != 0 and ctx not in uf:
        uf.append(ctx)
    return 0


def vma_has_uffd_without_event_remap(vma: Vma) -> bool:
    """Tell whether a move makes the VMA lose its context (UFFD_FEATURE_EVENT_REMAP is off)."""
    ctx = vma.vm_userfaultfd_ctx
    if ctx is None or vma.vm_flags & VM_UFFD_MASK == 0:
        return False
    return ctx.features & UFFD_FEATURE_EVENT_REMAP == 0
