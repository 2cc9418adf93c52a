# SPDX-License-Identifier: GPL-2.0-or-later
"""The interval tree: closed ranges that may overlap, found by a range in O(log n + k).

Mirrors: include/linux/interval_tree_generic.h and mm/interval_tree.c (names and meaning).  A
balanced binary tree by the ranges' first numbers, each node augmented by the largest last number of
its subtree, so that a search leaves out what ends before it.  The kernel's is a red-black tree;
this one keeps the heights of siblings within one of each other (AVL), which needs no colours.

A node's range must not change while it is in a tree: remove it, change it, insert it again.  It
knows nothing of what its ranges are; equal ones stay in the order of insertion.
"""

from typing import final

from mypy_extensions import i64, mypyc_attr


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class IntervalNode:
    """One range `[start, last]`, both ends included, and whose it is (`interval_tree_node`).

    Python's collector does not watch nodes when compiled: taking one out breaks its cycles.
    """

    def __init__(self, start: i64, last: i64, owner: object) -> None:
        self.start: i64 = start
        self.last: i64 = last
        self.owner: object = owner
        # The largest `last` of this node and all below it.
        self.subtree_last: i64 = last
        self.height: i64 = 1
        self.parent: IntervalNode | None = None
        self.left: IntervalNode | None = None
        self.right: IntervalNode | None = None


@final
@mypyc_attr(native_class=True)
class IntervalTree:
    """A set of ranges (`struct rb_root_cached` with interval tree nodes)."""

    def __init__(self) -> None:
        self.root: IntervalNode | None = None
        self.nr_nodes: i64 = 0

    def insert(self, node: IntervalNode) -> None:
        """Enter a node that is in no tree, behind those that start with it.  O(log n)."""
        node.parent = None
        node.left = None
        node.right = None
        node.height = 1
        node.subtree_last = node.last
        self.nr_nodes += 1
        at = self.root
        if at is None:
            self.root = node
            return
        while True:
            if node.last > at.subtree_last:
                at.subtree_last = node.last
            below = at.left if node.start < at.start else at.right
            if below is None:
                break
            at = below
        node.parent = at
        if node.start < at.start:
            at.left = node
        else:
            at.right = node
        self.rebalance(at)

    def remove(self, node: IntervalNode) -> None:
        """Take out a node that is in this tree.  O(log n)."""
        self.nr_nodes -= 1
        left, right = node.left, node.right
        if left is None or right is None:
            parent = node.parent
            self.replace_child(parent, node, right if left is None else left)
            node.parent = None
            self.rebalance(parent)
            return
        # The next node in order takes its place.
        heir = right
        below = heir.left
        while below is not None:
            heir = below
            below = heir.left
        parent = heir.parent
        if parent is node:
            parent = heir
        else:
            self.replace_child(parent, heir, heir.right)
            heir.right = right
            right.parent = heir
        heir.left = left
        left.parent = heir
        self.replace_child(node.parent, node, heir)
        node.parent = None
        # What the nodes above know of this place, until it is computed anew.
        heir.height = node.height
        heir.subtree_last = node.subtree_last
        self.rebalance(parent)
        self.rebalance(heir)

    def holds(self, node: IntervalNode) -> bool:
        """Tell whether a node is in this tree.  O(log n)."""
        top = node
        while top.parent is not None:
            top = top.parent
        return top is self.root

    def replace_child(
        self, parent: IntervalNode | None, old: IntervalNode, new: IntervalNode | None
    ) -> None:
        """Let `new` hang where `old` hung."""
        if new is not None:
            new.parent = parent
        if parent is None:
            self.root = new
        elif parent.left is old:
            parent.left = new
        else:
            parent.right = new

    def rebalance(self, node: IntervalNode | None) -> None:
        """Restore height, balance and largest end from a node up, as far as anything changes."""
        while node is not None:
            tall, last = node.height, node.subtree_last
            tilt = augment(node)
            if -1 <= tilt <= 1:
                if node.height == tall and node.subtree_last == last:
                    return
                node = node.parent
                continue
            if tilt > 1:
                left = node.left
                assert left is not None
                if height(left.left) < height(left.right):
                    self.rotate_left(left)
                top = self.rotate_right(node)
            else:
                right = node.right
                assert right is not None
                if height(right.right) < height(right.left):
                    self.rotate_right(right)
                top = self.rotate_left(node)
            if top.height == tall and top.subtree_last == last:
                return
            node = top.parent

    def rotate_left(self, node: IntervalNode) -> IntervalNode:
        """Let the right child of a node take its place, above the node: that child."""
        up = node.right
        assert up is not None
        node.right = up.left
        if up.left is not None:
            up.left.parent = node
        self.replace_child(node.parent, node, up)
        up.left = node
        node.parent = up
        augment(node)
        augment(up)
        return up

    def rotate_right(self, node: IntervalNode) -> IntervalNode:
        """Let the left child of a node take its place, above the node: that child."""
        up = node.left
        assert up is not None
        node.left = up.right
        if up.right is not None:
            up.right.parent = node
        self.replace_child(node.parent, node, up)
        up.right = node
        node.parent = up
        augment(node)
        augment(up)
        return up

    def iter_first(self, start: i64, last: i64) -> IntervalNode | None:
        """Return the lowest node that has a number of `[start, last]`.  O(log n)."""
        node = self.root
        if node is None or node.subtree_last < start:
            return None
        return subtree_search(node, start, last)

    def iter_next(self, node: IntervalNode, start: i64, last: i64) -> IntervalNode | None:
        """Return the next node after `node` that has a number of `[start, last]`.  O(log n)."""
        at = node
        while True:
            right = at.right
            if right is not None and right.subtree_last >= start:
                return subtree_search(right, start, last)
            # Up, until we come from the left: that node follows in order.
            parent = at.parent
            while parent is not None and parent.right is at:
                at = parent
                parent = at.parent
            if parent is None or parent.start > last:
                return None
            at = parent
            if at.last >= start:
                return at

    def validate(self) -> None:
        """Assert every invariant: order, parents, heights, balance, largest ends, the count."""
        assert self.root is None or self.root.parent is None, "interval tree: the root has a parent"
        seen: i64 = 0
        previous: IntervalNode | None = None
        stack: list[IntervalNode] = []
        node = self.root
        while node is not None or stack:
            while node is not None:
                check_node(node)
                stack.append(node)
                node = node.left
            top = stack.pop()
            seen += 1
            assert previous is None or previous.start <= top.start, "interval tree: out of order"
            previous = top
            node = top.right
        assert seen == self.nr_nodes, f"interval tree: {seen} nodes, {self.nr_nodes} are counted"


def height(node: IntervalNode | None) -> i64:
    """Return the height of a subtree, 0 for none."""
    if node is None:
        return 0
    return node.height


def augment(node: IntervalNode) -> i64:
    """Compute a node's height and largest end from its children's: how much taller the left is."""
    last = node.last
    tall: i64 = 0
    low: i64 = 0
    left = node.left
    if left is not None:
        tall = left.height
        if left.subtree_last > last:
            last = left.subtree_last
    right = node.right
    if right is not None:
        low = right.height
        if right.subtree_last > last:
            last = right.subtree_last
    node.subtree_last = last
    if tall > low:
        node.height = tall + 1
    else:
        node.height = low + 1
    return tall - low


def subtree_search(node: IntervalNode, start: i64, last: i64) -> IntervalNode | None:
    """Return the lowest node of a subtree that has a number of `[start, last]`.

    Preconditions: some range of the subtree ends at `start` or later.
    """
    while True:
        left = node.left
        if left is not None and left.subtree_last >= start:
            # If that one starts behind `last`, so does everything to its right.
            node = left
            continue
        if node.start > last:
            return None
        if node.last >= start:
            return node
        right = node.right
        if right is None or right.subtree_last < start:
            return None
        node = right


def check_node(node: IntervalNode) -> None:
    """Assert what must hold for one node."""
    where = f"interval tree: [{node.start:x}, {node.last:x}]"
    assert node.start <= node.last, f"{where}: reversed"
    largest = node.last
    for child in (node.left, node.right):
        if child is not None:
            assert child.parent is node, f"{where}: a child of another parent"
            largest = max(largest, child.subtree_last)
    assert node.subtree_last == largest, f"{where}: the largest end below it is not {largest:x}"
    tall, low = height(node.left), height(node.right)
    assert -1 <= tall - low <= 1, f"{where}: out of balance"
    assert node.height == 1 + max(tall, low), f"{where}: its height is wrong"
