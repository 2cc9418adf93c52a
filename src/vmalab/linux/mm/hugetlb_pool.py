# SPDX-License-Identifier: GPL-2.0-or-later
"""Pools of huge pages, and the maps of what is reserved in a file or a VMA.

Mirrors struct hstate and struct resv_map of mm/hugetlb.c.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.fs.super import get_anon_bdev
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.lib.idr import Ida

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
        # False where a log does not tell which pages were touched: then all that are reserved are
        # taken for touched when their file gets a hole.
        self.knows_touched: bool = True
        # The device of files made of its pages, as maps prints it.
        self.dev: str = dev

    def acct_memory(self, delta: i64) -> bool:
        """Take pages, or give them back (negative); False: there are not that many."""
        if delta > 0 and self.known and self.nr_committed + delta > self.nr_huge_pages:
            return False
        self.nr_committed += delta
        return True

    def available(self, wanted: i64) -> i64:
        """Return how many of `wanted` pages could be had."""
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
        """Return how many indices of `[start, end)` are in the map (`region_count`)."""
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

    def add_all(self, other: ResvMap, start: int, end: int) -> None:
        """Enter what another map has of `[start, end)`."""
        for i in range(len(other.starts)):
            low, high = max(other.starts[i], start), min(other.ends[i], end)
            if low < high:
                self.add(low, high)

    def remove_all(self, other: ResvMap) -> int:
        """Take out what another map has: how many indices were in both."""
        removed = 0
        for i in range(len(other.starts)):
            removed += self.remove(other.starts[i], other.ends[i])
        return removed

    def common(self, other: ResvMap) -> ResvMap:
        """Return what both maps have."""
        both = ResvMap()
        for i in range(len(self.starts)):
            both.add_all(other, self.starts[i], self.ends[i])
        return both

    def nth(self, number: int) -> int:
        """Return the index that `number` others of the map precede; LAST_INDEX: there is none."""
        for i in range(len(self.starts)):
            if number < self.ends[i] - self.starts[i]:
                return self.starts[i] + number
            number -= self.ends[i] - self.starts[i]
        return LAST_INDEX

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
        # Those of them that have pages.
        self.pages: ResvMap = ResvMap()
        # It has a name, so that closing it does not end it; and how often it is open.
        self.linked: bool = False
        self.opens: int = 1


@final
@mypyc_attr(native_class=True)
class HugetlbVma:
    """The private pages of a VMA and of those split off it, by offset into the file."""

    def __init__(self, owner: bool) -> None:
        # HPAGE_RESV_OWNER: a page is reserved for each offset whose reservation is not used up.
        self.owner: bool = owner
        # The offsets whose reservation is used up.
        self.resv_map: ResvMap = ResvMap()
        # The offsets that have a page of the VMAs' own.
        self.pages: ResvMap = ResvMap()
        # The offsets that show a page of the file's, or of the parent's since a fork.
        self.borrowed: ResvMap = ResvMap()

    def wanted(self, found: ResvMap, start: int, end: int, write: bool) -> ResvMap:
        """Return which of `[start, end)` need a page of their own once they are touched.

        found: what the file has, which a read shows.
        """
        wanted = ResvMap()
        wanted.add(start, end)
        wanted.remove_all(self.pages)
        if not write:
            wanted.remove_all(self.borrowed)
            wanted.remove_all(found)
        return wanted

    def drop(self, start: int, end: int) -> int:
        """Unmap `[start, end)`: how many pages the pool has back."""
        self.borrowed.remove(start, end)
        return self.pages.remove(start, end)

    def drop_reserved(self, start: int, end: int, lent: ResvMap) -> int:
        """Unmap `[start, end)`, and reserve it again: how many pages the pool has back.

        lent: the pages that a fork's child shows as well; the pool has those.
        """
        kept = ResvMap()
        kept.add_all(self.pages, start, end)
        kept.remove_all(lent)
        return self.drop(start, end) - self.resv_map.remove_all(kept)


def hugetlb_init(config: KernelConfig, unnamed_dev_ida: Ida) -> list[HState]:
    """Return the pools of a machine, the default size first; the files of each have a device."""
    hstates: list[HState] = []
    for size in sorted(config.hugepages, key=lambda size: size != config.default_hugepagesz):
        nr = config.hugepages[size] + config.overcommit_hugepages.get(size, 0)
        hstates.append(HState(size, nr, get_anon_bdev(unnamed_dev_ida)))
    return hstates


def hstate_sizelog(hstates: list[HState], log: int) -> HState | None:
    """Return the pool of a size given by its logarithm, the default one for 0.

    None: no such size.
    """
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
