# SPDX-License-Identifier: GPL-2.0-or-later
"""anon_vmas and the chains that tie VMAs to them: attach, clone, fork, unlink.

A VMA's chain lists its anon_vma and, after forks, those of its ancestors.  Two VMAs whose pages may
be the same object share an anon_vma; whether two VMAs may become one is decided by that identity.

The kernel keeps the chains of an anon_vma in a tree by page offset, to get from a page to the VMAs
that may map it: reclaim, migration and KSM go that way.  Nothing here has a page to begin from, so
of the tree only the number of chains is kept (`AnonVma.nr_links`).  That VMAs leave it and enter it
again around each change of their range is told to the seam, and a checking seam holds them to it.
"""

from mypy_extensions import i64

from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.types.mm_types import NO_LINKS, AnonVma, AnonVmaChain, Vma


def anon_vma_alloc(vma: Vma) -> AnonVma | None:
    """Return a new anon_vma that is its own root, or None for -ENOMEM."""
    return AnonVma() if vma.vm_mm.kernel.anon_vma_cache.alloc() else None


def put_anon_vma(vma: Vma, anon_vma: AnonVma) -> None:
    """Drop one reference; the last frees the anon_vma and its reference to the root."""
    while True:
        anon_vma.refcount -= 1
        if anon_vma.refcount != 0:
            return
        vma.vm_mm.kernel.anon_vma_cache.free(anon_vma)
        if anon_vma.root is anon_vma:
            return
        anon_vma = anon_vma.root


def link_anon_vma(vma: Vma, anon_vma: AnonVma) -> bool:
    """Chain a VMA to an anon_vma; False: no memory for the link.

    Whoever has the chain as it was still has it so: nobody adds to a chain that is there.
    """
    if not vma.vm_mm.kernel.anon_vma_chain_cache.alloc():
        return False
    link = AnonVmaChain(vma, anon_vma)
    chain = vma.anon_vma_chain
    vma.anon_vma_chain = [link] if chain is NO_LINKS else [*chain, link]
    anon_vma.nr_links += 1
    return True


def attach_anon_vma(vma: Vma, mergeable: AnonVma | None) -> i64:
    """Give a VMA without pages its anon_vma, `mergeable` or a new one: 0 or -ENOMEM.

    Kernel: __anon_vma_prepare().
    """
    anon_vma = mergeable
    if anon_vma is None:
        anon_vma = anon_vma_alloc(vma)
        if anon_vma is None:
            return -ENOMEM
        # A root counts itself as a child, so a fork child never takes it over.
        anon_vma.num_children += 1
    if not link_anon_vma(vma, anon_vma):
        if mergeable is None:
            put_anon_vma(vma, anon_vma)
        return -ENOMEM
    vma.anon_vma = anon_vma
    anon_vma.num_active_vmas += 1
    return 0


def anon_vma_clone(dst: Vma, src: Vma) -> i64:
    """Chain `dst` to all that `src` is chained to: 0, or -ENOMEM with `dst` unchained.

    With `dst.anon_vma` None (fork), an ancestor's anon_vma that no VMA uses as its own any more,
    and that has at most one child, is taken over as dst's own.  Kernel: anon_vma_clone().
    """
    for pavc in src.anon_vma_chain:
        anon_vma = pavc.anon_vma
        if not link_anon_vma(dst, anon_vma):
            dst.anon_vma = None
            unlink_anon_vmas(dst)
            return -ENOMEM
        if (
            dst.anon_vma is None
            and src.anon_vma is not None
            and anon_vma.num_children < 2
            and anon_vma.num_active_vmas == 0
        ):
            dst.anon_vma = anon_vma
    if dst.anon_vma is not None:
        dst.anon_vma.num_active_vmas += 1
    return 0


def anon_vma_fork(vma: Vma, pvma: Vma) -> i64:
    """Chain a fork child's VMA to its parent's anon_vmas and to one of its own: 0 or -ENOMEM.

    Kernel: anon_vma_fork().
    """
    parent = pvma.anon_vma
    if parent is None:
        return 0
    vma.anon_vma = None
    if anon_vma_clone(vma, pvma) != 0:
        return -ENOMEM
    if took_over_anon_vma(vma):
        return 0
    anon_vma = anon_vma_alloc(vma)
    if anon_vma is None:
        unlink_anon_vmas(vma)
        return -ENOMEM
    if not link_anon_vma(vma, anon_vma):
        put_anon_vma(vma, anon_vma)
        unlink_anon_vmas(vma)
        return -ENOMEM
    anon_vma.num_active_vmas += 1
    anon_vma.root = parent.root
    anon_vma.parent = parent
    anon_vma.root.refcount += 1
    vma.anon_vma = anon_vma
    parent.num_children += 1
    return 0


def took_over_anon_vma(vma: Vma) -> bool:
    """Tell whether cloning gave a fork child's VMA an ancestor's anon_vma as its own."""
    return vma.anon_vma is not None


def unlink_anon_vmas(vma: Vma) -> None:
    """Take a VMA off all its anon_vmas, freeing those that nobody is chained to any more.

    Kernel: unlink_anon_vmas().
    """
    chain = vma.anon_vma_chain
    if chain is not NO_LINKS:
        chain_cache = vma.vm_mm.kernel.anon_vma_chain_cache
        at: i64 = len(chain)
        while at > 0:
            at -= 1
            chain_cache.free(chain[at])
    drop_links(vma)
    vma.anon_vma = None
    vma.anon_vma_chain = NO_LINKS


def hold_links(copy: Vma, vma: Vma) -> None:
    """Let a copy, which is in no tree, count as chained to all that a VMA is; it has no own links.

    To be given back by `drop_links`.
    """
    copy.anon_vma = vma.anon_vma
    copy.anon_vma_chain = vma.anon_vma_chain
    if copy.anon_vma is not None:
        copy.anon_vma.num_active_vmas += 1
    for link in copy.anon_vma_chain:
        link.anon_vma.nr_links += 1


def drop_links(vma: Vma) -> None:
    """Count a VMA as chained no more; what nobody is chained to then is freed."""
    if vma.anon_vma is not None:
        vma.anon_vma.num_active_vmas -= 1
    chain = vma.anon_vma_chain
    empty: list[AnonVma] | None = None
    # Newest first, as the kernel's list runs: a child goes before its parent.
    at: i64 = len(chain)
    while at > 0:
        at -= 1
        anon_vma = chain[at].anon_vma
        anon_vma.nr_links -= 1
        if anon_vma.nr_links == 0:
            anon_vma.parent.num_children -= 1
            if empty is None:
                empty = [anon_vma]
            else:
                empty.append(anon_vma)
    if empty is not None:
        for anon_vma in empty:
            put_anon_vma(vma, anon_vma)
