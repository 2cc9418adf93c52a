# SPDX-License-Identifier: GPL-2.0-or-later
"""The page tables of an address space: which pages are there, of what kind, and their markers.

Mirrors the entries that mm/memory.c fills in.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.page import PAGE_SHIFT, PMD_SIZE
from vmalab.linux.lib.maple_tree import MapleTree, Mas
from vmalab.linux.mm.pgtable import Pgtables
from vmalab.linux.mm.pte_bits import PteBits

# Kinds of a page: its own anonymous memory, the shared zero page, the page cache; and the markers
# of a guard region and of a page that a userfaultfd has declared lost.
PTE_ANON: Final = 1
PTE_ZERO: Final = 2
PTE_FILE: Final = 3
PTE_GUARD: Final = 4
PTE_POISON: Final = 5


@final
@mypyc_attr(native_class=True)
class PageTables:
    """The page tables of one mm: ranges of addresses (bytes, half-open) and their pages' kind.

    What is known of pages only as far as calls tell: a caller that does not see every access clears
    `complete`.
    """

    def __init__(self) -> None:
        self.tree: MapleTree = MapleTree(None)
        self.tables: Pgtables = Pgtables()
        # Pages of each kind.
        self.nr_anon: i64 = 0
        self.nr_zero: i64 = 0
        self.nr_file: i64 = 0
        self.nr_guard: i64 = 0
        self.nr_poison: i64 = 0
        # Entries that a userfaultfd protects (_PAGE_UFFD_WP), pages and markers alike; open are
        # pages that became writable all the same while they were not registered for it.
        self.uffd: PteBits = PteBits()
        # Anonymous pages that were another mm's too at a fork, and not written to since: who they
        # belong to is not asked again before (no PageAnonExclusive).
        self.forked: PteBits = PteBits()
        # The most anonymous and file pages that there were before some went.
        self.hiwater_rss: i64 = 0
        # Every page is known; False once VMAs came that somebody else may have touched.
        self.complete: bool = True
        # No fault can have brought more pages than were touched.
        self.exact: bool = True
        # Some anonymous pages are another mm's too, since a fork.
        self.shared: bool = False
        # Pages were declared cold or no longer needed: who knows what became of them.
        self.aged: bool = False

    def count(self, kind: int, pages: i64) -> None:
        """Count pages of a kind that came, or went (negative)."""
        if kind == PTE_ANON:
            self.nr_anon += pages
        elif kind == PTE_FILE:
            self.nr_file += pages
        elif kind == PTE_ZERO:
            self.nr_zero += pages
        elif kind == PTE_GUARD:
            self.nr_guard += pages
        else:
            self.nr_poison += pages

    def uncount(self, start: i64, end: i64) -> bool:
        """Count the pages of `[start, end)` as gone; False when there are none."""
        if self.tree.empty():
            return False
        gone = self.ranges(start, end)
        self.hiwater_rss = max(self.hiwater_rss, self.nr_rss())
        for first, last, kind in gone:
            self.count(kind, (first - last) >> PAGE_SHIFT)
        self.forked.clear(start, end)
        return len(gone) != 0

    def set(self, start: i64, end: i64, kind: int) -> None:
        """Make every page of `[start, end)` one of a kind."""
        self.uncount(start, end)
        self.count(kind, (end - start) >> PAGE_SHIFT)
        self.tables.alloc(start, end)
        mas = Mas(self.tree)
        mas.set_range(start, end - 1)
        mas.store(kind)

    def zap(self, start: i64, end: i64) -> None:
        """Remove the pages, and guard markers, of `[start, end)`."""
        if self.uncount(start, end):
            mas = Mas(self.tree)
            mas.set_range(start, end - 1)
            mas.store(None)

    def unmap(self, start: i64, end: i64, floor: i64, ceiling: i64) -> None:
        """Remove the pages of `[start, end)`, and the tables that no neighbour can be using.

        Those lie in `[floor, ceiling)`, between the VMAs beside it; a `ceiling` of 0 is none.
        """
        self.zap(start, end)
        self.uffd.clear(start, end)
        if self.tables.pud.nr != 0:
            self.tables.free(start, end, floor, ceiling)

    def free_empty_tables(self, start: i64, end: i64) -> None:
        """Free the tables of which every entry lies in `[start, end)`, where no marker is left."""
        position = start
        for first, last, _ in self.ranges(start, end):
            self.tables.free_ptes(position, first & -PMD_SIZE)
            position = (last + PMD_SIZE - 1) & -PMD_SIZE
        self.tables.free_ptes(position, end)

    def nr_rss(self) -> i64:
        """Return the pages that count as resident."""
        return self.nr_anon + self.nr_file

    def inherit(self, parent: PageTables) -> None:
        """Start counting where a fork leaves off, and know no more than the parent did."""
        self.hiwater_rss = self.nr_rss()
        self.complete, self.exact = parent.complete, parent.exact
        self.aged = parent.aged

    def destroy(self) -> None:
        """Remove every page and every table, at the end of an address space."""
        self.tree.destroy()
        self.tables.destroy()
        self.uffd.destroy()
        self.forked.destroy()
        self.nr_anon, self.nr_zero, self.nr_file = 0, 0, 0
        self.nr_guard, self.nr_poison = 0, 0

    def ranges(self, start: i64, end: i64) -> list[tuple[int, int, int]]:
        """(start, end, kind) of the pages in `[start, end)`, lowest first, clipped to it."""
        found: list[tuple[int, int, int]] = []
        mas = Mas(self.tree)
        mas.set(start)
        entry = mas.find(end - 1)
        while entry is not None:
            first = max(mas.index, start)
            last = min(mas.last + 1, end)
            if isinstance(entry, int):
                found.append((first, last, entry))
            entry = mas.find(end - 1)
        return found

    def unmark_pages(self, start: i64, end: i64) -> None:
        """Protect the pages of `[start, end)` no more; markers, where there is none, stay."""
        if not self.uffd.empty():
            for first, last, _ in self.ranges(start, end):
                self.uffd.clear(first, last)

    def zap_kind(self, start: i64, end: i64, kind: int, keep: bool) -> None:
        """Remove from `[start, end)` the pages of a kind, or all but those (`keep`)."""
        if self.tree.empty():
            return
        for first, last, this in self.ranges(start, end):
            if (this == kind) != keep:
                self.uffd.close(first, last)
                self.zap(first, last)

    def move(self, old: i64, new: i64, length: i64) -> None:
        """Move the pages of `[old, old + length)` to `new`, replacing what is there."""
        self.tables.move(old, new, length)
        self.uffd.move(old, new, length)
        if self.tree.empty():
            return
        moved = self.ranges(old, old + length)
        forked = self.forked.ranges(old, old + length)
        self.zap(old, old + length)
        self.zap(new, new + length)
        for first, last, kind in moved:
            self.set(first - old + new, last - old + new, kind)
        for first, last in forked:
            self.forked.set(first - old + new, last - old + new)
