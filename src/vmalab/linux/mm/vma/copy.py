# SPDX-License-Identifier: GPL-2.0-or-later
"""Making the copy of a VMA that mremap moves, merged with its new neighbours where possible."""

from typing import final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.mm.vma.link import vma_link
from vmalab.linux.mm.vma.merge import vma_merge_copied_range, vmg_vma_state
from vmalab.linux.mm.vma_init import vm_area_dup, vm_area_free
from vmalab.linux.mm.vma_internal import (
    PAGE_SHIFT,
    TASK_SIZE_5LEVEL,
    VM_MAYWRITE,
    VM_SHARED,
    Seam,
    Vma,
    Vmi,
    vma_close,
    vma_is_anonymous,
    vma_open,
)


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class VmaCopy:
    """The outcome of `copy_vma`: the copy (None: no memory), and the source as it is now.

    Source and copy are one VMA when an untouched VMA moves right beside itself and merges.
    """

    def __init__(self, vma: Vma) -> None:
        self.vma: Vma = vma
        self.new_vma: Vma | None = None


def copy_vma(vma: Vma, addr: i64, length: i64, pgoff: i64, keep_source: bool) -> VmaCopy:
    """Copy `vma` to `[addr, addr + length)` (bytes), where nothing is mapped.

    `pgoff` is the page offset of the source range.  An anonymous VMA without pages gets the offset
    that its new address implies, so it can merge there; one with pages keeps it.  `keep_source`:
    the source stays (MREMAP_DONTUNMAP), so the copy must not merge with it.
    Kernel: copy_vma().
    """
    result = VmaCopy(vma)
    mm = vma.vm_mm
    old_start = vma.vm_start
    can_self_merge = False
    if vma_is_anonymous(vma) and vma.anon_vma is None:
        pgoff = addr >> PAGE_SHIFT
        can_self_merge = True
    vmi = Vmi(mm, addr)
    nxt = vmi.find(TASK_SIZE_5LEVEL)
    if nxt is not None and nxt.vm_start < addr + length:
        return result
    prev = vmi.prev()
    if can_self_merge and keep_source and (prev is vma or nxt is vma):
        alone = mm.features.dontunmap_beside_stays_alone
        beside = addr == vma.vm_end or addr + length == vma.vm_start
        if prev is vma or (alone and beside):
            prev = None
        if nxt is vma or (alone and beside):
            nxt = None
    vmg = vmg_vma_state(vmi, prev, vma, addr, addr + length)
    vmg.pgoff = pgoff
    vmg.anon_delta = moved_anon_delta(vma, pgoff, addr)
    vmg.next = nxt
    new_vma = vma_merge_copied_range(vmg)
    if new_vma is None:
        result.new_vma = duplicate_vma(mm.seam, vma, addr, length, pgoff, vmg.anon_delta)
        return result
    if new_vma.vm_start < old_start < new_vma.vm_end:
        #  |-new-|<--source-->|   An untouched VMA moved down beside itself: both are one now.
        result.vma = new_vma
    result.new_vma = new_vma
    return result


def moved_anon_delta(vma: Vma, pgoff: i64, addr: i64) -> i64:
    """The copy's `anon_delta` when the page at file offset `pgoff` goes to `addr` (bytes)."""
    features = vma.vm_mm.features
    private = vma.vm_flags & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE
    if not features.private_file_anon_pgoff or vma.vm_file is None or not private:
        return 0
    if vma.anon_vma is None:
        return 0
    source = vma.vm_start + ((pgoff - vma.vm_pgoff) << PAGE_SHIFT)
    return vma.anon_delta + ((source - addr) >> PAGE_SHIFT)


def duplicate_vma(
    seam: Seam, vma: Vma, addr: i64, length: i64, pgoff: i64, anon_delta: i64
) -> Vma | None:
    """Return a copy of `vma` at another place, in the tree as a VMA of its own; None: no memory."""
    new_vma = vm_area_dup(vma)
    if new_vma is None:
        return None
    new_vma.vm_start, new_vma.vm_end, new_vma.vm_pgoff = addr, addr + length, pgoff
    new_vma.anon_delta = anon_delta
    if seam.vma_dup_policy(vma, new_vma) != 0:
        vm_area_free(new_vma)
        return None
    if seam.anon_vma_clone(new_vma, vma) != 0:
        seam.mpol_put(new_vma.vm_policy)
        vm_area_free(new_vma)
        return None
    if new_vma.vm_file is not None:
        seam.get_file(new_vma.vm_file)
    vma_open(new_vma)
    if vma_link(vma.vm_mm, new_vma) == 0:
        return new_vma
    vma_close(new_vma)
    if new_vma.vm_file is not None:
        seam.fput(new_vma.vm_file)
    seam.unlink_anon_vmas(new_vma)
    seam.mpol_put(new_vma.vm_policy)
    vm_area_free(new_vma)
    return None
