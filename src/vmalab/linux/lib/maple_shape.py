# SPDX-License-Identifier: GPL-2.0-or-later
"""The maple tree as a whole: its root, its nodes, and how they split, share and join.

A B+-tree. All leaves are at one depth and linked to their neighbours; each node knows its parent.
Between two neighbouring leaves lies one bound, `Node.bound` of the left one, kept a second time as
a key of the node where the ways to the two part. Entries never cross a bound: a store that would,
moves it (`set_bound`). A tree of one entry needs no node: it is in `solo`.

Largest gaps are kept in the nodes and computed when a search asks for them: a store only marks the
way from its leaf to the root (`mark_gap`), and stops where it finds the mark of an earlier store.

What may fail (taking nodes from the slab) happens before the first write, in the cursor: the
operations here take their nodes from a list that `nodes_to_split` measured, and cannot fail.
"""

from typing import final

from mypy_extensions import i64

from vmalab.linux.lib.maple_check import check, dump_text
from vmalab.linux.lib.maple_node import (
    FANOUT,
    FREED,
    KEY_MAX,
    MERGE_MAX,
    NODE_MIN,
    ROW,
    UNKNOWN,
    Node,
    split_point,
)
from vmalab.linux.lib.slab import KmemCache


@final
class MapleTree:
    """Ranges of indices, each with an entry, none overlapping (`struct maple_tree`).

    Indices are 0 .. KEY_MAX (2^63 - 1), ranges end-inclusive, entries any object but None. Nodes
    are counted in `cache`, if there is one; `destroy()` gives them back.
    """

    def __init__(self, cache: KmemCache | None = None) -> None:
        self.cache: KmemCache | None = cache
        self.root: Node | None = None
        # The leaf that was found last, if it is there still: the next index is often near.
        self.finger: Node | None = None
        # The only entry of a tree without nodes, or None.
        self.solo: object | None = None
        self.solo_first: i64 = 0
        self.solo_last: i64 = 0
        # Grows with each store that changes the tree but for replacing an entry by another in the
        # very same range: a cursor with another number walks again.
        self.seq: i64 = 0
        # Nodes in the tree; those that cursors hold for later are not among them.
        self.nr_nodes: i64 = 0
        # The plan of the store under way, see maple_write: its number; the slot after the last one
        # overlapped; whether something remains of the first one before the range, of the last one
        # behind it; whether entries of the next leaf overlap; whether the entry goes behind the
        # leaf before.
        self.wr_plan: i64 = 0
        self.wr_end: i64 = 0
        self.wr_left: bool = False
        self.wr_right: bool = False
        self.wr_spans: bool = False
        self.wr_appends: bool = False

    def empty(self) -> bool:
        """Say whether there is no entry at all (`mtree_empty`)."""
        return self.root is None and self.solo is None

    def alloc_node(self) -> Node | None:
        """Take a node from the slab; None for -ENOMEM."""
        cache = self.cache
        if cache is not None and not cache.alloc():
            return None
        return Node()

    def free_node(self, node: Node | None = None) -> None:
        """Count a node as given back, one of the tree or a spare; its owner forgets the object."""
        cache = self.cache
        if cache is not None:
            cache.free(node)

    def take(self, nodes: list[Node], is_leaf: bool) -> Node:
        """Move one of `nodes` into the tree."""
        node = nodes.pop()
        node.is_leaf = is_leaf
        self.nr_nodes += 1
        return node

    def release(self, node: Node) -> None:
        """Give a node of the tree back; nothing in the tree may refer to it any more."""
        if node is self.finger:
            self.finger = None
        node.nr = FREED
        node.parent = None
        node.prev = None
        node.next = None
        node.slots.clear()
        node.child.clear()
        self.nr_nodes -= 1
        self.free_node(node)

    def leaf_of(self, index: i64) -> Node | None:
        """Return the leaf to which `index` belongs, None in a tree without nodes. O(log n)."""
        leaf = self.finger
        if leaf is not None and leaf.keys[ROW] <= index <= leaf.bound:
            return leaf
        node = self.root
        if node is None:
            return None
        while not node.is_leaf:
            node = node.child[node.search(index)]
        self.finger = node
        return node

    def last_leaf(self, node: Node) -> Node:
        """Return the rightmost leaf below `node`. O(log n)."""
        while not node.is_leaf:
            node = node.child[node.nr - 1]
        return node

    def mark_gap(self, leaf: Node) -> None:
        """Note that the gaps before the entries of `leaf` have changed."""
        if leaf.gap == UNKNOWN:
            return
        leaf.gap = UNKNOWN
        bound = leaf.bound
        node = leaf.parent
        while node is not None:
            node.keys[ROW + node.search(bound)] = UNKNOWN
            if node.gap == UNKNOWN:
                return
            node.gap = UNKNOWN
            node = node.parent

    def set_bound(self, leaf: Node, bound: i64) -> None:
        """Move the bound between `leaf` and the next one, whose entries all lie beyond `bound`."""
        old = leaf.bound
        leaf.bound = bound
        node = leaf.parent
        while node is not None:
            slot = node.search(old)
            if slot < node.nr - 1:
                node.keys[slot] = bound
                return
            node = node.parent

    def nodes_to_split(self, leaf: Node) -> i64:
        """Return how many nodes it takes to split `leaf`: one a full level, one for a new root."""
        count: i64 = 1
        node = leaf.parent
        while node is not None:
            if node.nr < FANOUT:
                return count
            count += 1
            node = node.parent
        return count + 1

    def split(self, leaf: Node, at: i64, nodes: list[Node]) -> None:
        """Split an overfull leaf, and what overflows above it; `at` is its newest slot.

        Preconditions: `mark_gap(leaf)` was called; `nodes` has what `nodes_to_split` said.
        """
        node = leaf
        while True:
            keep = split_point(node.nr, at)
            right = self.take(nodes, node.is_leaf)
            node.move_tail(right, node.nr - keep)
            key = node.keys[keep - 1]
            if node.is_leaf:
                self.link_after(node, right)
                right.bound = node.bound
                node.bound = key
            else:
                node.keys[keep - 1] = KEY_MAX
            parent = node.parent
            if parent is None:
                parent = self.grow(node, nodes)
            at = parent.search(key) + 1
            parent.insert_child(at, right, key)
            if parent.nr <= FANOUT:
                return
            node = parent

    def link_after(self, leaf: Node, right: Node) -> None:
        """Put the new leaf `right` into the chain of leaves, after `leaf`."""
        after = leaf.next
        right.prev = leaf
        right.next = after
        leaf.next = right
        if after is not None:
            after.prev = right

    def unlink(self, leaf: Node) -> None:
        """Take `leaf` out of the chain of leaves."""
        prev = leaf.prev
        after = leaf.next
        if prev is not None:
            prev.next = after
        if after is not None:
            after.prev = prev

    def grow(self, old: Node, nodes: list[Node]) -> Node:
        """Put a new root above `old`, the present one, and return it."""
        root = self.take(nodes, False)
        root.nr = 1
        root.keys[ROW] = UNKNOWN
        root.child.append(old)
        old.parent = root
        self.root = root
        return root

    def rebalance(self, node: Node) -> None:
        """Bring a node that lost slots, and the nodes above it, back to what `validate` asks.

        Preconditions: gaps are marked unknown from `node` upward, and from the next leaf if `node`
        is one without entries.
        """
        while node.nr < NODE_MIN:
            parent = node.parent
            if parent is None:
                self.shrink_root(node)
                return
            if parent.nr > 1:
                if node.nr == 0:
                    self.unlink_leaf(node, parent)
                else:
                    kept = self.share(node, parent)
                    if kept.nr < NODE_MIN:
                        node = kept
                        continue
            node = parent

    def shrink_root(self, root: Node) -> None:
        """Drop a root leaf without entries, or a root that has one child only."""
        if root.is_leaf:
            if root.nr == 0:
                self.root = None
                self.release(root)
        elif root.nr == 1:
            child = root.child[0]
            child.parent = None
            self.root = child
            self.release(root)

    def remove_leaf(self, leaf: Node) -> None:
        """Drop a leaf with all its entries.

        Preconditions: it is not the root. The caller marks the gap of the next leaf.
        """
        parent = leaf.parent
        assert parent is not None
        self.unlink_leaf(leaf, parent)
        if parent.nr < NODE_MIN:
            self.rebalance(parent)

    def unlink_leaf(self, leaf: Node, parent: Node) -> None:
        """Drop a leaf; its parent may then have too few children.

        Preconditions: the parent has other children. The caller marks the gap of the next leaf.
        """
        self.mark_gap(leaf)
        slot = parent.search(leaf.bound)
        if slot == parent.nr - 1:
            prev = leaf.prev
            assert prev is not None
            prev.bound = leaf.bound
        parent.remove_child(slot)
        self.unlink(leaf)
        self.release(leaf)

    def share(self, node: Node, parent: Node) -> Node:
        """Join `node` with a sibling, or take slots from it; return the left one of the two."""
        # Some index below the node finds its slot. An inner node here has two children at least.
        slot = parent.search(node.bound if node.is_leaf else node.keys[0])
        if slot == parent.nr - 1:
            slot -= 1
        left = parent.child[slot]
        right = parent.child[slot + 1]
        left.gap = UNKNOWN
        right.gap = UNKNOWN
        parent.keys[ROW + slot] = UNKNOWN
        parent.keys[ROW + slot + 1] = UNKNOWN
        if not left.is_leaf:
            left.keys[left.nr - 1] = parent.keys[slot]
        if left.nr + right.nr <= MERGE_MAX:
            self.join(left, right, parent, slot)
            return left
        half = (left.nr + right.nr) >> 1
        if left.nr > half:
            left.move_tail(right, left.nr - half)
        else:
            left.move_head(right, half - left.nr)
        key = left.keys[half - 1]
        parent.keys[slot] = key
        if left.is_leaf:
            left.bound = key
        else:
            left.keys[half - 1] = KEY_MAX
        return left

    def join(self, left: Node, right: Node, parent: Node, slot: i64) -> None:
        """Move all of `right` to the end of `left`, the child in `slot`, and drop it."""
        left.move_head(right, right.nr)
        parent.keys[slot] = parent.keys[slot + 1]
        parent.remove_child(slot + 1)
        if left.is_leaf:
            left.bound = right.bound
            self.unlink(right)
        self.release(right)

    def dup(self) -> "MapleTree | None":
        """Copy the whole tree, node by node; the entries are shared. O(n).

        Errors: None for -ENOMEM, with nothing leaked. Kernel: `mtree_dup` fills a given tree.
        """
        tree = MapleTree(self.cache)
        count: i64
        for count in range(self.nr_nodes):
            cache = self.cache
            if cache is not None and not cache.alloc():
                for _ in range(count):
                    self.free_node()
                return None
        tree.nr_nodes = self.nr_nodes
        tree.solo = self.solo
        tree.solo_first = self.solo_first
        tree.solo_last = self.solo_last
        root = self.root
        if root is not None:
            tree.root = tree.copy_node(root, None)
        return tree

    def copy_node(self, source: Node, before: Node | None) -> Node:
        """Copy `source` and all below it; `before` is the last leaf that was copied.

        The recursion is as deep as the tree is high.
        """
        node = Node()
        node.is_leaf = source.is_leaf
        node.nr = source.nr
        node.bound = source.bound
        node.gap = source.gap
        node.keys = source.keys[0 : 2 * ROW]
        if source.is_leaf:
            node.slots = source.slots[:]
            node.prev = before
            if before is not None:
                before.next = node
            return node
        for below in source.child:
            child = self.copy_node(below, before)
            child.parent = node
            node.child.append(child)
            before = self.last_leaf(child)
        return node

    def destroy(self) -> None:
        """Drop all entries and give all nodes back (`mtree_destroy`). O(n)."""
        self.seq += 1
        self.solo = None
        root = self.root
        self.root = None
        pending: list[Node] = []
        if root is not None:
            pending.append(root)
        while pending:
            node = pending.pop()
            pending.extend(node.child)
            self.release(node)

    def validate(self) -> None:
        """Check every invariant of the tree; raise AssertionError with the one that does not hold.

        O(n).
        """
        root = self.root
        if root is not None:
            assert self.solo is None, "an entry beside the root: " + self.dump()
            check(root, self.nr_nodes)
            return
        assert self.nr_nodes == 0, "a tree without root counts nodes"
        if self.solo is not None:
            assert 0 <= self.solo_first <= self.solo_last, "the only entry's range is empty"

    def dump(self) -> str:
        """Return the tree as text, a line a node and a line an entry (`mt_dump`)."""
        root = self.root
        if root is not None:
            return dump_text(root)
        if self.solo is not None:
            return f"{self.solo_first:#x}-{self.solo_last:#x}: {self.solo!r}\n"
        return "(empty)\n"
