# SPDX-License-Identifier: GPL-2.0-or-later
"""The radix tree's face of the XArray: the older names, for those who still use them.

Mirrors: lib/radix-tree.c, include/linux/radix-tree.h.  Tags are marks.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.uapi.errno import EEXIST
from vmalab.linux.lib.xa_node import XA_MAX_MARKS
from vmalab.linux.lib.xarray import XA_MAX_INDEX, XA_NONE, XA_PRESENT, XArray

RADIX_TREE_MAX_TAGS: Final = XA_MAX_MARKS


@final
@mypyc_attr(native_class=True)
class RadixTree:
    """Items by index (`struct radix_tree_root`)."""

    def __init__(self) -> None:
        self.xa: XArray = XArray()

    def insert(self, index: i64, item: object) -> int:
        """Enter an item where there is none: 0 or -EEXIST (`radix_tree_insert`)."""
        return 0 if self.xa.insert(index, item) else -EEXIST

    def lookup(self, index: i64) -> object | None:
        """Return the item at an index (`radix_tree_lookup`)."""
        return self.xa.load(index)

    def replace(self, index: i64, item: object) -> object | None:
        """Put an item in the place of another, which keeps its tags: the other."""
        return self.xa.store(index, item)

    def delete(self, index: i64) -> object | None:
        """Remove the item at an index: it (`radix_tree_delete`)."""
        return self.xa.erase(index)

    def tag_set(self, index: i64, tag: int) -> None:
        """Tag the item at an index (`radix_tree_tag_set`)."""
        self.xa.set_mark(index, tag)

    def tag_clear(self, index: i64, tag: int) -> None:
        """Take a tag off the item at an index (`radix_tree_tag_clear`)."""
        self.xa.clear_mark(index, tag)

    def tag_get(self, index: i64, tag: int) -> bool:
        """Tell whether the item at an index has a tag (`radix_tree_tag_get`)."""
        return self.xa.get_mark(index, tag)

    def tagged(self, tag: int) -> bool:
        """Tell whether any item has a tag (`radix_tree_tagged`)."""
        return self.xa.marked(tag)

    def empty(self) -> bool:
        """Tell whether there is no item (`radix_tree_empty`)."""
        return self.xa.empty()

    def next_index(self, start: i64, tag: int = XA_PRESENT) -> i64:
        """Return the first index from `start` on with an item (that has the tag), or XA_NONE."""
        return self.xa.find(start, XA_MAX_INDEX, tag)

    def gang_lookup(self, first: i64, max_items: int, tag: int = XA_PRESENT) -> list[object]:
        """Up to `max_items` items from an index on, lowest first (`radix_tree_gang_lookup`)."""
        found: list[object] = []
        at = self.next_index(first, tag)
        while at != XA_NONE and len(found) < max_items:
            item = self.xa.load(at)
            if item is not None:
                found.append(item)
            at = self.next_index(at + 1, tag)
        return found

    def validate(self) -> None:
        """Assert every invariant."""
        self.xa.validate()
