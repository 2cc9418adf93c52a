# SPDX-License-Identifier: GPL-2.0-or-later
"""One bit of page-table entries, by ranges: which entries have it, those without a page too."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.lib.maple_tree import MapleTree, Mas

# What the tree holds for an entry that has the bit, and for one where it is without effect.
BIT: Final = 1
OPEN_BIT: Final = 2


@final
@mypyc_attr(native_class=True)
class PteBits:
    """The entries of one mm that have a bit: ranges of addresses (bytes, half-open).

    Of a bit that forbids something, entries may have it to no effect: those are open.
    """

    def __init__(self) -> None:
        self.tree: MapleTree = MapleTree(None)
        # Some entry has been open since there are any.
        self.any_open: bool = False

    def empty(self) -> bool:
        """Tell whether no entry has it."""
        return self.tree.empty()

    def set(self, start: i64, end: i64) -> None:
        """Give it to every entry of `[start, end)`, with effect."""
        self._store(start, end, BIT)

    def _store(self, start: i64, end: i64, kind: int) -> None:
        if start < end:
            mas = Mas(self.tree)
            mas.set_range(start, end - 1)
            mas.store(kind)

    def clear(self, start: i64, end: i64) -> None:
        """Take it from every entry of `[start, end)`."""
        if start < end and not self.tree.empty():
            mas = Mas(self.tree)
            mas.set_range(start, end - 1)
            mas.store(None)

    def open(self, start: i64, end: i64) -> None:
        """Let it be without effect at every entry of `[start, end)` that has it."""
        if start < end and not self.tree.empty():
            for first, last, _ in self._kinds(start, end):
                self._store(first, last, OPEN_BIT)
                self.any_open = True

    def close(self, start: i64, end: i64) -> None:
        """Let it have its effect at every entry of `[start, end)` that has it."""
        if self.any_open and start < end:
            for first, last, kind in self._kinds(start, end):
                if kind == OPEN_BIT:
                    self._store(first, last, BIT)

    def first(self, start: i64, end: i64) -> i64:
        """Return the first address in `[start, end)` whose entry has it, or `end`."""
        if start >= end or self.tree.empty():
            return end
        mas = Mas(self.tree)
        mas.set(start)
        return end if mas.find(end - 1) is None else max(mas.index, start)

    def first_closed(self, start: i64, end: i64) -> i64:
        """Return the first address in `[start, end)` whose entry has it with effect, or `end`."""
        if not self.any_open:
            return self.first(start, end)
        for first, _, kind in self._kinds(start, end):
            if kind == BIT:
                return first
        return end

    def ranges(self, start: i64, end: i64) -> list[tuple[int, int]]:
        """(start, end) of the entries in `[start, end)` that have it, lowest first, clipped."""
        found: list[tuple[int, int]] = []
        mas = Mas(self.tree)
        mas.set(start)
        while mas.find(end - 1) is not None:
            found.append((max(mas.index, start), min(mas.last + 1, end)))
        return found

    def _kinds(self, start: i64, end: i64) -> list[tuple[int, int, int]]:
        found: list[tuple[int, int, int]] = []
        mas = Mas(self.tree)
        mas.set(start)
        entry = mas.find(end - 1)
        while entry is not None:
            if isinstance(entry, int):
                found.append((max(mas.index, start), min(mas.last + 1, end), entry))
            entry = mas.find(end - 1)
        return found

    def move(self, old: i64, new: i64, length: i64) -> None:
        """Let the entries from `new` on have it as those of `[old, old + length)` had."""
        if self.tree.empty():
            return
        moved = self._kinds(old, old + length)
        self.clear(old, old + length)
        self.clear(new, new + length)
        for first, last, kind in moved:
            self._store(first - old + new, last - old + new, kind)

    def copy(self, other: PteBits, start: i64, end: i64) -> None:
        """Let the entries of `[start, end)` have it as the other mm's do."""
        for first, last, kind in other._kinds(start, end):
            self._store(first, last, kind)
        self.any_open = self.any_open or other.any_open

    def destroy(self) -> None:
        """Take it from all."""
        self.tree.destroy()
