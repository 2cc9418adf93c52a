# SPDX-License-Identifier: GPL-2.0-or-later
"""Unmapping a range: gather the VMAs in it, then either let them go or put them back.

Gathering splits the VMAs at both ends and can fail (a seal, the map count, memory); the tree still
holds the gathered VMAs then, so putting them back costs nothing.  Only the splits remain.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.mm.vma.prepare import unlink_file_vma_batch_final
from vmalab.linux.mm.vma.split import _split_vma
from vmalab.linux.mm.vma.state import NO_VMAS, Vms
from vmalab.linux.mm.vma_init import vm_area_free
from vmalab.linux.mm.vma_internal import (
    EINVAL,
    ENOMEM,
    EPERM,
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    PMD_SIZE,
    REFUSED_MAP_COUNT,
    REFUSED_SEAL,
    TASK_SIZE_5LEVEL,
    VM_ACCOUNT,
    VM_LOCKED,
    VM_SEALED,
    File,
    Mm,
    Seam,
    Vma,
    Vmi,
    is_data_mapping,
    is_exec_mapping,
    is_stack_mapping,
    userfaultfd_unmap_prep,
    vm_unacct_memory,
    vma_close,
    vma_rb_erase,
    vma_rb_unmapping,
)

# VMAs that leave their file's reverse map together at most (struct unlink_vma_file_batch).
UNLINK_BATCH: Final = 8


def vms_gather_munmap_vmas(mm: Mm, vms: Vms) -> i64:
    """Split at the ends of the range and collect the VMAs between: 0 or -errno.

    Errors: EPERM (a VMA is sealed), ENOMEM (cutting a hole into one VMA at vm.max_map_count, or no
    memory), EINVAL (an owner refuses to split).  On error nothing is unmapped.
    Kernel: vms_gather_munmap_vmas().
    """
    vmi = vms.vmi
    vma = vms.vma
    if vma is None:
        return 0
    if vms.start > vma.vm_start:
        # Only a hole in the middle of one VMA makes one VMA more.
        allowed: i64 = mm.config.max_map_count
        if vms.end < vma.vm_end and mm.map_count >= allowed:
            return mm.refuse(ENOMEM, REFUSED_MAP_COUNT, mm.map_count + 1, allowed)
        if vma.vm_flags & VM_SEALED != 0:
            return mm.refuse_at(EPERM, REFUSED_SEAL, vma.vm_start)
        err = split_unmapping(vmi, vma, vms.start, True)
        if err != 0:
            return err
    vms.prev = vmi.prev()
    if vms.prev is not None:
        vms.unmap_start = vms.prev.vm_end
    err = gather_range(vms)
    if err != 0:
        reattach_vmas(vms)
        return err
    vmi.set(vms.end)
    vms.next = vmi.find(TASK_SIZE_5LEVEL)
    if vms.next is None:
        vms.unmap_end = mm.task_size
    else:
        vms.unmap_end = vms.next.vm_start
    vmi.set(vms.start)
    vms.clear_ptes = True
    return 0


def gather_range(vms: Vms) -> i64:
    """Collect the VMAs from the position on up to the end of the range: 0 or -errno."""
    vmi = vms.vmi
    vmi.set(vms.start)
    vms.detached = []
    while True:
        vma = vmi.find(vms.end)
        if vma is None:
            return 0
        seam = vma.vm_mm.seam
        if vma.vm_flags & VM_SEALED != 0:
            return vma.vm_mm.refuse_at(EPERM, REFUSED_SEAL, vma.vm_start)
        if vma.vm_end > vms.end:
            err = split_unmapping(vmi, vma, vms.end, False)
            if err != 0:
                return err
        seam.vma_start_write(vma)
        vms.detached.append(vma)
        vma.attached = False
        count_unmapped(vms, vma)
        if vms.uf is not None:
            err = userfaultfd_unmap_prep(vma, vms.start, vms.end, vms.uf)
            if err != 0:
                return err


def split_unmapping(vmi: Vmi, vma: Vma, addr: i64, new_below: bool) -> i64:
    """Split at an end of the range: 0 or -errno."""
    vma_rb_unmapping(vma.vm_mm, True)
    err = _split_vma(vmi, vma, addr, new_below)
    vma_rb_unmapping(vma.vm_mm, False)
    return err


def count_unmapped(vms: Vms, vma: Vma) -> None:
    """Add a gathered VMA to the sums that completing the unmapping takes off the mm."""
    nr_pages = (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
    vms.nr_pages += nr_pages
    if vma.vm_flags & VM_LOCKED != 0:
        vms.locked_vm += nr_pages
    if vma.vm_flags & VM_ACCOUNT != 0:
        vms.nr_accounted += nr_pages
    if is_exec_mapping(vma.vm_flags):
        vms.exec_vm += nr_pages
    elif is_stack_mapping(vma.vm_flags):
        vms.stack_vm += nr_pages
    elif is_data_mapping(vma.vm_flags):
        vms.data_vm += nr_pages


def reattach_vmas(vms: Vms) -> None:
    """Put the gathered VMAs back: they never left the tree."""
    for vma in vms.detached:
        vma.attached = True
    vms.detached = NO_VMAS


def vms_clear_ptes(mm: Mm, vms: Vms) -> None:
    """Drop the pages of the gathered VMAs, once."""
    if vms.clear_ptes:
        mm.seam.unmap_region(mm, vms.start, vms.end, vms.unmap_start, vms.unmap_end)
        free_pgtables(mm, vms.detached)
        vms.clear_ptes = False


def vms_clean_up_area(mm: Mm, vms: Vms) -> None:
    """Clear the place for a new mapping: drop pages, tell owners; the VMAs stay until the end."""
    if vms.nr_pages == 0:
        return
    vms_clear_ptes(mm, vms)
    for vma in vms.detached:
        vma_close(vma)


def vms_complete_munmap_vmas(mm: Mm, vms: Vms) -> None:
    """Let the gathered VMAs go: pages, counters, references.  Cannot fail."""
    mm.map_count -= len(vms.detached)
    mm.locked_vm -= vms.locked_vm
    if vms.nr_pages == 0:
        return
    vms_clear_ptes(mm, vms)
    if mm.total_vm > mm.hiwater_vm:
        mm.hiwater_vm = mm.total_vm
    mm.total_vm -= vms.nr_pages
    mm.exec_vm -= vms.exec_vm
    mm.stack_vm -= vms.stack_vm
    mm.data_vm -= vms.data_vm
    seam = mm.seam
    for vma in vms.detached:
        vma_rb_erase(mm, vma)
        remove_vma(seam, vma)
    vms.detached = NO_VMAS
    vm_unacct_memory(mm.kernel, vms.nr_accounted)
    seam.validate_mm(mm)


def vms_abort_munmap_vmas(mm: Mm, vms: Vms) -> None:
    """Undo the gathering for a mapping that failed; past the clean-up, unmap for good.

    Once pages are gone the VMAs must go too: the process then has a hole where it asked for a
    mapping.  Kernel: vms_abort_munmap_vmas().
    """
    if vms.nr_pages == 0:
        return
    if vms.clear_ptes:
        reattach_vmas(vms)
        return
    # Emptying a range that whole VMAs fill needs no new node beyond what their entries free.
    vms.vmi.clear_nofail(vms.start, vms.end)
    vms_complete_munmap_vmas(mm, vms)


def remove_vma(seam: Seam, vma: Vma) -> None:
    """Close and free a VMA that is in no tree any more (`remove_vma`)."""
    vma_close(vma)
    if vma.vm_file is not None:
        seam.fput(vma.vm_file)
    seam.mpol_put(vma.vm_policy)
    vm_area_free(vma)


def free_pgtables(mm: Mm, vmas: list[Vma]) -> None:
    """Take VMAs that go, lowest first, out of the reverse maps.

    Neighbours of one file leave it together, unless a page table's worth of addresses lies between
    them. Kernel: free_pgtables(), whose tables are the affair of `PageTables` here.
    """
    seam = mm.seam
    batches = mm.features.unlinks_files_in_batches
    file: File | None = None
    first: i64 = 0
    nr: i64 = 0
    end: i64 = 0
    for at in range(len(vmas)):
        vma = vmas[at]
        seam.unlink_anon_vmas(vma)
        if vma.vm_file is not None:
            apart = not batches or vma.vm_file is not file or vma.vm_start > end + PMD_SIZE
            if nr != 0 and (apart or nr == UNLINK_BATCH):
                unlink_file_vma_batch_final(seam, vmas, first, at)
                nr = 0
            if nr == 0:
                first = at
                file = vma.vm_file
            nr += 1
        end = vma.vm_end
    if nr != 0:
        unlink_file_vma_batch_final(seam, vmas, first, len(vmas))


def do_vmi_align_munmap(
    vmi: Vmi, vma: Vma, mm: Mm, start: i64, end: i64, uf: list[object] | None
) -> i64:
    """Unmap the page-aligned `[start, end)`, whose first VMA is `vma`: 0 or -errno.

    Kernel: do_vmi_align_munmap().
    """
    vms = Vms(vmi, vma, start, end)
    vms.uf = uf
    err = vms_gather_munmap_vmas(mm, vms)
    if err == 0:
        err = vmi.clear_gfp(start, end)
        if err == 0:
            vms_complete_munmap_vmas(mm, vms)
            return 0
        reattach_vmas(vms)
    mm.seam.validate_mm(mm)
    return err


def do_vmi_munmap(vmi: Vmi, mm: Mm, start: i64, length: i64, uf: list[object] | None) -> i64:
    """Unmap `length` bytes (rounded up to pages) from `start` on: 0 or -errno.

    Errors: EINVAL (start not page aligned, empty, or beyond the address space), and those of
    `vms_gather_munmap_vmas`.  A range in which nothing is mapped is no error.
    Kernel: do_vmi_munmap(); man 2 munmap.
    """
    task_size = mm.task_size
    if start & ~PAGE_MASK != 0:
        return mm.blame(EINVAL, "addr", "not a multiple of the page size")
    if start > task_size:
        return mm.blame(EINVAL, "addr", "beyond the end of the address space")
    if length > task_size - start:
        return mm.blame(EINVAL, "length", "the range ends beyond the end of the address space")
    end: i64 = start + ((length + PAGE_SIZE - 1) & PAGE_MASK)
    if end == start:
        return mm.blame(EINVAL, "length", "must not be 0")
    vmi.set(start)
    vma = vmi.find(end)
    if vma is None:
        return 0
    return do_vmi_align_munmap(vmi, vma, mm, start, end, uf)


def do_munmap(mm: Mm, start: i64, length: i64, uf: list[object] | None) -> i64:
    """`do_vmi_munmap` with an iterator of its own."""
    return do_vmi_munmap(Vmi(mm, start), mm, start, length, uf)
