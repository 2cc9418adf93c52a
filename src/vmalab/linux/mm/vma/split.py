# SPDX-License-Identifier: GPL-2.0-or-later
"""Cutting a VMA in two, and cutting off its end."""

from mypy_extensions import i64

from vmalab.linux.mm.vma.prepare import init_vma_prep, vma_complete, vma_prepare
from vmalab.linux.mm.vma_init import vm_area_dup, vm_area_free
from vmalab.linux.mm.vma_internal import (
    ENOMEM,
    PAGE_SHIFT,
    REFUSED_MAP_COUNT,
    VM_WARN_ON_VMA,
    Seam,
    Vma,
    Vmi,
    vma_may_split,
    vma_open,
)


def split_vma(vmi: Vmi, vma: Vma, addr: i64, new_below: bool) -> i64:
    """Split at `addr` (bytes) unless the process has vm.max_map_count VMAs: 0 or -errno.

    Errors: ENOMEM (the limit, or no memory), EINVAL (the owner refuses).  Kernel: split_vma().
    """
    mm = vma.vm_mm
    allowed: i64 = mm.config.max_map_count
    if mm.map_count >= allowed:
        return mm.refuse(ENOMEM, REFUSED_MAP_COUNT, mm.map_count + 1, allowed)
    return _split_vma(vmi, vma, addr, new_below)


def _split_vma(vmi: Vmi, vma: Vma, addr: i64, new_below: bool) -> i64:
    """Split at `addr` without looking at the limit; `vmi` then stands on `vma`, the part that
    stays.

        |-------vma-------|   ->   |--new--|---vma---|    new_below
                                   |--vma--|---new---|    otherwise

    Kernel: __split_vma().
    """
    mm = vma.vm_mm
    seam = mm.seam
    if mm.kernel.debug_vm:
        outside = not vma.vm_start < addr < vma.vm_end
        VM_WARN_ON_VMA(outside, vma, "split_vma: the address is not inside the VMA")
    err = vma_may_split(vma, addr)
    if err != 0:
        return mm.blame_at(
            -err, "", "the range cuts a mapping that cannot be split: the one", vma.vm_start
        )
    new = vm_area_dup(vma)
    if new is None:
        return -ENOMEM
    if new_below:
        new.vm_end = addr
    else:
        new.vm_start = addr
        new.vm_pgoff += (addr - vma.vm_start) >> PAGE_SHIFT
    vmi.config(new.vm_start, new.vm_end)
    if vmi.prealloc(new) != 0:
        vm_area_free(new)
        return -ENOMEM
    err = seam.vma_dup_policy(vma, new)
    if err == 0:
        err = seam.anon_vma_clone(new, vma)
        if err != 0:
            seam.mpol_put(new.vm_policy)
    if err != 0:
        vmi.free()
        vm_area_free(new)
        return err
    finish_split(seam, vmi, vma, new, addr, new_below)
    return 0


def finish_split(seam: Seam, vmi: Vmi, vma: Vma, new: Vma, addr: i64, new_below: bool) -> None:
    """The part of a split that cannot fail: references, ranges, the tree."""
    if new.vm_file is not None:
        seam.get_file(new.vm_file)
    vma_open(new)
    seam.vma_start_write(vma)
    seam.vma_start_write(new)
    vp = init_vma_prep(vma)
    vp.insert = new
    vma_prepare(seam, vp)
    if new_below:
        vma.vm_pgoff += (addr - vma.vm_start) >> PAGE_SHIFT
        vma.vm_start = addr
    else:
        vma.vm_end = addr
    vma_complete(seam, vp, vmi, vma.vm_mm)
    seam.validate_mm(vma.vm_mm)
    if new_below:
        vmi.next()
    else:
        vmi.prev()


def vma_shrink(vmi: Vmi, vma: Vma, end: i64) -> i64:
    """Cut off a VMA's tail from `end` (bytes) on: 0 or -ENOMEM.  Kernel: vma_shrink()."""
    seam = vma.vm_mm.seam
    vmi.config(end, vma.vm_end)
    if vmi.prealloc(None) != 0:
        return -ENOMEM
    seam.vma_start_write(vma)
    vp = init_vma_prep(vma)
    vma_prepare(seam, vp)
    vmi.clear()
    vma.vm_end = end
    vma_complete(seam, vp, vmi, vma.vm_mm)
    seam.validate_mm(vma.vm_mm)
    return 0
