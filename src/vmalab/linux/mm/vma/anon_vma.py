# SPDX-License-Identifier: GPL-2.0-or-later
"""Giving a VMA that gets its first page an anon_vma, a neighbour's if they may merge later."""

from mypy_extensions import i64

from vmalab.linux.mm.vma_internal import (
    PAGE_SHIFT,
    VM_ACCESS_FLAGS,
    VM_STICKY,
    AnonVma,
    Seam,
    Vma,
    Vmi,
)


def anon_vma_compatible(seam: Seam, a: Vma, b: Vma) -> bool:
    """Tell whether adjacent VMAs differ at most in access rights, which mprotect can change."""
    return (
        a.vm_end == b.vm_start
        and seam.mpol_equal(a.vm_policy, b.vm_policy)
        and a.vm_file is b.vm_file
        and (a.vm_flags ^ b.vm_flags) & ~(VM_ACCESS_FLAGS | VM_STICKY) == 0
        and a.anon_delta == b.anon_delta
        and b.vm_pgoff == a.vm_pgoff + ((b.vm_start - a.vm_start) >> PAGE_SHIFT)
    )


def reusable_anon_vma(seam: Seam, old: Vma, a: Vma, b: Vma) -> AnonVma | None:
    """The anon_vma of `old`, one of the adjacent `a` and `b`, unless it was inherited by fork."""
    if old.anon_vma is None:
        return None
    if len(old.anon_vma_chain) != 1:
        return None
    return old.anon_vma if anon_vma_compatible(seam, a, b) else None


def find_mergeable_anon_vma(vma: Vma) -> AnonVma | None:
    """Return a neighbour's anon_vma that `vma` can share, the upper neighbour's first.

    Kernel: find_mergeable_anon_vma().
    """
    seam = vma.vm_mm.seam
    vmi = Vmi(vma.vm_mm, vma.vm_end)
    nxt = vmi.load()
    if nxt is not None:
        anon_vma = reusable_anon_vma(seam, nxt, vma, nxt)
        if anon_vma is not None:
            return anon_vma
    vmi.set(vma.vm_start)
    vmi.load()
    prev = vmi.prev()
    return None if prev is None else reusable_anon_vma(seam, prev, prev, vma)


def anon_vma_prepare(vma: Vma) -> i64:
    """Make sure that a VMA has an anon_vma before it gets an anonymous page: 0 or -ENOMEM.

    Kernel: anon_vma_prepare() in mm/rmap.c, which asks `find_mergeable_anon_vma` too.
    """
    if vma.anon_vma is not None:
        return 0
    return vma.vm_mm.seam.anon_vma_attach(vma, find_mergeable_anon_vma(vma))
