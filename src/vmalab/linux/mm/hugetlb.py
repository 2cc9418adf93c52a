# SPDX-License-Identifier: GPL-2.0-or-later
"""Who has reserved or taken pages of the pools of huge pages.

Mirrors mm/hugetlb.c (v6.18).  A page counts against its pool from its reservation on, whether or
not it was touched yet: for a shared mapping by offset into the file, for a private one by VMA.
What of a pool is reserved and what is in use is therefore one number here.

Left out: pages that a fork's parent and child share count once, for the one that took them.
"""

from __future__ import annotations

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_HUGETLB, VM_MAYSHARE, VM_NORESERVE
from vmalab.linux.include.page import PAGE_SHIFT, PMD_SIZE
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM
from vmalab.linux.mm.hugetlb_pool import HState, HugetlbInode, HugetlbVma, ResvMap
from vmalab.linux.mm.refusal import REFUSED_HUGE_PAGES
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.types.file import File
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
        h.acct_memory(-(end - start if private.owner else private.resv_map.remove(start, end)))


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
    """Take the huge pages `[start, end)` out of a file, reserved or touched: a cut, or its end."""
    info.pages.remove(start, end)
    info.h.acct_memory(-info.resv_map.remove(start, end))


def remove_inode_hugepages(info: HugetlbInode, start: i64, end: i64) -> None:
    """Make a hole at `[start, end)`: what was touched is given back, and no reservation more."""
    if not info.h.knows_touched:
        hugetlb_unreserve_pages(info, start, end)
        return
    freed: i64 = 0
    for i in range(len(info.pages.starts)):
        low, high = max(info.pages.starts[i], start), min(info.pages.ends[i], end)
        if low < high:
            freed += info.resv_map.remove(low, high)
    info.pages.remove(start, end)
    info.h.acct_memory(-freed)


def hugetlb_add_to_page_cache(info: HugetlbInode, start: i64, end: i64) -> bool:
    """Enter pages at `[start, end)` into a file, one after the other; False: no more of them."""
    got = take_pages(info.h, info.resv_map, start, end)
    filled = info.resv_map.gap(start, end)
    if start < filled:
        info.pages.add(start, filled)
    return got


def take_pages(h: HState, resv_map: ResvMap, start: i64, end: i64) -> bool:
    """Enter pages at `[start, end)` into a map; False: there were not enough, some it has now."""
    wanted = end - start - resv_map.count(start, end)
    got = h.available(wanted)
    h.acct_memory(got)
    if got == wanted:
        if end > start:
            resv_map.add(start, end)
        return True
    index: i64 = start
    while got > 0:
        if resv_map.count(index, index + 1) == 0:
            resv_map.add(index, index + 1)
            got -= 1
        index += 1
    return False


def hugetlb_dup_vma_private(vma: Vma) -> None:
    """A fork's child has nothing reserved of a private mapping, nor has a source that moved."""
    if vma.vm_flags & VM_MAYSHARE == 0:
        vma.vm_private_data = HugetlbVma(False)


def hugetlb_fault(vma: Vma, start: i64, end: i64) -> i64:
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
    shared = vma.vm_flags & VM_MAYSHARE != 0
    private = vma.vm_private_data
    if not shared and last > first:
        err = anon_vma_prepare(vma)
        if err != 0:
            return err
    if shared:
        got = hugetlb_add_to_page_cache(info, first, last)
    elif isinstance(private, HugetlbVma) and not private.owner:
        got = take_pages(info.h, private.resv_map, first, last)
    else:
        got = True
    return error if got else -EFAULT


def hugetlb_zap_private(vma: Vma, start: i64, end: i64) -> None:
    """The pages of `[start, end)` (bytes) were dropped: those that nothing reserves go back."""
    h = hstate_file(vma.vm_file)
    private = vma.vm_private_data
    if h is not None and isinstance(private, HugetlbVma) and not private.owner:
        first, last = hugecache_offset(vma, start), hugecache_offset(vma, end)
        h.acct_memory(-private.resv_map.remove(first, last))


def is_vm_hugetlb_page(vma: Vma) -> bool:
    """Tell whether a VMA is one of huge pages."""
    return vma.vm_flags & VM_HUGETLB != 0
