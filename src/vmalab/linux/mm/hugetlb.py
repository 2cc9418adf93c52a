# SPDX-License-Identifier: GPL-2.0-or-later
"""Pools of huge pages, and who has reserved or taken pages of them.

Mirrors mm/hugetlb.c (v6.18).  A page counts against its pool from its reservation on, whether or
not it was touched yet: for a shared mapping by offset into the file, for a private one by VMA.
What of a pool is reserved and what is in use is therefore one number here.

Left out: pages that a fork's parent and child share count once, for the one that took them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.fs.super import get_anon_bdev
from vmalab.linux.include.mm_flags import VM_HUGETLB, VM_MAYSHARE, VM_NORESERVE
from vmalab.linux.include.page import PMD_SIZE
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM
from vmalab.linux.lib.idr import Ida
from vmalab.linux.mm.mm_types import Vma, VmOps
from vmalab.linux.mm.refusal import REFUSED_HUGE_PAGES
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare

if TYPE_CHECKING:
    from vmalab.linux.fs.file import File
    from vmalab.linux.include.config import KernelConfig

# "To the end of the file": more huge pages than any file has.
LAST_INDEX: Final = 1 << 52
# Files in which an administrator sets the size of a pool.
POOL_FILES: Final = ("nr_hugepages", "nr_overcommit_hugepages", "nr_hugepages_mempolicy")


@final
@mypyc_attr(native_class=True)
class HState:
    """struct hstate: the pool of one size of huge pages."""

    def __init__(self, size: i64, nr: i64, dev: str) -> None:
        # Bytes of one page.
        self.size: i64 = size
        # Pages that may be had, those beyond the pool's own number included.
        self.nr_huge_pages: i64 = nr
        # Pages reserved or in use.
        self.nr_committed: i64 = 0
        # False once somebody changed the pool's size, which a log does not tell: then no request
        # is refused.
        self.known: bool = True
        # The device of files made of its pages, as maps prints it.
        self.dev: str = dev

    def acct_memory(self, delta: i64) -> bool:
        """Take pages, or give them back (negative); False: there are not that many."""
        if delta > 0 and self.known and self.nr_committed + delta > self.nr_huge_pages:
            return False
        self.nr_committed += delta
        return True

    def available(self, wanted: i64) -> i64:
        """How many of `wanted` pages could be had."""
        if not self.known:
            return wanted
        return min(wanted, max(self.nr_huge_pages - self.nr_committed, 0))


@final
@mypyc_attr(native_class=True)
class ResvMap:
    """struct resv_map: ranges of huge-page indices, disjoint and in order; half-open."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []

    def count(self, start: int, end: int) -> int:
        """How many indices of `[start, end)` are in the map (`region_count`)."""
        total = 0
        for i in range(len(self.starts)):
            total += max(0, min(self.ends[i], end) - max(self.starts[i], start))
        return total

    def add(self, start: int, end: int) -> None:
        """Enter `[start, end)`, joined with what it overlaps or touches (`region_add`)."""
        starts: list[int] = []
        ends: list[int] = []
        for i in range(len(self.starts)):
            if self.ends[i] < start or self.starts[i] > end:
                starts.append(self.starts[i])
                ends.append(self.ends[i])
            else:
                start, end = min(start, self.starts[i]), max(end, self.ends[i])
        at = 0
        while at < len(starts) and starts[at] < start:
            at += 1
        starts.insert(at, start)
        ends.insert(at, end)
        self.starts, self.ends = starts, ends

    def remove(self, start: int, end: int) -> int:
        """Take `[start, end)` out: how many indices were in the map (`region_del`)."""
        removed = self.count(start, end)
        if removed == 0:
            return 0
        starts: list[int] = []
        ends: list[int] = []
        for i in range(len(self.starts)):
            low, high = self.starts[i], self.ends[i]
            if low < min(high, start):
                starts.append(low)
                ends.append(min(high, start))
            if max(low, end) < high:
                starts.append(max(low, end))
                ends.append(high)
        self.starts, self.ends = starts, ends
        return removed


@final
@mypyc_attr(native_class=True)
class HugetlbInode:
    """struct hugetlbfs_inode_info: what a file of huge pages has besides a common inode."""

    def __init__(self, h: HState, is_shm: bool) -> None:
        self.h: HState = h
        # A System V segment: reserved when it was made, so attaching reserves nothing.
        self.is_shm: bool = is_shm
        # Offsets (in huge pages) that shared mappings reserved, or that have pages.
        self.resv_map: ResvMap = ResvMap()
        # It has a name, so that closing it does not end it.
        self.linked: bool = False


@final
@mypyc_attr(native_class=True)
class HugetlbVma:
    """The private pages of a VMA and of those split off it: all reserved, or some taken."""

    def __init__(self, owner: bool) -> None:
        # HPAGE_RESV_OWNER: every page of the VMAs is reserved.
        self.owner: bool = owner
        # Without a reservation: the offsets that have pages.
        self.resv_map: ResvMap = ResvMap()


def hugetlb_init(config: KernelConfig, unnamed_dev_ida: Ida) -> list[HState]:
    """The pools of a machine, the default size first; the files of each have a device."""
    hstates: list[HState] = []
    for size in sorted(config.hugepages, key=lambda size: size != config.default_hugepagesz):
        nr = config.hugepages[size] + config.overcommit_hugepages.get(size, 0)
        hstates.append(HState(size, nr, get_anon_bdev(unnamed_dev_ida)))
    return hstates


def hstate_sizelog(hstates: list[HState], log: int) -> HState | None:
    """The pool of a size given by its logarithm, the default one for 0; None: no such size."""
    for h in hstates:
        if log == 0 or (log < 62 and h.size == 1 << log):
            return h
    return None


def hugetlb_pool_written(hstates: list[HState], path: str) -> None:
    """Somebody opened one of the files that set a pool's size, to write it."""
    if path.rpartition("/")[2] not in POOL_FILES:
        return
    if path.startswith("/proc/sys/vm/") and len(hstates) > 0:
        hstates[0].known = False
    for h in hstates:
        if path.startswith("/sys/") and f"/hugepages-{h.size >> 10}kB/" in path:
            h.known = False


def hstate_file(file: File | None) -> HState | None:
    """The pool that a file's pages are of, None for other files."""
    if file is None or file.inode.hugetlb is None:
        return None
    return file.inode.hugetlb.h


def huge_page_size(file: File | None) -> i64:
    """Bytes of a page of a file of huge pages."""
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
    """The index, in huge pages, of an address in the VMA's file."""
    return (((addr - vma.vm_start) >> 12) + vma.vm_pgoff) // (huge_page_size(vma.vm_file) >> 12)


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
    """Take the huge pages `[start, end)` out of a file: a truncation, a hole, its end."""
    info.h.acct_memory(-info.resv_map.remove(start, end))


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
        got = take_pages(info.h, info.resv_map, first, last)
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
