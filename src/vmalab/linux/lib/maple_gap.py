# SPDX-License-Identifier: GPL-2.0-or-later
"""The search of a maple tree for its lowest or highest gap of a size, within limits.

A search looks at the gap where its limit lies, then at the rest of that leaf, then at the largest
gaps that the nodes above know of their children, going up until one is large enough, and down into
that one. All gaps it meets but the first lie wholly on its side of the limit, so the first that is
large enough is the answer, or shows that there is none within the limits. O(log n), and O(1) for
each node whose largest gap stores have made unknown since.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.lib.maple_node import KEY_MAX, ROW, UNKNOWN, Node
from vmalab.linux.lib.maple_shape import MapleTree

# No index is negative.
NO_GAP: Final = -1


def fits(first: i64, last: i64, size: i64) -> bool:
    """Say whether `first` to `last`, which may be empty, has `size` indices."""
    return first <= last and last - first >= size - 1


def lowest_gap(tree: MapleTree, low: i64, high: i64, size: i64) -> i64:
    """Return the first index of the lowest gap of `size` within `low` to `high`, or NO_GAP.

    Preconditions: 0 <= `low` <= `high`, and `size` > 0 fits between them.
    """
    leaf = tree.leaf_of(low)
    if leaf is None:
        return lowest_gap_solo(tree, low, high, size)
    slot = leaf.search(low)
    if slot == leaf.nr:
        after = leaf.next
        if after is not None:
            leaf = after
            slot = 0
    first = max(low, leaf.gap_first(slot))
    if fits(first, min(high, leaf.gap_last(slot)), size):
        return first
    if leaf.gap == UNKNOWN or leaf.gap >= size:
        first = first_gap_after(leaf, slot, size)
        if first != NO_GAP:
            if not fits(first, high, size):
                return NO_GAP
            return first
    first = lowest_gap_above(tree, leaf, size)
    if first == NO_GAP or not fits(first, high, size):
        return NO_GAP
    return first


def lowest_gap_solo(tree: MapleTree, low: i64, high: i64, size: i64) -> i64:
    """Do as `lowest_gap` does in a tree without nodes."""
    if tree.solo is None or fits(low, min(high, tree.solo_first - 1), size):
        return low
    if tree.solo_last >= high:
        return NO_GAP
    first = max(low, tree.solo_last + 1)
    return first if fits(first, high, size) else NO_GAP


def first_gap_after(leaf: Node, slot: i64, size: i64) -> i64:
    """Return the first index of the first gap of `size` behind the entry in `slot`, or NO_GAP."""
    keys = leaf.keys
    for at in range(slot + 1, leaf.nr):
        if keys[ROW + at] - keys[at - 1] > size:
            return keys[at - 1] + 1
    return NO_GAP


def lowest_gap_above(tree: MapleTree, leaf: Node, size: i64) -> i64:
    """Return the first index of the lowest gap of `size` behind all of `leaf`, or NO_GAP."""
    bound = leaf.bound
    node = leaf
    parent = node.parent
    slot: i64
    while parent is not None:
        for slot in range(parent.search(bound) + 1, parent.nr):
            if parent.child_gap(slot) >= size:
                return lowest_gap_below(parent.child[slot], size)
        node = parent
        parent = node.parent
    # The gap behind the very last entry is nobody's.
    tail = tree.last_leaf(node)
    last = tail.keys[tail.nr - 1]
    if last < KEY_MAX and fits(last + 1, KEY_MAX, size):
        return last + 1
    return NO_GAP


def lowest_gap_below(node: Node, size: i64) -> i64:
    """Return the first index of the lowest gap of `size` below `node`, which has one."""
    slot: i64
    while not node.is_leaf:
        slot = 0
        while node.child_gap(slot) < size:
            slot += 1
        node = node.child[slot]
    first = node.gap_first(0)
    if fits(first, node.gap_last(0), size):
        return first
    return first_gap_after(node, 0, size)


def highest_gap(tree: MapleTree, low: i64, high: i64, size: i64) -> i64:
    """Return the last index of the highest gap of `size` within `low` to `high`, or NO_GAP.

    Preconditions: 0 <= `low` <= `high`, and `size` > 0 fits between them.
    """
    leaf = tree.leaf_of(high)
    if leaf is None:
        return highest_gap_solo(tree, low, high, size)
    slot = leaf.search(high)
    if slot == leaf.nr:
        after = leaf.next
        if after is not None:
            leaf = after
            slot = 0
    last = min(high, leaf.gap_last(slot))
    if fits(max(low, leaf.gap_first(slot)), last, size):
        return last
    found = leaf
    at: i64 = NO_GAP
    if leaf.gap == UNKNOWN or leaf.gap >= size:
        at = last_gap_before(leaf, slot, size)
    if at == NO_GAP:
        below = highest_leaf_below(leaf, size)
        if below is None:
            return NO_GAP
        found = below
        tree.finger = below
        at = last_gap_before(found, found.nr, size)
    last = found.gap_last(at)
    if not fits(max(low, found.gap_first(at)), last, size):
        return NO_GAP
    return last


def highest_gap_solo(tree: MapleTree, low: i64, high: i64, size: i64) -> i64:
    """Do as `highest_gap` does in a tree without nodes."""
    if tree.solo is None:
        return high
    if tree.solo_last < high and fits(max(low, tree.solo_last + 1), high, size):
        return high
    last = min(high, tree.solo_first - 1)
    return last if fits(low, last, size) else NO_GAP


def last_gap_before(leaf: Node, slot: i64, size: i64) -> i64:
    """Return the last slot below `slot` that has a gap of `size` before its entry, or NO_GAP."""
    keys = leaf.keys
    at = slot - 1
    while at > 0:
        if keys[ROW + at] - keys[at - 1] > size:
            return at
        at -= 1
    if at == 0 and fits(leaf.gap_first(0), leaf.gap_last(0), size):
        return 0
    return NO_GAP


def highest_leaf_below(leaf: Node, size: i64) -> Node | None:
    """Return the last leaf before `leaf` that has a gap of `size`."""
    bound = leaf.bound
    node = leaf
    parent = node.parent
    while parent is not None:
        slot = parent.search(bound) - 1
        while slot >= 0:
            if parent.child_gap(slot) >= size:
                node = parent.child[slot]
                while not node.is_leaf:
                    slot = node.nr - 1
                    while node.child_gap(slot) < size:
                        slot -= 1
                    node = node.child[slot]
                return node
            slot -= 1
        node = parent
        parent = node.parent
    return None
