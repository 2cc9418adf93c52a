# SPDX-License-Identifier: GPL-2.0-or-later
"""Who has reserved or taken pages of the pools of huge pages.

Mirrors mm/hugetlb.c (v6.18).  A page counts against its pool from its reservation on, whether or
not it was touched yet: for a shared mapping by offset into the file, for a private one by VMA.
What of a pool is reserved and what is in use is therefore one number here.

A private page that a fork's parent and child share counts once, for the one that took it; a child
that writes to it takes a page of its own.

Left out: what becomes of such a page when the parent drops it, or writes to it, before the child.
"""

from __future__ import annotations

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_HUGETLB, VM_MAYSHARE, VM_NORESERVE
from vmalab.linux.include.page import PAGE_SHIFT, PMD_SIZE
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM
from vmalab.linux.mm.hugetlb_pool import HState, HugetlbInode, HugetlbVma, ResvMap
from vmalab.linux.mm.refusal import REFUSED_HUGE_PAGES
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.types.file import File, Inode
from vmalab.linux.types.mm_types import Mm, Vma, VmOps
from vmalab.linux.types.vma_iterator import Vmi


def hstate_file(file: File | None) -> HState | None:
    """Return the pool that a file's pages are of, None for other files."""
    if file is None or file.inode.hugetlb is None:
        return None
    return file.inode.hugetlb.h


def hugetlb_files(mm: Mm, start: i64, end: i64) -> list[File]:
    """Return the files of the VMAs of huge pages in `[start, end)`, in their order."""
    files: list[File] = []
    vmi = Vmi(mm, start)
    vma = vmi.find(end)
    while vma is not None:
        file = vma.vm_file
        if file is not None and file.f_op.is_hugetlb:
            files.append(file)
        vma = vmi.find(end)
    return files


def huge_page_size(file: File | None) -> i64:
    """Return bytes of a page of a file of huge pages."""
    h = hstate_file(file)
    return PMD_SIZE if h is None else h.size


class HugetlbVmOps(VmOps):
    """vm_operations_struct of huge pages."""

    def __init__(self) -> None:
        super().__init__()
        self.has_close = True

    def may_split(self, vma: Vma, addr: i64) -> i64:
        """0 at the border of a huge page, else -EINVAL (`hugetlb_vm_op_split`)."""
        return -EINVAL if addr & (huge_page_size(vma.vm_file) - 1) != 0 else 0

    def close(self, vma: Vma) -> None:
        """Give back the private pages of the VMA (`hugetlb_vm_op_close`)."""
        h = hstate_file(vma.vm_file)
        private = vma.vm_private_data
        if h is None or not isinstance(private, HugetlbVma):
            return
        start, end = hugecache_offset(vma, vma.vm_start), hugecache_offset(vma, vma.vm_end)
        pages = private.drop(start, end)
        if private.owner:
            pages += end - start - private.resv_map.remove(start, end)
        h.acct_memory(-pages)


def hugecache_offset(vma: Vma, addr: i64) -> i64:
    """Return the index, in huge pages, of an address in the VMA's file."""
    return (((addr - vma.vm_start) >> PAGE_SHIFT) + vma.vm_pgoff) // (
        huge_page_size(vma.vm_file) >> PAGE_SHIFT
    )


def hugetlb_reserve_pages(
    info: HugetlbInode, start: i64, end: i64, vma: Vma | None, vm_flags: i64
) -> i64:
    """Reserve the huge pages `[start, end)` of a file, for a VMA or for a segment: 0 or -ENOMEM."""
    private = vma is not None and vma.vm_flags & VM_MAYSHARE == 0
    if vm_flags & VM_NORESERVE != 0:
        if vma is not None and private:
            vma.vm_private_data = HugetlbVma(False)
        return 0
    if vma is not None and private:
        if not info.h.acct_memory(end - start):
            return vma.vm_mm.refuse_at(ENOMEM, REFUSED_HUGE_PAGES, vma.vm_start)
        vma.vm_private_data = HugetlbVma(True)
        return 0
    if not info.h.acct_memory(end - start - info.resv_map.count(start, end)):
        if vma is not None:
            vma.vm_mm.refuse_at(ENOMEM, REFUSED_HUGE_PAGES, vma.vm_start)
        return -ENOMEM
    info.resv_map.add(start, end)
    return 0


def hugetlb_unreserve_pages(info: HugetlbInode, start: i64, end: i64) -> None:
    """Take the huge pages `[start, end)` out of a file, and what is reserved there.

    A truncation, or the file's end.
    """
    info.pages.remove(start, end)
    info.h.acct_memory(-info.resv_map.remove(start, end))


def remove_inode_hugepages(info: HugetlbInode, start: i64, end: i64) -> None:
    """Make a hole at `[start, end)`: what was touched is given back, and no reservation more."""
    if not info.h.knows_touched:
        hugetlb_unreserve_pages(info, start, end)
        return
    hole = ResvMap()
    hole.add_all(info.pages, start, end)
    info.pages.remove_all(hole)
    info.h.acct_memory(-info.resv_map.remove_all(hole))


def hugetlb_vmdelete_list(inode: Inode, start: i64, end: i64) -> None:
    """Unmap the huge pages `[start, end)` of a file wherever they are mapped, private ones too."""
    info = inode.hugetlb
    if info is None:
        return
    per_page = info.h.size >> PAGE_SHIFT
    vmas = inode.i_mapping.vmas_in(start * per_page, end * per_page - 1)
    lent = ResvMap()
    for vma in vmas:
        private = vma.vm_private_data
        if isinstance(private, HugetlbVma) and not private.owner:
            lent.add_all(private.borrowed, start, end)
    lent.remove_all(info.pages)
    for vma in vmas:
        hugetlb_zap(vma, start, end, lent)


def hugetlb_add_to_page_cache(info: HugetlbInode, start: i64, end: i64) -> bool:
    """Enter pages at `[start, end)` into a file, one after the other; False: no more of them."""
    wanted = ResvMap()
    wanted.add(start, end)
    wanted.remove_all(info.resv_map)
    stop = take_of_pool(info.h, wanted, end)
    if stop > start:
        info.resv_map.add(start, stop)
        info.pages.add(start, stop)
    return stop == end


def take_of_pool(h: HState, wanted: ResvMap, end: i64) -> i64:
    """Take pages for offsets, lowest first: `end`, or the first offset that there was none for."""
    count: i64 = wanted.count(0, end)
    got = h.available(count)
    h.acct_memory(got)
    return end if got == count else wanted.nth(got)


def hugetlb_dup_vma_private(vma: Vma) -> None:
    """Leave a private mapping without pages and reservations."""
    if vma.vm_flags & VM_MAYSHARE == 0:
        vma.vm_private_data = HugetlbVma(False)


def clear_vma_resv_huge_pages(vma: Vma, start: i64, end: i64) -> None:
    """Let a private mapping have nothing reserved, after its pages at `[start, end)` moved away.

    All that it had reserved goes with the copy, which gives back no more than is its own. Pages
    that stayed go back when they are unmapped.
    """
    moved = vma.vm_private_data
    hugetlb_dup_vma_private(vma)
    left = vma.vm_private_data
    if not isinstance(moved, HugetlbVma) or not isinstance(left, HugetlbVma) or left is moved:
        return
    hugetlb_keep_pages(
        left, moved, hugecache_offset(vma, vma.vm_start), hugecache_offset(vma, start)
    )
    hugetlb_keep_pages(left, moved, hugecache_offset(vma, end), hugecache_offset(vma, vma.vm_end))


def hugetlb_keep_pages(left: HugetlbVma, moved: HugetlbVma, start: i64, end: i64) -> None:
    """Leave the pages of `[start, end)` with the source of a move."""
    left.pages.add_all(moved.pages, start, end)
    left.borrowed.add_all(moved.borrowed, start, end)
    moved.drop(start, end)


def hugetlb_share_pages(vma: Vma) -> None:
    """Let a fork's child have the private pages of its parent, but nothing reserved."""
    parent = vma.vm_private_data
    hugetlb_dup_vma_private(vma)
    child = vma.vm_private_data
    if isinstance(parent, HugetlbVma) and isinstance(child, HugetlbVma) and child is not parent:
        start, end = hugecache_offset(vma, vma.vm_start), hugecache_offset(vma, vma.vm_end)
        child.borrowed.add_all(parent.pages, start, end)
        child.borrowed.add_all(parent.borrowed, start, end)


def hugetlb_fault(vma: Vma, start: i64, end: i64, write: bool) -> i64:
    """Touch `[start, end)` (bytes) of a VMA of huge pages: 0, or -EFAULT for want of pages.

    A read takes pages just as a write does, there is no huge page of zeroes for it.
    """
    file = vma.vm_file
    if file is None or file.inode.hugetlb is None:
        return -EFAULT
    info = file.inode.hugetlb
    size = info.h.size
    start, end = start & -size, min((end + size - 1) & -size, vma.vm_end)
    first, last = hugecache_offset(vma, start), hugecache_offset(vma, end)
    limit: i64 = file.inode.size // size if file.inode.size >= 0 else last
    error: i64 = 0
    if limit < last:
        last, error = max(limit, first), -EFAULT
    if last <= first:
        return error
    if vma.vm_flags & VM_MAYSHARE != 0:
        return error if hugetlb_add_to_page_cache(info, first, last) else -EFAULT
    err = anon_vma_prepare(vma)
    if err != 0:
        return err
    private = vma.vm_private_data
    if isinstance(private, HugetlbVma) and not take_private_pages(
        info, private, first, last, write
    ):
        return -EFAULT
    return error


def take_private_pages(
    info: HugetlbInode, private: HugetlbVma, start: i64, end: i64, write: bool
) -> bool:
    """Touch the pages `[start, end)` of a private mapping; False: there were not enough.

    Kernel: hugetlb_no_page(), and hugetlb_wp() for a write to a page that is borrowed.
    """
    wanted = private.wanted(info.pages, start, end, write)
    # Whoever has something reserved takes of the pool only where that is used up.
    unreserved = wanted.common(private.resv_map) if private.owner else wanted
    stop = take_of_pool(info.h, unreserved, end)
    if not write:
        private.borrowed.add_all(info.pages, start, stop)
    if private.owner:
        private.resv_map.add_all(wanted, start, stop)
    private.pages.add_all(wanted, start, stop)
    private.borrowed.remove_all(private.pages)
    return stop == end


def hugetlb_zap(vma: Vma, start: i64, end: i64, lent: ResvMap) -> None:
    """Drop the huge pages `[start, end)` of the file from a VMA.

    Private ones that nothing reserves go back to the pool; a shared mapping's stay in the file.
    lent: of an owner's pages, those that a child shows and loses too.
    """
    h = hstate_file(vma.vm_file)
    private = vma.vm_private_data
    if h is None or not isinstance(private, HugetlbVma):
        return
    start = max(start, hugecache_offset(vma, vma.vm_start))
    end = min(end, hugecache_offset(vma, vma.vm_end))
    if private.owner and vma.vm_mm.features.dropped_huge_pages_stay_reserved:
        h.acct_memory(-private.drop_reserved(start, end, lent))
    else:
        h.acct_memory(-private.drop(start, end))


def is_vm_hugetlb_page(vma: Vma) -> bool:
    """Tell whether a VMA is one of huge pages."""
    return vma.vm_flags & VM_HUGETLB != 0
