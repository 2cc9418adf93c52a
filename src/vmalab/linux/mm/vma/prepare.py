# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks, reverse maps and reference counts around one alteration of the tree of VMAs.

`vma_prepare` takes what the alteration touches out of the reverse maps, under their locks; the
caller then changes ranges and stores them; `vma_complete` puts everything back and disposes of VMAs
that the alteration made superfluous.  Nothing here can fail.
"""

from mypy_extensions import i64

from vmalab.linux.mm.vma.state import VmaPrepare, Vmg
from vmalab.linux.mm.vma_init import vm_area_free
from vmalab.linux.mm.vma_internal import (
    VM_MAYWRITE,
    VM_SHARED,
    FileAddressSpace,
    Mm,
    Seam,
    Vma,
    Vmi,
    mapping_allow_writable,
    mapping_unmap_writable,
    vma_rb_erase,
)


def init_vma_prep(vma: Vma) -> VmaPrepare:
    """Return what altering this one VMA involves."""
    return init_multi_vma_prep(vma, None)


def init_multi_vma_prep(vma: Vma, vmg: Vmg | None) -> VmaPrepare:
    """Return what altering `vma` as part of a merge involves: neighbours that move or go, locks.

    Kernel: init_multi_vma_prep().
    """
    vp = VmaPrepare(vma)
    if vmg is not None:
        if vmg.remove_middle:
            vp.remove = vmg.middle
        if vmg.remove_next:
            if vp.remove is None:
                vp.remove = vmg.next
            else:
                vp.remove2 = vmg.next
        if vmg.adjust_middle_start:
            vp.adj_next = vmg.middle
        elif vmg.adjust_next_start:
            vp.adj_next = vmg.next
    if vp.anon_vma is None and vp.adj_next is not None:
        vp.anon_vma = vp.adj_next.anon_vma
    file = vp.file
    if file is not None:
        vp.mapping = file.inode.i_mapping
    return vp


def vma_prepare(seam: Seam, vp: VmaPrepare) -> None:
    """Lock the reverse maps and take the VMAs that are about to change out of them."""
    mapping = vp.mapping
    adj_next = vp.adj_next
    if mapping is not None:
        seam.i_mmap_lock_write(mapping)
        if vp.insert is not None:
            link_file_vma(seam, vp.insert, mapping)
    anon_vma = vp.anon_vma
    if anon_vma is not None:
        seam.anon_vma_lock_write(anon_vma)
        seam.anon_vma_interval_tree_pre_update_vma(vp.vma)
        if adj_next is not None:
            seam.anon_vma_interval_tree_pre_update_vma(adj_next)
    if mapping is not None:
        seam.vma_interval_tree_remove(vp.vma, mapping)
        if adj_next is not None:
            seam.vma_interval_tree_remove(adj_next, mapping)


def vma_complete(seam: Seam, vp: VmaPrepare, vmi: Vmi, mm: Mm) -> None:
    """Put the changed VMAs back, insert the new one, and let go of those that were merged away."""
    mapping = vp.mapping
    adj_next = vp.adj_next
    if mapping is not None:
        if adj_next is not None:
            seam.vma_interval_tree_insert(adj_next, mapping)
        seam.vma_interval_tree_insert(vp.vma, mapping)
    remove = vp.remove
    insert = vp.insert
    if remove is not None:
        if mapping is not None:
            unlink_file_vma(seam, remove, mapping)
            if vp.remove2 is not None:
                unlink_file_vma(seam, vp.remove2, mapping)
    elif insert is not None:
        vmi.store_new(insert)
        mm.map_count += 1
    anon_vma = vp.anon_vma
    if anon_vma is not None:
        seam.anon_vma_interval_tree_post_update_vma(vp.vma)
        if adj_next is not None:
            seam.anon_vma_interval_tree_post_update_vma(adj_next)
        seam.anon_vma_unlock_write(anon_vma)
    if mapping is not None:
        seam.i_mmap_unlock_write(mapping)
    if remove is not None:
        dispose_merged_vma(seam, remove)
        if vp.remove2 is not None:
            dispose_merged_vma(seam, vp.remove2)


def dispose_merged_vma(seam: Seam, vma: Vma) -> None:
    """Free a VMA that a merge swallowed; its pages live on in the merged VMA."""
    mm = vma.vm_mm
    vma_rb_erase(mm, vma)
    vma.attached = False
    file = vma.vm_file
    if file is not None:
        seam.fput(file)
    seam.unlink_anon_vmas(vma)
    mm.map_count -= 1
    seam.mpol_put(vma.vm_policy)
    vm_area_free(vma)


def link_file_vma(seam: Seam, vma: Vma, mapping: FileAddressSpace) -> None:
    """Enter a VMA into its file's reverse map, under the map's lock (`__vma_link_file`)."""
    if vma_is_shared_maywrite(vma.vm_flags):
        mapping_allow_writable(mapping)
    seam.vma_interval_tree_insert(vma, mapping)


def unlink_file_vma(seam: Seam, vma: Vma, mapping: FileAddressSpace) -> None:
    """Take a VMA out of its file's reverse map, under the map's lock."""
    if vma_is_shared_maywrite(vma.vm_flags):
        mapping_unmap_writable(mapping)
    seam.vma_interval_tree_remove(vma, mapping)


def vma_link_file(seam: Seam, vma: Vma, hold_rmap_lock: bool) -> None:
    """Enter a new VMA into its file's reverse map, if it has a file; maybe keep the map's lock."""
    file = vma.vm_file
    if file is not None:
        mapping = file.inode.i_mapping
        seam.i_mmap_lock_write(mapping)
        link_file_vma(seam, vma, mapping)
        if not hold_rmap_lock:
            seam.i_mmap_unlock_write(mapping)


def unlink_file_vma_batch_final(seam: Seam, vmas: list[Vma], first: i64, end: i64) -> None:
    """Take a batch, `vmas[first:end]`, out of its file's reverse map, under the map's lock once.

    Preconditions: the first has a file; the others have the same, or none.
    """
    file = vmas[first].vm_file
    assert file is not None
    mapping = file.inode.i_mapping
    seam.i_mmap_lock_write(mapping)
    for at in range(first, end):
        vma = vmas[at]
        if vma.vm_file is not None:
            unlink_file_vma(seam, vma, mapping)
    seam.i_mmap_unlock_write(mapping)


def vma_is_shared_maywrite(vm_flags: i64) -> bool:
    """Tell whether flags are those of a shared mapping that may become writable."""
    return vm_flags & (VM_SHARED | VM_MAYWRITE) == (VM_SHARED | VM_MAYWRITE)
