# SPDX-License-Identifier: GPL-2.0-or-later
"""What a store does to the leaves of a maple tree: planned first, carried out without failing.

A store of `first` to `last` concerns the leaf and slot of the first entry that ends at `first` or
later. `plan()` only looks, `nodes_needed()` says what to take from the slab, and `write_leaf()` and
`write_solo()` cannot fail. In between the tree must not change; the plan is kept in the tree (`wr_`
fields), for a tree has one writer at a time.

Mirrors: the `mas_wr_` functions of lib/maple_tree.c.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.lib.maple_node import FREED, LEAF_MAX, NODE_MIN, ROW, Node
from vmalab.linux.lib.maple_shape import MapleTree

# Answers of `write_leaf()` other than the slot that was written.
MOVED: Final = -1  # slots have moved, or nodes: walk anew
UNCHANGED: Final = -2  # every range is as it was


def plan(
    tree: MapleTree, leaf: Node, slot: i64, first: i64, last: i64, entry: object | None
) -> i64:
    """Find out what the store does to `leaf`; return by how many slots that one grows."""
    keys = leaf.keys
    nr = leaf.nr
    end = slot
    while end < nr and keys[ROW + end] <= last:
        end += 1
    tree.wr_plan += 1
    tree.wr_end = end
    tree.wr_spans = False
    tree.wr_appends = False
    tree.wr_left = False
    tree.wr_right = False
    if end == nr and last > leaf.bound:
        after = leaf.next
        tree.wr_spans = after is not None and after.keys[ROW] <= last
    grows: i64 = 0 if entry is None else 1
    if end == slot:
        if slot == 0 and entry is not None:
            prev = leaf.prev
            tree.wr_appends = prev is not None and prev.bound >= first and prev.nr < LEAF_MAX
        return grows
    if keys[ROW + slot] < first:
        tree.wr_left = True
        grows += 1
    if keys[end - 1] > last:
        tree.wr_right = True
        grows += 1
    return grows - (end - slot)


def nodes_needed(
    tree: MapleTree, leaf: Node | None, slot: i64, first: i64, last: i64, entry: object | None
) -> i64:
    """Plan the store, and return how many nodes it takes at most."""
    if leaf is None:
        return 1 if solo_pieces(tree, first, last, entry) > 1 else 0
    grows = plan(tree, leaf, slot, first, last, entry)
    if leaf.nr + grows <= LEAF_MAX or tree.wr_appends:
        return 0
    return tree.nodes_to_split(leaf)


def write_leaf(
    tree: MapleTree,
    leaf: Node,
    slot: i64,
    first: i64,
    last: i64,
    entry: object | None,
    nodes: list[Node],
) -> i64:
    """Carry out the store that was planned, `leaf` and `slot` being those of the plan.

    Returns: the slot of `leaf` that was written, or the one behind the new gap; or else MOVED or
    UNCHANGED. With `wr_appends` the slot is in the leaf before.
    """
    end = tree.wr_end
    if tree.wr_spans:
        write_spanning(tree, leaf, slot, first, last, entry, nodes)
        return MOVED
    if tree.wr_appends:
        prev = leaf.prev
        assert prev is not None
        leaf = prev
        slot = leaf.nr
        end = slot
    elif entry is None:
        if end == slot:
            return UNCHANGED
    elif end == slot + 1 and leaf.keys[slot] == last and leaf.keys[ROW + slot] == first:
        # Another entry in the very same range: no cursor needs to know.
        leaf.slots[slot] = entry
        return UNCHANGED
    at = replace(tree, leaf, slot, end, first, last, entry)
    tree.mark_gap(leaf)
    if at + 1 >= leaf.nr:
        after = leaf.next
        if after is not None:
            tree.mark_gap(after)
    if reshape(tree, leaf, at, nodes):
        return MOVED
    return at


def replace(
    tree: MapleTree, leaf: Node, slot: i64, end: i64, first: i64, last: i64, entry: object | None
) -> i64:
    """Replace the entries `slot` to `end` - 1 by what remains of them and the new one.

            slot                   end - 1
        |---------|   |----|   |-------------|   |---- ...
              |======== first - last ======|
        |left|                              |right|

    Returns: the slot of the new entry, or the one behind the new gap.
    """
    keys = leaf.keys
    at = slot + 1 if tree.wr_left else slot
    to = at if entry is None else at + 1
    if tree.wr_right:
        rest_last = keys[end - 1]
        rest = leaf.slots[end - 1]
        if to + 1 != end:
            leaf.shift(end, to + 1 - end)
        leaf.set_entry(to, last + 1, rest_last, rest)
    elif to != end:
        leaf.shift(end, to - end)
    if tree.wr_left:
        keys[slot] = first - 1
    if entry is not None:
        leaf.set_entry(at, first, last, entry)
        keep_bounds(tree, leaf, at, first, last)
    return at


def keep_bounds(tree: MapleTree, leaf: Node, slot: i64, first: i64, last: i64) -> None:
    """Move the bounds of `leaf` where the entry in `slot`, `first` to `last`, goes beyond them."""
    if last > leaf.bound:
        tree.set_bound(leaf, last)
    if slot == 0:
        prev = leaf.prev
        if prev is not None and prev.bound >= first:
            tree.set_bound(prev, first - 1)


def reshape(tree: MapleTree, leaf: Node, slot: i64, nodes: list[Node]) -> bool:
    """Bring a leaf written at `slot` back to its proper size; True when slots have moved."""
    if leaf.nr > LEAF_MAX:
        tree.split(leaf, slot, nodes)
        return True
    if leaf.nr < NODE_MIN and (leaf.nr == 0 or leaf.parent is not None):
        tree.rebalance(leaf)
        return True
    return False


def write_spanning(
    tree: MapleTree,
    leaf: Node,
    slot: i64,
    first: i64,
    last: i64,
    entry: object | None,
    nodes: list[Node],
) -> None:
    """Store over a range that overlaps entries of this leaf and of those after it.

    What lies between the first leaf and the last is dropped leaf by leaf; each of them held
    NODE_MIN entries at least, so this costs O(1) for each entry.
    """
    at = slot
    if tree.wr_left:
        leaf.keys[at] = first - 1
        at += 1
    leaf.shift(leaf.nr, at - leaf.nr)
    tree.mark_gap(leaf)
    after = leaf.next
    while after is not None and after.keys[after.nr - 1] <= last:
        tree.remove_leaf(after)
        after = leaf.next
    if after is not None:
        # Its last entry reaches beyond `last`, and so does the one in slot `cut`.
        cut = after.search(last + 1)
        after.shift(cut, -cut)
        if after.keys[ROW] <= last:
            after.keys[ROW] = last + 1
        tree.mark_gap(after)
    if entry is not None:
        leaf.shift(at, 1)
        leaf.set_entry(at, first, last, entry)
        keep_bounds(tree, leaf, at, first, last)
    reshape(tree, leaf, at, nodes)
    # Where the first leaf took from the last one or joined it, that one may be gone.
    if after is not None and after.nr != FREED:
        reshape(tree, after, 0, nodes)


def solo_pieces(tree: MapleTree, first: i64, last: i64, entry: object | None) -> i64:
    """Return how many entries a tree without nodes has after the store."""
    pieces: i64 = 0 if entry is None else 1
    if tree.solo is not None:
        if tree.solo_first < first:
            pieces += 1
        if tree.solo_last > last:
            pieces += 1
    return pieces


def write_solo(
    tree: MapleTree, first: i64, last: i64, entry: object | None, nodes: list[Node]
) -> None:
    """Store in a tree without nodes, which becomes a leaf if it needs to hold several entries."""
    if solo_pieces(tree, first, last, entry) > 1:
        leaf = tree.take(nodes, True)
        leaf.shift(0, 1)
        leaf.set_entry(0, tree.solo_first, tree.solo_last, tree.solo)
        tree.solo = None
        tree.root = leaf
        slot = leaf.search(first)
        plan(tree, leaf, slot, first, last, entry)
        write_leaf(tree, leaf, slot, first, last, entry, nodes)
    elif entry is not None:
        tree.solo = entry
        tree.solo_first = first
        tree.solo_last = last
    elif tree.solo_first < first:
        tree.solo_last = min(tree.solo_last, first - 1)
    elif tree.solo_last > last:
        tree.solo_first = max(tree.solo_first, last + 1)
    else:
        tree.solo = None
