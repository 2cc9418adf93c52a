# SPDX-License-Identifier: GPL-2.0-or-later
"""mremap as it was before 6.17: it looks at the mapping first, and one call moves one VMA.

Mirrors mm/mremap.c (v6.12).  A request for a new address has its destination unmapped, and a
shrinking source its tail, before it is found out whether the source is one mapping at all: both are
lost then.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_HUGETLB, VM_SEALED
from vmalab.linux.include.page import (
    LONG_MAX,
    PAGE_MASK,
    PAGE_SHIFT,
    TASK_SIZE_5LEVEL,
    ULONG_MAX,
    align_ulong,
    page_align_ulong,
)
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM, EPERM
from vmalab.linux.include.uapi.mman import MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE
from vmalab.linux.mm.accounting import may_expand_vm
from vmalab.linux.mm.gup import mm_populate
from vmalab.linux.mm.hugetlb import huge_page_size
from vmalab.linux.mm.mremap.move_vma import (
    Vrm,
    check_resize,
    expand_vma,
    move_vma,
    set_new_addr,
    unmap_tail,
)
from vmalab.linux.mm.refusal import REFUSED_MAP_COUNT, REFUSED_SEAL
from vmalab.linux.mm.vma.munmap import do_munmap
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.task import NO_RLIMIT
from vmalab.linux.types.vma_iterator import vma_lookup

# An address and a length that nothing has or fits, in bytes: it stands for all that are beyond.
_BEYOND: Final = TASK_SIZE_5LEVEL << 1


def mremap_looking_first(
    mm: Mm, addr: int, old_len: int, new_len: int, flags: int, new_addr: int
) -> int:
    """mremap(2): the new address or a negative errno; arguments are unsigned 64-bit.

    Errors: EINVAL (flags, alignment, lengths, overlap), EFAULT (not one mapping), ENOMEM (no place,
    limits, map count), EAGAIN (RLIMIT_MEMLOCK), EPERM (sealed).
    """
    if flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP) != 0:
        return mm.refusal.blame(EINVAL, "flags", "unknown flag")
    if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0 and flags & MREMAP_MAYMOVE == 0:
        return mm.refusal.blame(
            EINVAL, "flags", "MREMAP_FIXED or MREMAP_DONTUNMAP without MREMAP_MAYMOVE"
        )
    if flags & MREMAP_DONTUNMAP != 0 and old_len != new_len:
        return mm.refusal.blame(EINVAL, "flags", "MREMAP_DONTUNMAP with sizes that differ")
    if addr & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "old_address", "not a multiple of the page size")
    old_len = page_align_ulong(old_len)
    new_len = page_align_ulong(new_len)
    if new_len == 0:
        return mm.refusal.blame(EINVAL, "new_size", "must not be 0")
    features = mm.features
    asks = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0
    if asks and features.mremap_checks_new_address_early:
        error = check_new_addr(mm, new_addr)
        if error != 0:
            return error
    vma = vma_lookup(mm, addr) if addr < mm.task_size else None
    if vma is None and features.mremap_looks_up_first:
        return mm.refusal.blame(EFAULT, "old_address", "nothing is mapped there")
    if vma is not None and vma.vm_flags & VM_SEALED != 0:
        return mm.refuse_at(EPERM, REFUSED_SEAL, vma.vm_start)
    if vma is not None and vma.vm_flags & VM_HUGETLB != 0 and features.mremap_moves_huge_pages:
        size: int = huge_page_size(vma.vm_file)
        old_len, new_len = align_ulong(old_len, size), align_ulong(new_len, size)
        if addr & (size - 1) != 0 or new_addr & (size - 1) != 0 or new_len > old_len:
            return mm.refusal.blame_at(
                EINVAL,
                "old_size",
                "huge pages can neither grow nor be cut: the mapping",
                vma.vm_start,
            )
    if not asks:
        if old_len >= new_len:
            return cut_tail(mm, addr, old_len, new_len)
        if vma is None:
            return mm.refusal.blame(EFAULT, "old_address", "nothing is mapped there")
        if old_len > mm.task_size:
            return mm.refusal.blame(EFAULT, "old_size", "longer than the address space")
        vrm = Vrm(mm, addr, old_len, old_len + cut_growth(mm, new_len - old_len), flags, addr)
        vrm.vma = vma
        vrm.calculate()
        result = grow(vrm, vma)
    else:
        error = check_target(mm, addr, old_len, new_len, new_addr)
        if error != 0:
            return error
        vrm = Vrm(mm, min(addr, _BEYOND), min(old_len, _BEYOND), new_len, flags, new_addr)
        vrm.calculate()
        result = mremap_to(vrm, min(addr + new_len & ULONG_MAX, _BEYOND))
    if result >= 0 and vrm.populate_expand:
        mm_populate(mm, result + vrm.old_len, vrm.new_len - vrm.old_len)
    return result


def cut_tail(mm: Mm, addr: int, old_len: int, new_len: int) -> int:
    """Shrink in place: the address or -errno.

    Neither length is checked: what goes is where the sum with the address wraps around to, which
    may be anywhere.
    """
    if old_len != new_len:
        tail = (addr + new_len) & ULONG_MAX
        error = unmap_tail(mm, min(tail, _BEYOND), min(old_len - new_len, _BEYOND), None)
        if error != 0:
            return error
    # A result is a signed number.
    return addr if addr <= LONG_MAX else addr - ULONG_MAX - 1


def cut_growth(mm: Mm, growth: int) -> int:
    """The bytes that a mapping is to grow by, as a length that fits and meets the same limits.

    Only the pages that are locked already can make it too many where nothing limits them.
    """
    if growth <= mm.task_size:
        return growth
    if (growth >> PAGE_SHIFT) + mm.locked_vm > ULONG_MAX >> PAGE_SHIFT:
        return NO_RLIMIT & PAGE_MASK
    return min(growth, (NO_RLIMIT - _BEYOND) & PAGE_MASK)


def check_new_addr(mm: Mm, new_addr: int) -> int:
    """Check what a request for a new address always needs: 0, EINVAL (alignment) or ENOMEM."""
    if new_addr & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "new_address", "not a multiple of the page size")
    needed: i64 = mm.map_count + 6
    allowed: i64 = mm.config.max_map_count
    return mm.refuse(ENOMEM, REFUSED_MAP_COUNT, needed, allowed) if needed > allowed else 0


def check_target(mm: Mm, addr: int, old_len: int, new_len: int, new_addr: int) -> int:
    """Check a requested address: 0, EINVAL (place, alignment, overlap) or ENOMEM (map count)."""
    early = mm.features.mremap_checks_new_address_early
    if new_addr & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "new_address", "not a multiple of the page size")
    if new_len > mm.task_size:
        return mm.refusal.blame(EINVAL, "new_size", "longer than the address space")
    if new_addr > mm.task_size - new_len:
        return mm.refusal.blame(EINVAL, "new_address", "beyond the end of the address space")
    if (addr + old_len) & ULONG_MAX > new_addr and new_addr + new_len > addr:
        return mm.refusal.blame(EINVAL, "new_address", "source and destination overlap")
    return 0 if early else check_new_addr(mm, new_addr)


def mremap_to(vrm: Vrm, tail: i64) -> i64:
    """Clear the destination, cut the source, then see if it can move: the address or -errno.

    tail: what a shrinking source is cut at.
    """
    mm = vrm.mm
    if vrm.flags & MREMAP_FIXED != 0:
        error = do_munmap(mm, vrm.new_addr, vrm.new_len, vrm.uf)
        if error != 0:
            return error
        if mm.features.mremap_checks_new_address_early and vma_lookup(mm, vrm.addr) is None:
            return mm.refusal.blame_at(
                EFAULT, "old_address", "the destination has replaced the source", vrm.addr
            )
    if vrm.old_len > vrm.new_len:
        error = unmap_tail(mm, tail, vrm.old_len - vrm.new_len, vrm.uf)
        if error != 0:
            return error
        vrm.old_len = vrm.new_len
        vrm.calculate()
    vma = vma_lookup(mm, vrm.addr)
    if vma is None:
        return mm.refusal.blame_at(EFAULT, "old_address", "nothing is mapped", vrm.addr)
    vrm.vma = vma
    error = check_resize(vrm, vma, vrm.old_len)
    if error != 0:
        return error
    if vrm.flags & MREMAP_DONTUNMAP != 0:
        if not may_expand_vm(mm, vma.vm_flags, vrm.old_len >> PAGE_SHIFT):
            return -ENOMEM
    error = set_new_addr(vrm, vma)
    return error if error != 0 else move_vma(vrm)


def grow(vrm: Vrm, vma: Vma) -> i64:
    """Grow where it is or elsewhere: the address or -errno."""
    error = check_resize(vrm, vma, vrm.old_len)
    return error if error != 0 else expand_vma(vrm)
