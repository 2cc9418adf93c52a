# SPDX-License-Identifier: GPL-2.0-or-later
"""One bit of page-table entries, by ranges: which entries have it, those without a page too."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.lib.maple_tree import MapleTree, Mas


@final
@mypyc_attr(native_class=True)
class PteBits:
    """The entries of one mm that have a bit: ranges of addresses (bytes, half-open)."""

    def __init__(self) -> None:
        self.tree: MapleTree = MapleTree(None)

    def empty(self) -> bool:
        """Tell whether no entry has it."""
        return self.tree.empty()

    def set(self, start: i64, end: i64) -> None:
        """Give it to every entry of `[start, end)`."""
        if start < end:
            mas = Mas(self.tree)
            mas.set_range(start, end - 1)
            mas.store(1)

    def clear(self, start: i64, end: i64) -> None:
        """Take it from every entry of `[start, end)`."""
        if start < end and not self.tree.empty():
            mas = Mas(self.tree)
            mas.set_range(start, end - 1)
            mas.store(None)

    def first(self, start: i64, end: i64) -> i64:
        """The first address in `[start, end)` whose entry has it, or `end`."""
        if start >= end or self.tree.empty():
            return end
        mas = Mas(self.tree)
        mas.set(start)
        return end if mas.find(end - 1) is None else max(mas.index, start)

    def ranges(self, start: i64, end: i64) -> list[tuple[int, int]]:
        """(start, end) of the entries in `[start, end)` that have it, lowest first, clipped."""
        found: list[tuple[int, int]] = []
        mas = Mas(self.tree)
        mas.set(start)
        while mas.find(end - 1) is not None:
            found.append((max(mas.index, start), min(mas.last + 1, end)))
        return found

    def move(self, old: i64, new: i64, length: i64) -> None:
        """Let the entries from `new` on have it as those of `[old, old + length)` had."""
        if self.tree.empty():
            return
        moved = self.ranges(old, old + length)
        self.clear(old, old + length)
        self.clear(new, new + length)
        for first, last in moved:
            self.set(first - old + new, last - old + new)

    def destroy(self) -> None:
        """Take it from all."""
        self.tree.destroy()
