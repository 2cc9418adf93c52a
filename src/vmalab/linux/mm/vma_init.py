# SPDX-License-Identifier: GPL-2.0-or-later
"""Making, copying and freeing VMAs that are in no tree.

Mirrors mm/vma_init.c (v6.18).
"""

from vmalab.linux.mm.vma_internal import Mm, Vma


def vm_area_alloc(mm: Mm) -> Vma | None:
    """Return a new VMA with nothing set but its mm; None for -ENOMEM."""
    return Vma(mm) if mm.seam.kmem_cache_alloc(mm.kernel.vm_area_cache) else None


def vm_area_dup(vma: Vma) -> Vma | None:
    """Return a copy of a VMA, with the same anon_vma but no chain and no policy; None for -ENOMEM.

    References (file, policy, anon_vma chain) are the caller's to take.
    """
    mm = vma.vm_mm
    if not mm.seam.kmem_cache_alloc(mm.kernel.vm_area_cache):
        return None
    new = Vma(mm)
    new.vm_start, new.vm_end = vma.vm_start, vma.vm_end
    new.vm_flags = vma.vm_flags
    new.vm_pgoff = vma.vm_pgoff
    new.anon_delta = vma.anon_delta
    new.vm_file = vma.vm_file
    new.vm_ops = vma.vm_ops
    new.vm_private_data = vma.vm_private_data
    new.anon_vma = vma.anon_vma
    new.vm_userfaultfd_ctx = vma.vm_userfaultfd_ctx
    new.anon_name = vma.anon_name
    return new


def vm_area_free(vma: Vma) -> None:
    """Give a VMA back to its cache."""
    mm = vma.vm_mm
    vma.attached = False
    mm.seam.kmem_cache_free(mm.kernel.vm_area_cache, vma)
