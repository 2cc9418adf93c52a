# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the entries of a maple tree in order, for who stores nothing in it meanwhile.

Kernel: `mt_for_each`. A cursor (`Mas`) does the same, and more: where it stands, what lies around
it, and that others have stored something in between.
"""

from typing import final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.lib.maple_node import ROW, Node
from vmalab.linux.lib.maple_shape import MapleTree


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Entries:
    """The entries of a tree that end at an index or later, the lowest first."""

    def __init__(self, tree: MapleTree, index: i64) -> None:
        leaf = tree.leaf_of(index)
        # The next entry, or the place behind the last one of its leaf.
        self._leaf: Node | None = leaf
        self._slot: i64 = 0
        # The only entry of a tree without nodes, while it has not been answered.
        self._solo: object | None = None
        self._first: i64 = 0
        if leaf is not None:
            self._slot = leaf.search(index)
        elif tree.solo_last >= index:
            self._solo = tree.solo
            self._first = tree.solo_first

    def next(self, last: i64) -> object | None:
        """Return the next one, if it begins at `last` or before; else None."""
        leaf = self._leaf
        while leaf is not None:
            slot = self._slot
            if slot < leaf.nr:
                if leaf.keys[ROW + slot] > last:
                    return None
                self._slot = slot + 1
                return leaf.slots[slot]
            leaf = leaf.next
            self._leaf = leaf
            self._slot = 0
        solo = self._solo
        if solo is None or self._first > last:
            return None
        self._solo = None
        return solo
