# SPDX-License-Identifier: GPL-2.0-or-later
"""What the monitor of a userfaultfd does to pages: bring them, wake waiters, protect from writes.

Mirrors the page half of mm/userfaultfd.c (v6.18).
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_HUGETLB, VM_SHARED, VM_UFFD_WP
from vmalab.linux.include.page import ULONG_MAX
from vmalab.linux.include.uapi.errno import EAGAIN, EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM
from vmalab.linux.include.uapi.userfaultfd import (
    UFFDIO_COPY_MODE_DONTWAKE,
    UFFDIO_COPY_MODE_WP,
    UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
    UFFDIO_WRITEPROTECT_MODE_WP,
    UFFDIO_ZEROPAGE_MODE_DONTWAKE,
)
from vmalab.linux.mm.hugetlb import huge_page_size, hugetlb_fault
from vmalab.linux.mm.memory import PTE_ANON, PTE_FILE, PTE_ZERO
from vmalab.linux.mm.mm_types import Mm, Vmi, vma_is_anonymous, vma_lookup
from vmalab.linux.mm.shmem import vma_is_shmem
from vmalab.linux.mm.usercopy import user_range_ok
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare


def mfill_atomic(mm: Mm, start: i64, length: i64, zero: bool, protect: bool) -> i64:
    """Fill the pages of `[start, start + length)` that are missing: the bytes filled, or -errno.

    Errors: ENOENT (not one registered VMA), EINVAL (a kind of memory that cannot be filled, or is
    not registered for write protection), EEXIST (the first page is there, or no huge page is left).
    """
    end = start + length
    vma = vma_lookup(mm, start)
    if vma is None or vma.vm_end < end or vma.vm_userfaultfd_ctx is None:
        return -ENOENT
    private = vma.vm_flags & VM_SHARED == 0
    if private and anon_vma_prepare(vma) != 0:
        return -ENOMEM
    if protect and vma.vm_flags & VM_UFFD_WP == 0:
        return -EINVAL
    if vma.vm_flags & VM_HUGETLB != 0:
        mask = huge_page_size(vma.vm_file) - 1
        if zero or (start | length) & mask != 0:
            return -EINVAL
        # A page that cannot be had counts as one that is there.
        return -EEXIST if hugetlb_fault(vma, start, end) != 0 else length
    if not vma_is_anonymous(vma) and not vma_is_shmem(vma):
        return -EINVAL
    present = mm.page_tables.ranges(start, end)
    if len(present) > 0:
        end = present[0][0]
    if end == start:
        return -EEXIST
    kind = PTE_FILE
    if private:
        kind = PTE_ZERO if zero and vma_is_anonymous(vma) else PTE_ANON
    mm.page_tables.set(start, end, kind)
    return end - start


def filled(wanted: int, got: i64) -> int:
    """What an ioctl answers that filled `got` of `wanted` bytes: 0, EAGAIN for a part, -errno."""
    if got < 0:
        return got
    return 0 if got == wanted else -EAGAIN


def userfaultfd_copy(mm: Mm, dst: int, src: int, length: int, mode: int) -> int:
    """UFFDIO_COPY into a valid range: 0, EINVAL (mode, source), EFAULT, and `mfill_atomic`'s."""
    task_size: int = mm.task_size
    config = mm.seam.config
    inside = src + length <= task_size
    if not inside and (config.features.userfaultfd_checks_source or src + length > ULONG_MAX):
        return -EINVAL
    if src < config.mmap_min_addr and config.features.userfaultfd_lowest_address:
        return -EINVAL
    if mode & ~(UFFDIO_COPY_MODE_DONTWAKE | UFFDIO_COPY_MODE_WP) != 0:
        return -EINVAL
    got = mfill_atomic(mm, dst, length, False, mode & UFFDIO_COPY_MODE_WP != 0)
    if got > 0 and not (inside and user_range_ok(mm, src, length, False)):
        mm.page_tables.zap(dst, dst + got)
        return -EFAULT
    return filled(length, got)


def userfaultfd_zeropage(mm: Mm, start: int, length: int, mode: int) -> int:
    """UFFDIO_ZEROPAGE in a valid range: 0, EINVAL (mode), and `mfill_atomic`'s errors."""
    if mode & ~UFFDIO_ZEROPAGE_MODE_DONTWAKE != 0:
        return -EINVAL
    return filled(length, mfill_atomic(mm, start, length, True, False))


def userfaultfd_writeprotect(mm: Mm, start: int, length: int, mode: int) -> int:
    """UFFDIO_WRITEPROTECT of a valid range: 0, EINVAL (mode, huge pages cut) or ENOENT.

    ENOENT: nothing is mapped there, or something that is not registered for it.
    """
    both = UFFDIO_WRITEPROTECT_MODE_WP | UFFDIO_WRITEPROTECT_MODE_DONTWAKE
    if mode & ~both != 0 or mode == both:
        return -EINVAL
    vmi = Vmi(mm, start)
    vma = vmi.find(start + length)
    if vma is None:
        return -ENOENT
    whole = vma.vm_start <= start and start + length <= vma.vm_end
    if not whole and not mm.seam.config.features.userfaultfd_protects_several:
        return -ENOENT
    while vma is not None:
        if vma.vm_flags & VM_UFFD_WP == 0:
            return -ENOENT
        if vma.vm_flags & VM_HUGETLB != 0:
            if (start | length) & (huge_page_size(vma.vm_file) - 1) != 0:
                return -EINVAL
        vma = vmi.find(start + length)
    return 0
