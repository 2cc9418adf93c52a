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
    vm_area_init_from(vma, new)
    return new


def vm_area_init_from(src: Vma, dest: Vma) -> None:
    """Set all fields of `dest` as in `src` that `vm_area_dup` copies."""
    dest.vm_start, dest.vm_end = src.vm_start, src.vm_end
    dest.vm_flags = src.vm_flags
    dest.vm_pgoff = src.vm_pgoff
    dest.anon_delta = src.anon_delta
    dest.vm_file = src.vm_file
    dest.vm_ops = src.vm_ops
    dest.vm_private_data = src.vm_private_data
    dest.anon_vma = src.anon_vma
    dest.vm_userfaultfd_ctx = src.vm_userfaultfd_ctx
    dest.anon_name = src.anon_name


def vm_area_free(vma: Vma) -> None:
    """Give a VMA back to its cache."""
    mm = vma.vm_mm
    vma.attached = False
    mm.seam.kmem_cache_free(mm.kernel.vm_area_cache, vma)
