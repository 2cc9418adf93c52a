# SPDX-License-Identifier: GPL-2.0-or-later
"""The page cache: which pages of a file are in memory, and which of them are dirty.

Mirrors mm/filemap.c (v6.18), as far as faults fill the cache and truncation
empties it.  What read and write calls bring in is not known here, nor what is reclaimed; pages have
no contents, so an entry of the XArray is only there or not, and large where a range came at once.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_SHARED
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE, PMD_SIZE
from vmalab.linux.lib.xarray import XA_MARK_0, XA_MAX_INDEX, XA_NONE
from vmalab.linux.types.file import PLACE_RAMFS, PLACE_THP, File, FileAddressSpace, FileOps
from vmalab.linux.types.mm_types import Vma, VmOps, linear_page_index

PAGECACHE_TAG_DIRTY: Final = XA_MARK_0
FAULT_AROUND_BYTES: Final = 65536


class GenericVmOps(VmOps):
    """vm_operations_struct of page-cache mappings: nothing to do at their start or end."""


class GenericFileOps(FileOps):
    """file_operations of regular files that are mapped by the page cache, wherever they fit.

    So of every file system that has no get_unmapped_area of its own: squashfs, vfat, nfs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.has_mmap_prepare = True
        self.vm_ops: VmOps = GenericVmOps()

    def mmap(self, file: File, vma: Vma) -> i64:
        """Give the VMA the page cache's operations (`generic_file_mmap`)."""
        vma.vm_ops = self.vm_ops
        return 0


generic_fops: Final = GenericFileOps()


class NoFallocateFileOps(GenericFileOps):
    """The same without fallocate, as of 9p and file systems that are only read."""

    def __init__(self) -> None:
        super().__init__()
        self.can_fallocate = False


no_fallocate_fops: Final = NoFallocateFileOps()


class RamfsFileOps(NoFallocateFileOps):
    """The same with `ramfs_mmu_get_unmapped_area`: several VMAs of it do not move together."""

    def __init__(self) -> None:
        super().__init__()
        self.placement = PLACE_RAMFS


ramfs_fops: Final = RamfsFileOps()


class ThpFileOps(GenericFileOps):
    """The same with `thp_get_unmapped_area`, as ext4, xfs or btrfs have it."""

    def __init__(self) -> None:
        super().__init__()
        self.placement = PLACE_THP


thp_fops: Final = ThpFileOps()


def filemap_fault(vma: Vma, start: i64, end: i64, write: bool) -> None:
    """Have the file's pages behind `[start, end)` (bytes) of a VMA in memory.

    A write through a shared mapping makes them dirty; one to a private mapping copies them.
    """
    file = vma.vm_file
    if file is None or start >= end:
        return
    mapping = file.inode.i_mapping
    first = linear_page_index(vma, start)
    last = linear_page_index(vma, end) - 1
    pages = mapping.i_pages
    at = first
    while at <= last:
        # Only the gaps are filled: what is there keeps its mark.
        nxt = pages.find(at, last)
        if nxt == XA_NONE:
            nxt = last + 1
        if nxt > at:
            pages.store_range(at, nxt - 1, mapping)
        at = nxt if nxt > last else pages.last_of(nxt) + 1
    if write and vma.vm_flags & VM_SHARED != 0:
        mark_dirty(mapping, first, last)


def first_uncached(mapping: FileAddressSpace, first: i64, last: i64) -> i64:
    """The first page of `first` to `last` (page offsets, inclusive) not in memory, or last + 1."""
    at = first
    while at <= last and mapping.i_pages.load(at) is not None:
        at = mapping.i_pages.last_of(at) + 1
    return min(at, last + 1)


def first_cached(mapping: FileAddressSpace, first: i64, last: i64) -> i64:
    """The first page of `first` to `last` (page offsets, inclusive) in memory, or last + 1."""
    found = mapping.i_pages.find(first, last)
    return last + 1 if found == XA_NONE else found


def fault_around_window(vma: Vma, address: i64) -> tuple[i64, i64]:
    """Return what a read at an address looks at besides, as (start, end) in bytes.

    64 KiB that begin where the aligned ones do, or with the VMA, and end with it or with the page
    table.  Kernel: do_fault_around().
    """
    start = max(address & -FAULT_AROUND_BYTES, vma.vm_start)
    table_end = (address & -PMD_SIZE) + PMD_SIZE
    return start, min(start + FAULT_AROUND_BYTES, table_end, vma.vm_end)


def cached_ranges(vma: Vma, start: i64, end: i64) -> list[tuple[int, int]]:
    """Where in `[start, end)` (bytes) of a VMA the file's page is in memory, as (start, end)."""
    file = vma.vm_file
    if file is None:
        return []
    offset = linear_page_index(vma, start) - (start >> PAGE_SHIFT)
    pages = file.inode.i_mapping.i_pages
    limit = (end >> PAGE_SHIFT) + offset - 1
    if file.inode.size >= 0:
        limit = min(limit, ((file.inode.size + PAGE_SIZE - 1) >> PAGE_SHIFT) - 1)
    found: list[tuple[int, int]] = []
    at = pages.find((start >> PAGE_SHIFT) + offset, limit)
    while at != XA_NONE:
        nxt = min(pages.last_of(at), limit) + 1
        found.append(((at - offset) << PAGE_SHIFT, (nxt - offset) << PAGE_SHIFT))
        at = pages.find(nxt, limit)
    return found


def mark_dirty(mapping: FileAddressSpace, first: i64, last: i64) -> None:
    """Mark the pages `first` to `last` (page offsets, inclusive) that are there as dirty."""
    pages = mapping.i_pages
    pages.split_at(first)
    pages.split_at(last + 1)
    at = pages.find(first, last)
    while at != XA_NONE:
        pages.set_mark(at, PAGECACHE_TAG_DIRTY)
        at = pages.find(pages.last_of(at) + 1, last)


def truncate_inode_pages(mapping: FileAddressSpace, first: i64, last: i64) -> None:
    """Take the pages `first` to `last` (page offsets, inclusive) out of the cache."""
    if not mapping.i_pages.empty():
        mapping.i_pages.erase_range(first, min(last, XA_MAX_INDEX >> PAGE_SHIFT))
