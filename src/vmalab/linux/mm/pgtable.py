# SPDX-License-Identifier: GPL-2.0-or-later
"""Which tables of page-table entries exist: made by faults and moves, freed when unmapping.

Mirrors the allocating and freeing halves of mm/memory.c (v6.18).  Only whether a table is there is
kept, by ranges, so one over a huge range costs no more than one over a page.  A table of the lowest
level covers 2 MiB, of the next 1 GiB, of the third 512 GiB; the root always is there.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.lib.maple_tree import MapleTree, Mas

# log2 of the bytes that one table of each level covers.
PTE_TABLE_SHIFT: Final = 21
PMD_TABLE_SHIFT: Final = 30
PUD_TABLE_SHIFT: Final = 39


@final
@mypyc_attr(native_class=True)
class TableLevel:
    """The tables of one level: ranges of their numbers, and how many there are."""

    def __init__(self, shift: i64) -> None:
        self.shift: i64 = shift
        self.nr: i64 = 0
        # Number of a table (address >> shift) -> True.
        self.tree: MapleTree = MapleTree(None)

    def present(self, first: i64, last: i64) -> list[tuple[int, int]]:
        """(first, last) numbers, both inclusive, of the tables there are from `first` to `last`."""
        found: list[tuple[int, int]] = []
        if self.nr == 0 or first > last:
            return found
        mas = Mas(self.tree)
        mas.set(first)
        while mas.find(last) is not None:
            found.append((max(mas.index, first), min(mas.last, last)))
        return found

    def count(self, first: i64, last: i64) -> i64:
        """Return how many tables there are from number `first` to `last`."""
        total: i64 = 0
        for low, high in self.present(first, last):
            total += high - low + 1
        return total

    def alloc(self, start: i64, end: i64) -> None:
        """Make every table that `[start, end)` (bytes, not empty) needs."""
        first, last = start >> self.shift, (end - 1) >> self.shift
        missing = last - first + 1 - self.count(first, last)
        if missing != 0:
            mas = Mas(self.tree)
            mas.set_range(first, last)
            mas.store(True)
            self.nr += missing

    def free(self, start: i64, end: i64, floor: i64, ceiling: i64) -> None:
        """Free the tables that `[start, end)` overlaps and that lie within `[floor, ceiling)`.

        A `ceiling` of 0 is none.
        """
        if self.nr == 0:
            return
        first, last = start >> self.shift, (end - 1) >> self.shift
        if first << self.shift < floor:
            first += 1
        if ceiling != 0:
            last = min(last, (ceiling >> self.shift) - 1)
        freed = self.count(first, last)
        if freed != 0:
            mas = Mas(self.tree)
            mas.set_range(first, last)
            mas.store(None)
            self.nr -= freed


@final
@mypyc_attr(native_class=True)
class Pgtables:
    """All tables of one mm but its root."""

    def __init__(self) -> None:
        self.pte: TableLevel = TableLevel(PTE_TABLE_SHIFT)
        self.pmd: TableLevel = TableLevel(PMD_TABLE_SHIFT)
        self.pud: TableLevel = TableLevel(PUD_TABLE_SHIFT)

    def alloc(self, start: i64, end: i64) -> None:
        """Make the tables that entries for `[start, end)` (bytes) need."""
        self.pte.alloc(start, end)
        self.pmd.alloc(start, end)
        self.pud.alloc(start, end)

    def free(self, start: i64, end: i64, floor: i64, ceiling: i64) -> None:
        """Free what only `[start, end)` used, which lies alone in `[floor, ceiling)`.

        Kernel: free_pgtables().
        """
        self.pte.free(start, end, floor, ceiling)
        self.pmd.free(start, end, floor, ceiling)
        self.pud.free(start, end, floor, ceiling)

    def free_ptes(self, start: i64, end: i64) -> None:
        """Free the lowest tables of which every entry lies in `[start, end)`."""
        if start < end:
            self.pte.free(start, end, start, end)

    def copy(self, src: Pgtables, start: i64, end: i64) -> None:
        """Make the tables that another mm has for `[start, end)`, as a fork does."""
        for low, high in src.pte.present(start >> PTE_TABLE_SHIFT, (end - 1) >> PTE_TABLE_SHIFT):
            self.alloc(max(low << PTE_TABLE_SHIFT, start), min((high + 1) << PTE_TABLE_SHIFT, end))

    def move(self, old: i64, new: i64, length: i64) -> None:
        """Let entries move from `[old, old + length)` to `new` (bytes).

        A whole lowest table that stays aligned moves itself; else tables are made, and the old ones
        stay until they are unmapped.  Kernel: move_page_tables().
        """
        end = old + length
        aligned = (new - old) & ((1 << PTE_TABLE_SHIFT) - 1) == 0
        for low, high in self.pte.present(old >> PTE_TABLE_SHIFT, (end - 1) >> PTE_TABLE_SHIFT):
            first: i64 = max(low << PTE_TABLE_SHIFT, old)
            last: i64 = min((high + 1) << PTE_TABLE_SHIFT, end)
            if aligned:
                self.free_ptes(first, last)
            self.alloc(first - old + new, last - old + new)

    def nr_tables(self) -> i64:
        """Return how many tables there are, a page each (`mm_pgtables_bytes`)."""
        return self.pte.nr + self.pmd.nr + self.pud.nr

    def destroy(self) -> None:
        """Free every table."""
        for level in (self.pte, self.pmd, self.pud):
            level.tree.destroy()
            level.nr = 0
