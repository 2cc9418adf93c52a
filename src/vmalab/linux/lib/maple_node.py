# SPDX-License-Identifier: GPL-2.0-or-later
"""One node of the maple tree: its layout, the search in it, and moving slots about.

A node holds two rows of keys in one vec. In a leaf the first row is the last index of each entry,
the second the first index. In an inner node the first row is the upper bound of each child but the
last (whose bound is the node's own), the second the largest gap in each child, or UNKNOWN. Free
slots of the first row hold KEY_MAX, and so does the last child's: the search compares a fixed
number of keys without a branch and needs no count.

A gap belongs to the entry that follows it, wherever its first index lies: the largest gap of a leaf
is the largest one before any of its entries. The gap after the very last entry belongs to nobody.

All ranges here are end-inclusive: `first` to `last`.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

# The largest key. Keys are 0 .. KEY_MAX, so that a difference of two keys fits an i64. A variable
# to the compiler: as a constant it would be an object, converted at each use.
KEY_MAX: Final = i64(9223372036854775807)

# Children of an inner node, tied to the steps of `Node.search()`. A leaf holds one entry fewer, for
# its search must be able to answer "after all of them".
FANOUT: Final = 16
LEAF_MAX: Final = 15
# Slots of a row: a store may overfill a leaf by two before it splits it, an inner node by one.
ROW: Final = 17
# A node other than the root that falls below NODE_MIN slots takes some from its sibling, or becomes
# one with it when both together fill no more than MERGE_MAX: well under full, so that a tree that
# shrinks and grows at one place does not merge and split in turns.
NODE_MIN: Final = 4
MERGE_MAX: Final = 12

# A gap that has to be computed before it is used.
UNKNOWN: Final = -1
# `Node.nr` of a node that was given back.
FREED: Final = -1

# The keys of a node without slots, to be copied.
FREE_ROWS: Final = vec[i64]([KEY_MAX] * (2 * ROW))


def split_point(nr: i64, at: i64) -> i64:
    """Return how many of `nr` slots stay on the left of a split, the newest slot being `at`.

    Where entries are added at one end, the other node is left three quarters full.
    """
    if at >= nr - 2:
        return nr - NODE_MIN
    if at <= 1:
        return NODE_MIN
    return nr >> 1


@final
class Node:
    """A leaf or an inner node (`struct maple_node`).

    Owner: the tree; only the tree and its cursors write to it.
    """

    def __init__(self) -> None:
        self.is_leaf: bool = True
        # Slots in use.
        self.nr: i64 = 0
        # Leaf: the upper bound of the indices that belong here; the next leaf's begin after it.
        self.bound: i64 = KEY_MAX
        # Largest gap below, or UNKNOWN; unknown here means unknown in every node above.
        self.gap: i64 = UNKNOWN
        self.keys: vec[i64] = FREE_ROWS[0 : 2 * ROW]
        # Leaf: the entries; none of them is None. Inner node: the children.
        self.slots: list[object] = []
        self.child: list[Node] = []
        self.parent: Node | None = None
        # Leaf: its neighbours, across parents.
        self.prev: Node | None = None
        self.next: Node | None = None

    def search(self, index: i64) -> i64:
        """Return the first slot whose key is at least `index`; `nr` when a leaf has none. O(1)."""
        keys = self.keys
        # A negative difference, shifted, is all ones: the step is taken, with no branch.
        slot: i64 = 8 & ((keys[7] - index) >> 63)
        slot += 4 & ((keys[slot + 3] - index) >> 63)
        slot += 2 & ((keys[slot + 1] - index) >> 63)
        slot += 1 & ((keys[slot] - index) >> 63)
        return slot

    def gap_first(self, slot: i64) -> i64:
        """Return the first index after the entry before `slot`, 0 when there is none.

        Preconditions: a leaf; that entry does not end at KEY_MAX.
        """
        if slot > 0:
            return self.keys[slot - 1] + 1
        prev = self.prev
        if prev is None:
            return 0
        return prev.keys[prev.nr - 1] + 1

    def gap_last(self, slot: i64) -> i64:
        """Return the last index before the entry in `slot`, KEY_MAX when there is none.

        Preconditions: a leaf; that entry does not begin at 0 (else the result is -1).
        """
        if slot < self.nr:
            return self.keys[ROW + slot] - 1
        return KEY_MAX

    def largest_gap(self) -> i64:
        """Compute the largest gap here and below, and return it; O(1) for each unknown one."""
        keys = self.keys
        largest: i64 = 0
        gap: i64
        slot: i64
        if self.is_leaf:
            largest = keys[ROW] - self.gap_first(0)
            for slot in range(1, self.nr):
                gap = keys[ROW + slot] - keys[slot - 1] - 1
                if gap > largest:
                    largest = gap
        else:
            for slot in range(self.nr):
                gap = self.child_gap(slot)
                if gap > largest:
                    largest = gap
        self.gap = largest
        return largest

    def child_gap(self, slot: i64) -> i64:
        """Return the largest gap of the child in `slot`, computing it when unknown.

        The recursion is as deep as the tree is high.
        """
        gap = self.keys[ROW + slot]
        if gap == UNKNOWN:
            gap = self.child[slot].largest_gap()
            self.keys[ROW + slot] = gap
        return gap

    def shift(self, at: i64, by: i64) -> None:
        """Make room for `by` entries before slot `at`, or drop the `-by` entries before it.

        Preconditions: a leaf. The caller fills the keys and entries of the new slots.
        """
        keys = self.keys
        nr = self.nr
        slot: i64
        if by > 0:
            slot = nr - 1
            while slot >= at:
                keys[slot + by] = keys[slot]
                keys[ROW + slot + by] = keys[ROW + slot]
                slot -= 1
            place: int = at
            room: i64 = 0
            while room < by:
                self.slots.insert(place, None)
                room += 1
        else:
            for slot in range(at, nr):
                keys[slot + by] = keys[slot]
                keys[ROW + slot + by] = keys[ROW + slot]
            for slot in range(nr + by, nr):
                keys[slot] = KEY_MAX
            # Few go at a time: a slice would cost more.
            gone: int = at + by
            while by < 0:
                self.slots.pop(gone)
                by += 1
        self.nr = len(self.slots)

    def set_entry(self, slot: i64, first: i64, last: i64, entry: object) -> None:
        """Write one slot of a leaf that has room for it."""
        keys = self.keys
        keys[slot] = last
        keys[ROW + slot] = first
        self.slots[slot] = entry

    def insert_child(self, at: i64, node: "Node", key: i64) -> None:
        """Put `node` into slot `at`; `key` divides it from the child before it.

        The new child takes over the upper bound that child had.
        Preconditions: an inner node, `at` > 0.
        """
        keys = self.keys
        slot = self.nr - 1
        while slot >= at:
            keys[slot + 1] = keys[slot]
            keys[ROW + slot + 1] = keys[ROW + slot]
            slot -= 1
        keys[at] = keys[at - 1]
        keys[at - 1] = key
        keys[ROW + at] = UNKNOWN
        self.child.insert(at, node)
        self.nr += 1
        node.parent = self

    def remove_child(self, at: i64) -> None:
        """Take the child in slot `at` out; its indices go to the next child, or else to the last.

        Preconditions: an inner node with more than one child.
        """
        keys = self.keys
        nr = self.nr - 1
        slot: i64
        for slot in range(at, nr):
            keys[slot] = keys[slot + 1]
            keys[ROW + slot] = keys[ROW + slot + 1]
        keys[nr] = KEY_MAX
        keys[nr - 1] = KEY_MAX
        self.child.pop(at)
        self.nr = nr

    def move_tail(self, to: "Node", count: i64) -> None:
        """Move the last `count` slots to the front of `to`, the next node of the same level.

        For inner nodes the caller sees to the bound between the two, before and after.
        """
        mine = self.keys
        theirs = to.keys
        base = self.nr - count
        slot = to.nr - 1
        while slot >= 0:
            theirs[slot + count] = theirs[slot]
            theirs[ROW + slot + count] = theirs[ROW + slot]
            slot -= 1
        for slot in range(count):
            theirs[slot] = mine[base + slot]
            theirs[ROW + slot] = mine[ROW + base + slot]
            mine[base + slot] = KEY_MAX
        if self.is_leaf:
            to.slots = self.slots[base:] + to.slots
            del self.slots[base:]
        else:
            for slot in range(base, self.nr):
                self.child[slot].parent = to
            to.child = self.child[base:] + to.child
            del self.child[base:]
        self.nr = base
        to.nr += count

    def move_head(self, source: "Node", count: i64) -> None:
        """Move the first `count` slots of `source`, the next node of the level, to the end here.

        For inner nodes the caller sees to the bound between the two, before and after.
        """
        mine = self.keys
        theirs = source.keys
        base = self.nr
        left = source.nr - count
        slot: i64
        for slot in range(count):
            mine[base + slot] = theirs[slot]
            mine[ROW + base + slot] = theirs[ROW + slot]
        for slot in range(left):
            theirs[slot] = theirs[slot + count]
            theirs[ROW + slot] = theirs[ROW + slot + count]
        for slot in range(left, source.nr):
            theirs[slot] = KEY_MAX
        if self.is_leaf:
            self.slots.extend(source.slots[:count])
            del source.slots[:count]
        else:
            for slot in range(count):
                source.child[slot].parent = self
            self.child.extend(source.child[:count])
            del source.child[:count]
        self.nr = base + count
        source.nr = left
