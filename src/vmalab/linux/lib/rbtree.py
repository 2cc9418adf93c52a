# SPDX-License-Identifier: GPL-2.0-or-later
"""Red-black trees whose shape is the one that Linux's have after the same insertions and removals.

Mirrors lib/rbtree.c (v5.10).  It knows no order: who inserts says before which node.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import mypyc_attr


@final
@mypyc_attr(native_class=True)
class RbNode:
    """struct rb_node, with what it stands for."""

    def __init__(self, owner: object) -> None:
        self.owner: object = owner
        self.parent: RbNode | None = None
        self.left: RbNode | None = None
        self.right: RbNode | None = None
        self.red: bool = True


@final
@mypyc_attr(native_class=True)
class RbRoot:
    """struct rb_root."""

    def __init__(self) -> None:
        self.node: RbNode | None = None

    def insert_before(self, new: RbNode, at: RbNode | None) -> None:
        """Insert a node before another, None: after all (`rb_link_node`, `rb_insert_color`)."""
        if at is not None and at.left is None:
            parent: RbNode | None = at
            at.left = new
        else:
            parent = rightmost(self.node if at is None else at.left)
            if parent is None:
                self.node = new
            else:
                parent.right = new
        new.parent = parent
        self.insert_color(new)

    def insert_color(self, node: RbNode) -> None:
        """Restore the colours above a new red node."""
        parent = node.parent
        while parent is not None and parent.red:
            above = parent.parent
            assert above is not None
            on_left = parent is above.left
            uncle = above.right if on_left else above.left
            if uncle is not None and uncle.red:
                uncle.red = parent.red = False
                above.red = True
                node, parent = above, above.parent
                continue
            if node is (parent.right if on_left else parent.left):
                self.rotate(parent, on_left)
                node, parent = parent, node
            self.rotate(above, not on_left)
            parent.red = False
            above.red = True
            return
        if parent is None:
            node.red = False

    def erase(self, node: RbNode) -> None:
        """Remove a node (`rb_erase`)."""
        short: RbNode | None
        if node.left is not None and node.right is not None:
            short = self.replace_by_next(node, node.left, node.right)
        else:
            child = node.left if node.right is None else node.right
            self.replace_child(node, child)
            short = None
            if child is not None:
                child.red = node.red
            elif not node.red:
                short = node.parent
        if short is not None:
            self.erase_color(short)

    def replace_by_next(self, node: RbNode, left: RbNode, right: RbNode) -> RbNode | None:
        """Put the next node in the place of one: below which a black node is missing now."""
        follower = leftmost(right)
        parent, child = follower, follower.right
        if follower is not right:
            assert follower.parent is not None
            parent = follower.parent
            parent.left = child
            follower.right = right
            right.parent = follower
        follower.left = left
        left.parent = follower
        short = None if child is not None or follower.red else parent
        if child is not None:
            child.parent = parent
            child.red = False
        self.replace_child(node, follower)
        follower.red = node.red
        return short

    def erase_color(self, parent: RbNode) -> None:
        """Restore the colours where the black node below `parent` is missing that had no child."""
        node: RbNode | None = None
        while True:
            on_left = node is not parent.right
            sibling = parent.right if on_left else parent.left
            assert sibling is not None
            if sibling.red:
                self.rotate(parent, on_left)
                sibling.red = False
                parent.red = True
                sibling = parent.right if on_left else parent.left
                assert sibling is not None
            far = sibling.right if on_left else sibling.left
            near = sibling.left if on_left else sibling.right
            if far is None or not far.red:
                if near is None or not near.red:
                    sibling.red = True
                    if not parent.red and parent.parent is not None:
                        node, parent = parent, parent.parent
                        continue
                    parent.red = False
                    return
                self.rotate(sibling, not on_left)
                far, sibling = sibling, near
            self.rotate(parent, on_left)
            sibling.red = parent.red
            parent.red = False
            far.red = False
            return

    def rotate(self, node: RbNode, to_left: bool) -> None:
        """Let a child of a node take its place above it: the right one, or the left one."""
        up = node.right if to_left else node.left
        assert up is not None
        inner = up.left if to_left else up.right
        self.replace_child(node, up)
        if to_left:
            node.right, up.left = inner, node
        else:
            node.left, up.right = inner, node
        if inner is not None:
            inner.parent = node
        node.parent = up

    def replace_child(self, old: RbNode, new: RbNode | None) -> None:
        """Let another node, or nothing, be where one was."""
        parent = old.parent
        if parent is None:
            self.node = new
        elif parent.left is old:
            parent.left = new
        else:
            parent.right = new
        if new is not None:
            new.parent = parent


def rightmost(node: RbNode | None) -> RbNode | None:
    """Return the last node of a subtree."""
    while node is not None and node.right is not None:
        node = node.right
    return node


def leftmost(node: RbNode) -> RbNode:
    """Return the first node of a subtree."""
    while node.left is not None:
        node = node.left
    return node


def rb_next(node: RbNode) -> RbNode | None:
    """Return the node after another, None for the last one."""
    if node.right is not None:
        return leftmost(node.right)
    while node.parent is not None and node is node.parent.right:
        node = node.parent
    return node.parent
