# SPDX-License-Identifier: GPL-2.0-or-later
"""Taking every reverse-map lock of an address space at once, for MMU notifiers."""

from vmalab.linux.mm.vma_internal import (
    EINTR,
    TASK_SIZE_5LEVEL,
    VM_HUGETLB,
    Mm,
    Seam,
    Vma,
    Vmi,
)


def mm_take_all_locks(mm: Mm) -> int:
    """Lock all mappings and anon_vmas that `mm` uses, each once: 0 or -EINTR with none held.

    Preconditions: mmap_lock is held for writing.  Order: VMAs, hugetlb mappings, other mappings,
    anon_vmas.  Kernel: mm_take_all_locks().
    """
    seam = mm.seam
    seam.mmap_assert_write_locked(mm)
    for step in range(4):
        vmi = Vmi(mm, 0)
        vma = vmi.find(TASK_SIZE_5LEVEL)
        while vma is not None:
            if seam.signal_pending(mm):
                mm_drop_all_locks(mm)
                return -EINTR
            take_locks(seam, vma, step)
            vma = vmi.find(TASK_SIZE_5LEVEL)
    return 0


def take_locks(seam: Seam, vma: Vma, step: int) -> None:
    """Take the locks of one step that belong to one VMA and are not held yet."""
    if step == 0:
        seam.vma_start_write(vma)
    elif step == 3:
        for avc in vma.anon_vma_chain:
            if not avc.anon_vma.root.locked:
                seam.anon_vma_lock_write(avc.anon_vma)
    elif vma.vm_file is not None:
        mapping = vma.vm_file.inode.i_mapping
        hugetlb = vma.vm_flags & VM_HUGETLB != 0
        if hugetlb == (step == 1) and not mapping.i_mmap_locked:
            seam.i_mmap_lock_write(mapping)


def mm_drop_all_locks(mm: Mm) -> None:
    """Release what `mm_take_all_locks` took."""
    seam = mm.seam
    vmi = Vmi(mm, 0)
    vma = vmi.find(TASK_SIZE_5LEVEL)
    while vma is not None:
        for avc in vma.anon_vma_chain:
            if avc.anon_vma.root.locked:
                seam.anon_vma_unlock_write(avc.anon_vma)
        if vma.vm_file is not None and vma.vm_file.inode.i_mapping.i_mmap_locked:
            seam.i_mmap_unlock_write(vma.vm_file.inode.i_mapping)
        vma = vmi.find(TASK_SIZE_5LEVEL)
