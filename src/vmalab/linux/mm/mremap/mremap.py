# SPDX-License-Identifier: GPL-2.0-or-later
"""mremap: growing, shrinking and moving mappings.

Mirrors mm/mremap.c (v6.18).  The steps are in `move_vma.py`; kernels that looked before they
checked the arguments have `mremap_looking_first.py`.
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_HUGETLB, VM_SEALED, VM_UFFD_MASK
from vmalab.linux.include.page import (
    LONG_MAX,
    PAGE_MASK,
    PAGE_SHIFT,
    TASK_SIZE_5LEVEL,
    align_ulong,
    page_align_ulong,
    wrapped_ulong,
)
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM, EPERM
from vmalab.linux.include.uapi.mman import MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE
from vmalab.linux.mm.accounting import may_expand_vm
from vmalab.linux.mm.gup import mm_populate
from vmalab.linux.mm.hugetlb import huge_page_size
from vmalab.linux.mm.mremap.looking_first import mremap_looking_first
from vmalab.linux.mm.mremap.move_vma import (
    MREMAP_EXPAND,
    MREMAP_NO_RESIZE,
    MREMAP_SHRINK,
    Vrm,
    align_hugetlb,
    check_resize,
    expand_vma,
    move_vma,
    set_new_addr,
    shrink_vma,
)
from vmalab.linux.mm.refusal import REFUSED_MAP_COUNT, REFUSED_SEAL
from vmalab.linux.mm.vma.munmap import do_munmap
from vmalab.linux.types.file import PLACE_DRIVER, PLACE_IO_URING, PLACE_RAMFS
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi, vma_lookup


def ksys_mremap(
    task: Task, addr: int, old_len: int, new_len: int, flags: int, new_addr: int
) -> int:
    """mremap(2): the new address or a negative errno; arguments are unsigned 64-bit.

    Errors: EINVAL (flags, alignment, lengths, overlap), EFAULT (not one mapping), ENOMEM (no place,
    limits, map count), EAGAIN (RLIMIT_MEMLOCK), EPERM (sealed).  Kernel: do_mremap().
    """
    mm = task.mm
    if mm is None:
        return -EFAULT
    if not mm.features.mremap_checks_arguments_first:
        return mremap_looking_first(mm, addr, old_len, new_len, flags, new_addr)
    old_len = page_align_ulong(old_len)
    new_len = page_align_ulong(new_len)
    error = check_mremap_params(mm, addr, old_len, new_len, flags, new_addr)
    if error != 0:
        return error
    needed = map_count_for_request(mm, flags)
    allowed: i64 = mm.config.max_map_count
    if needed > allowed:
        return mm.refuse(ENOMEM, REFUSED_MAP_COUNT, needed, allowed)
    if addr >= mm.task_size:
        return mm.refusal.blame(EFAULT, "old_address", "beyond the end of the address space")
    if old_len > mm.task_size:
        old_len = cut_old_len(mm, addr, old_len)
    if new_addr > mm.task_size:
        # Unless the flags ask for it, only the alignment matters, to huge pages.
        new_addr &= LONG_MAX
    vrm = Vrm(mm, addr, old_len, new_len, flags, new_addr)
    if flags & MREMAP_FIXED != 0 and old_len == new_len:
        return remap_move(vrm)
    vrm.vma = vma_lookup(mm, addr)
    result = check_prep_vma(vrm)
    if result == 0:
        result = mremap_to(vrm) if vrm.implies_new_addr() else mremap_at(vrm)
    if result >= 0 and vrm.populate_expand:
        mm_populate(mm, vrm.new_addr + vrm.old_len, vrm.delta)
    return result


def cut_old_len(mm: Mm, addr: int, old_len: int) -> int:
    """Return what an old length beyond the address space comes to, cut to what fits into 63 bits.

    It is longer than any VMA and any new length, but that huge pages may round it up to 0.
    """
    vma = vma_lookup(mm, addr)
    if vma is not None and vma.vm_flags & VM_HUGETLB != 0:
        old_len = align_ulong(old_len, huge_page_size(vma.vm_file))
    return min(old_len, TASK_SIZE_5LEVEL << 1)


def check_mremap_params(
    mm: Mm, addr: int, old_len: int, new_len: int, flags: int, new_addr: int
) -> int:
    """Check what can be checked without looking at a mapping: 0 or -EINVAL."""
    if flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP) != 0:
        return mm.refusal.blame(EINVAL, "flags", "unknown flag")
    if addr & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "old_address", "not a multiple of the page size")
    if new_len == 0:
        return mm.refusal.blame(EINVAL, "new_size", "must not be 0")
    if new_len > mm.task_size:
        return mm.refusal.blame(EINVAL, "new_size", "longer than the address space")
    if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) == 0:
        return 0
    if new_addr > mm.task_size - new_len:
        return mm.refusal.blame(EINVAL, "new_address", "beyond the end of the address space")
    if new_addr & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "new_address", "not a multiple of the page size")
    if flags & MREMAP_MAYMOVE == 0:
        return mm.refusal.blame(
            EINVAL, "flags", "MREMAP_FIXED or MREMAP_DONTUNMAP without MREMAP_MAYMOVE"
        )
    if flags & MREMAP_DONTUNMAP != 0 and old_len != new_len:
        return mm.refusal.blame(EINVAL, "flags", "MREMAP_DONTUNMAP with sizes that differ")
    # As the kernel computes it, a length that wraps around ends below where it began.
    old_end = wrapped_ulong(addr + old_len)
    if old_end > new_addr and new_addr + new_len > addr:
        return mm.refusal.blame(EINVAL, "new_address", "source and destination overlap")
    return 0


def map_count_for_request(mm: Mm, flags: int) -> i64:
    """How large vm.max_map_count must be for what a request may split and make, before anything.

    Unmapping the destination may split one VMA and moving the source another two, and leaving part
    of a locked source one more.
    """
    features = mm.config.features
    dontunmap = flags & MREMAP_DONTUNMAP != 0
    if features.mremap_checks_map_count_always:
        splits = dontunmap and not features.dontunmap_unlocks_whole_vma
        return mm.map_count + (5 if splits else 4)
    if flags & MREMAP_FIXED == 0 and not dontunmap:
        return 0
    return mm.map_count + 6


def check_prep_vma(vrm: Vrm) -> i64:
    """Check the request against the VMA at its address, and derive the resizing: 0 or -errno.

    Kernel: check_prep_vma().
    """
    vma = vrm.vma
    if vma is None:
        return vrm.mm.refusal.blame_at(EFAULT, "old_address", "nothing is mapped", vrm.addr)
    if vma.vm_flags & VM_SEALED != 0:
        return vrm.mm.refuse_at(EPERM, REFUSED_SEAL, vma.vm_start)
    if vma.vm_flags & VM_HUGETLB != 0 and not align_hugetlb(vrm):
        return vrm.mm.refusal.blame_at(
            EINVAL, "old_size", "huge pages can neither grow nor be cut: the mapping", vma.vm_start
        )
    vrm.calculate()
    if not vrm.implies_new_addr():
        vrm.new_addr = vrm.addr
        if vrm.remap_type != MREMAP_EXPAND:
            return 0
    old_len = vrm.new_len if vrm.remap_type == MREMAP_SHRINK else vrm.old_len
    return check_resize(vrm, vma, old_len)


def mremap_at(vrm: Vrm) -> i64:
    """Resize without a requested address: the address or -errno."""
    if vrm.remap_type == MREMAP_NO_RESIZE:
        return vrm.addr
    if vrm.remap_type == MREMAP_SHRINK:
        error = shrink_vma(vrm)
        return error if error != 0 else vrm.addr
    return expand_vma(vrm)


def mremap_to(vrm: Vrm) -> i64:
    """Move to a requested address, whose place is cleared first: the address or -errno.

    Kernel: mremap_to().
    """
    mm = vrm.mm
    if vrm.flags & MREMAP_FIXED != 0:
        error = do_munmap(mm, vrm.new_addr, vrm.new_len, vrm.uf)
        if error != 0:
            return error
        vrm.vma = vma_lookup(mm, vrm.addr)
        if vrm.vma is None:
            return mm.refusal.blame_at(
                EFAULT, "old_address", "the destination has replaced the source", vrm.addr
            )
    if vrm.remap_type == MREMAP_SHRINK:
        error = shrink_vma(vrm)
        if error != 0:
            return error
        vrm.old_len = vrm.new_len
        vrm.calculate()
    vma = vrm.vma
    if vma is None:
        return mm.refusal.blame_at(EFAULT, "old_address", "nothing is mapped", vrm.addr)
    if vrm.flags & MREMAP_DONTUNMAP != 0:
        if not may_expand_vm(mm, vma.vm_flags, vrm.old_len >> PAGE_SHIFT):
            return -ENOMEM
    error = set_new_addr(vrm, vma)
    return error if error != 0 else move_vma(vrm)


def vma_multi_allowed(vma: Vma) -> bool:
    """Tell whether a VMA may be one of several that move together."""
    if vma.vm_userfaultfd_ctx is not None and vma.vm_flags & VM_UFFD_MASK != 0:
        return False
    file = vma.vm_file
    if file is None:
        return True
    placement = file.f_op.placement
    return placement not in (PLACE_DRIVER, PLACE_IO_URING, PLACE_RAMFS)


def remap_move(vrm: Vrm) -> i64:
    """Move every VMA of the range by the same distance: the new address or -errno.

    The range must begin in a VMA; holes stay holes.  When one fails, those before it have moved.
    Kernel: remap_move().
    """
    mm = vrm.mm
    start, end = vrm.addr, vrm.addr + vrm.old_len
    target = vrm.new_addr
    result: i64 = 0
    seen = False
    last_end: i64 = 0
    vmi = Vmi(mm, start)
    position = start
    while True:
        vmi.set(position)
        vma = vmi.find(end)
        if vma is None and seen:
            return result
        if vma is None or (not seen and start < vma.vm_start):
            return mm.refusal.blame_at(EFAULT, "old_address", "nothing is mapped", start)
        vrm.vma = vma
        vrm.addr = max(vma.vm_start, start)
        vrm.new_addr = target + (vma.vm_start - last_end if seen else 0)
        vrm.old_len = vrm.new_len = min(vma.vm_end, end) - vrm.addr
        last_end = vma.vm_end
        position = last_end
        if not vma_multi_allowed(vma) and (seen or vma.vm_end < end):
            return mm.refusal.blame_at(
                EFAULT,
                "old_address",
                "one of several mappings cannot be moved together with others: the one",
                vma.vm_start,
            )
        moved = check_prep_vma(vrm)
        if moved == 0:
            moved = mremap_to(vrm)
        if moved < 0:
            return moved
        if not seen:
            result = moved
        seen = True
        target = moved + vrm.new_len
