# SPDX-License-Identifier: GPL-2.0-or-later
"""The XArray: an entry for each index, entries over aligned powers of two of indices, and marks.

Mirrors: lib/xarray.c, include/linux/xarray.h (names and meaning).  A tree of nodes with 64 slots;
an index's digits to the base of 64 say the way.  Indices are i64 and not negative; an entry is any
object but None.

An entry of order n stands at 2^n indices from a multiple of that on (`XA_STATE_ORDER`): it fills
one slot of a higher node, or several: then the first, its canonical one, holds it, and its siblings
lead there.  Storing to any of its indices replaces the whole entry; `split` makes smaller ones of
it first.  A mark is a bit of an entry, and of every node above one that has it, so a search for
marked entries passes over all others.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.lib.xa_node import (
    XA_CHUNK_MASK,
    XA_CHUNK_SHIFT,
    XA_CHUNK_SIZE,
    XA_MAX_MARKS,
    XaNode,
    XaSibling,
    check_node,
    shift_left,
    span,
)

XA_MARK_0: Final = 0
XA_MARK_1: Final = 1
XA_MARK_2: Final = 2
# No mark: any entry that is there (`XA_PRESENT`).
XA_PRESENT: Final = -1
XA_MAX_INDEX: Final = 0x7FFFFFFFFFFFFFFF
# What searches answer that find nothing.
XA_NONE: Final = -1
# By canonical slot, what the others of an entry hold: the same in every array.
SIBLINGS: Final = [XaSibling(slot) for slot in range(XA_CHUNK_SIZE)]
# Ten digits and three bits: the tallest tree's root has this shift.
MAX_SHIFT: Final = 60


@final
@mypyc_attr(native_class=True)
class XArray:
    """Entries by index (`struct xarray`)."""

    def __init__(self) -> None:
        self.head: XaNode | None = None
        # Where `seek` stands.
        self.node: XaNode | None = None
        self.offset: i64 = 0

    # Looking.

    def empty(self) -> bool:
        """Tell whether there is no entry (`xa_empty`)."""
        return self.head is None

    def seek(self, index: i64) -> object | None:
        """Stand on the canonical slot of an index and answer its entry; None: there is none.

        O(digits).  Without an entry it stands on the empty slot that is closest to the index.
        """
        node = self.head
        self.node = node
        self.offset = 0
        if node is None or index >> node.shift >= XA_CHUNK_SIZE:
            self.node = None
            return None
        while True:
            offset = index >> node.shift & XA_CHUNK_MASK
            entry = node.slots[offset]
            if isinstance(entry, XaNode):
                node = entry
                continue
            if isinstance(entry, XaSibling):
                offset = entry.offset
                entry = node.slots[offset]
            self.node = node
            self.offset = offset
            return entry

    def load(self, index: i64) -> object | None:
        """Return the entry at an index (`xa_load`)."""
        return self.seek(index)

    def get_order(self, index: i64) -> i64:
        """The order of the entry at an index, 0 also where there is none (`xa_get_order`)."""
        if self.seek(index) is None or self.node is None:
            return 0
        order = self.node.shift
        width = span(self.node, self.offset)
        while width > 1:
            order += 1
            width >>= 1
        return order

    def first_of(self, index: i64) -> i64:
        """Return the first index of the entry at an index; the index itself where there is none."""
        return index >> self.get_order(index) << self.get_order(index)

    def last_of(self, index: i64) -> i64:
        """Return the last index of the entry at an index; the index itself where there is none."""
        order = self.get_order(index)
        return index | shift_left(1, order) - 1

    def find(self, start: i64, last: i64, mark: int = XA_PRESENT) -> i64:
        """Return the first index of `[start, last]` that has an entry with a mark, or XA_NONE.

        O(digits), for any number of indices in between (`xa_find`).
        """
        node = self.head
        if node is None or start < 0 or start >> node.shift >= XA_CHUNK_SIZE:
            return XA_NONE
        at = start
        while at <= last:
            offset = at >> node.shift & XA_CHUNK_MASK
            entry = node.slots[offset]
            canonical = entry.offset if isinstance(entry, XaSibling) else offset
            wanted = entry is not None
            if mark >= 0:
                wanted = node.marks[mark] >> int(canonical) & 1 != 0
            if wanted and isinstance(entry, XaNode):
                node = entry
                continue
            if wanted:
                return at
            # On to the next slot, and up from behind a node's last one.
            at = (at >> node.shift) + 1 << node.shift
            while at >> node.shift & XA_CHUNK_MASK == 0:
                parent = node.parent
                if parent is None or at < 0:
                    return XA_NONE
                node = parent
        return XA_NONE

    # Changing.

    def store(self, index: i64, entry: object | None) -> object | None:
        """Store at an index, or at all of those that its entry has: the old one (`xa_store`)."""
        old = self.seek(index)
        node = self.node
        if old is not None and node is not None:
            offset = self.offset
            if entry is None:
                self.clear_slots(node, offset, span(node, offset))
                self.prune(node)
            else:
                node.slots[offset] = entry
        elif entry is not None:
            self.store_order(index, 0, entry)
        return old

    def insert(self, index: i64, entry: object) -> bool:
        """Store where nothing is; False when something is (`xa_insert`'s -EBUSY)."""
        if self.seek(index) is not None:
            return False
        self.store_order(index, 0, entry)
        return True

    def erase(self, index: i64) -> object | None:
        """Remove the entry of an index, from all its indices: it (`xa_erase`)."""
        return self.store(index, None)

    def store_order(self, index: i64, order: i64, entry: object) -> None:
        """Store over the 2^order indices around `index`, in the place of all that was there.

        The entry has every mark that any of those had.  A larger entry that holds them goes as a
        whole.  Kernel: xas_squash_marks().
        """
        first = index >> order << order
        last = first + shift_left(1, order) - 1
        shift = order // XA_CHUNK_SHIFT * XA_CHUNK_SHIFT
        marks = [self.find(first, last, mark) != XA_NONE for mark in range(XA_MAX_MARKS)]
        if self.seek(first) is not None and self.get_order(first) > order:
            self.erase(first)
        node = self.descend(first, shift)
        offset = first >> shift & XA_CHUNK_MASK
        width = shift_left(1, order - shift)
        for slot in range(offset, offset + width):
            # An entry that is smaller than this one may reach over its slots' end: never, both are
            # aligned. One that is there goes; so does what is below a node.
            if node.slots[slot] is None:
                node.count += 1
            node.slots[slot] = SIBLINGS[offset]
            self.clear_marks(node, slot)
        node.slots[offset] = entry
        for mark in range(XA_MAX_MARKS):
            if marks[mark]:
                self.set_mark(first, mark)

    def descend(self, index: i64, shift: i64) -> XaNode:
        """Return the node of a shift on the way to an index, made with all above it if need be."""
        node = self.head
        if node is None:
            node = XaNode(None, 0, max(shift, top_shift(index)))
            self.head = node
        while node.shift < shift or index >> node.shift >= XA_CHUNK_SIZE:
            above = XaNode(None, 0, node.shift + XA_CHUNK_SHIFT)
            above.slots[0] = node
            above.count = 1
            for mark in range(XA_MAX_MARKS):
                above.marks[mark] = 1 if node.marks[mark] != 0 else 0
            node.parent = above
            self.head = above
            node = above
        while node.shift > shift:
            offset = index >> node.shift & XA_CHUNK_MASK
            below = node.slots[offset]
            if not isinstance(below, XaNode):
                assert below is None, "xarray: an entry is in the way of a smaller one"
                below = XaNode(node, offset, node.shift - XA_CHUNK_SHIFT)
                node.slots[offset] = below
                node.count += 1
            node = below
        return node

    def clear_slots(self, node: XaNode, offset: i64, width: i64) -> None:
        """Empty slots of a node that are all in use."""
        for slot in range(offset, offset + width):
            node.slots[slot] = None
            self.clear_marks(node, slot)
        node.count -= width

    def clear_marks(self, node: XaNode, slot: i64) -> None:
        """Take every mark off a slot."""
        for mark in range(XA_MAX_MARKS):
            if node.marks[mark] >> int(slot) & 1 != 0:
                self.clear_mark_up(node, slot, mark)

    def prune(self, node: XaNode) -> None:
        """Drop nodes that became empty."""
        at: XaNode | None = node
        while at is not None and at.count == 0:
            parent = at.parent
            if parent is None:
                self.head = None
            else:
                self.clear_slots(parent, at.offset, 1)
            at = parent
        self.shrink()

    def shrink(self) -> None:
        """Drop roots that are no more than a way to their first slot (`xas_shrink`)."""
        head = self.head
        while head is not None and head.count == 1:
            only = head.slots[0]
            if not isinstance(only, XaNode):
                break
            only.parent = None
            self.head = only
            head = only

    def split(self, index: i64, order: i64) -> None:
        """Make entries of a lower order of the one at an index, with its marks (`xas_split`)."""
        entry = self.seek(index)
        node = self.node
        old = self.get_order(index)
        if entry is None or node is None or order >= old:
            return
        marks = [self.get_mark(index, mark) for mark in range(XA_MAX_MARKS)]
        first = index >> old << old
        self.clear_slots(node, self.offset, span(node, self.offset))
        at = first
        while at < first + shift_left(1, old):
            self.store_order(at, order, entry)
            for mark in range(XA_MAX_MARKS):
                if marks[mark]:
                    self.set_mark(at, mark)
            at += shift_left(1, order)
        self.shrink()

    def split_at(self, index: i64) -> None:
        """Make sure that an entry begins at an index if one covers it and the index before."""
        while index > 0 and self.first_of(index) < index and self.load(index) is not None:
            self.split(index, self.get_order(index) - 1)

    def store_range(self, first: i64, last: i64, entry: object) -> None:
        """Store one entry at every index of `[first, last]`, in as few pieces as alignment allows.

        Larger entries that reach beyond the range are split there, unlike in `xa_store_range`.
        """
        self.split_at(first)
        self.split_at(last + 1)
        at = first
        while at <= last:
            order: i64 = 0
            size: i64 = 1
            # Twice as many while the place is aligned for them and they fit.
            while order < MAX_SHIFT and at & size == 0 and at + 2 * size - 1 <= last:
                order += 1
                size *= 2
            self.store_order(at, order, entry)
            at += size

    def erase_range(self, first: i64, last: i64) -> None:
        """Remove the entries of `[first, last]`; those that reach beyond it are split there."""
        self.split_at(first)
        if last < XA_MAX_INDEX:
            self.split_at(last + 1)
        at = self.find(first, last)
        while at != XA_NONE:
            self.erase(at)
            at = self.find(at, last)

    def destroy(self) -> None:
        """Remove everything (`xa_destroy`)."""
        self.head = None
        self.node = None

    # Marks.

    def get_mark(self, index: i64, mark: int) -> bool:
        """Tell whether the entry at an index has a mark (`xa_get_mark`)."""
        if self.seek(index) is None or self.node is None:
            return False
        return self.node.marks[mark] >> int(self.offset) & 1 != 0

    def set_mark(self, index: i64, mark: int) -> None:
        """Mark the entry at an index; nothing where there is none (`xa_set_mark`)."""
        if self.seek(index) is None:
            return
        node = self.node
        offset = self.offset
        while node is not None:
            bit = 1 << int(offset)
            if node.marks[mark] & bit != 0:
                return
            node.marks[mark] |= bit
            offset = node.offset
            node = node.parent

    def clear_mark(self, index: i64, mark: int) -> None:
        """Take a mark off the entry at an index (`xa_clear_mark`)."""
        if self.seek(index) is not None and self.node is not None:
            self.clear_mark_up(self.node, self.offset, mark)

    def clear_mark_up(self, node: XaNode, offset: i64, mark: int) -> None:
        """Take a mark off a slot, and off the nodes above that have no other one."""
        at: XaNode | None = node
        while at is not None:
            at.marks[mark] &= ~(1 << int(offset))
            if at.marks[mark] != 0:
                return
            offset = at.offset
            at = at.parent

    def marked(self, mark: int) -> bool:
        """Tell whether any entry has a mark (`xa_marked`)."""
        return self.head is not None and self.head.marks[mark] != 0

    # Checking.

    def validate(self) -> None:
        """Assert every invariant: shifts, parents, counts, siblings, marks, no needless node."""
        head = self.head
        if head is None:
            return
        assert head.parent is None, "xarray: the root has a parent"
        needless = head.count == 1 and isinstance(head.slots[0], XaNode)
        assert not needless, "xarray: the root is only a way to its first slot"
        todo = [head]
        while todo:
            node = todo.pop()
            check_node(node)
            for below in node.slots:
                if isinstance(below, XaNode):
                    todo.append(below)


def top_shift(index: i64) -> i64:
    """Return the shift of the smallest root that reaches an index."""
    shift: i64 = 0
    while index >> shift >= XA_CHUNK_SIZE:
        shift += XA_CHUNK_SHIFT
    return shift
