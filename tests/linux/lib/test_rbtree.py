# SPDX-License-Identifier: GPL-2.0-or-later
"""Red-black trees against a plain list: order, colours and black height after each change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.linux.lib.rbtree import RbNode, RbRoot, rb_next

# Where a node is inserted, or (negative) which one is removed.
CHANGES = st.lists(st.integers(-40, 60), max_size=120)


def in_order(node: RbNode | None) -> list[RbNode]:
    """All nodes of a subtree."""
    return [] if node is None else [*in_order(node.left), node, *in_order(node.right)]


def black_height(node: RbNode | None) -> int:
    """Black nodes on each way down; fails where ways differ, or a red node has a red child."""
    if node is None:
        return 0
    for child in (node.left, node.right):
        assert child is None or (child.parent is node and not (node.red and child.red))
    left, right = black_height(node.left), black_height(node.right)
    assert left == right
    return left + (not node.red)


def shape(node: RbNode | None) -> str:
    """A subtree in one line: red nodes in small letters."""
    if node is None:
        return ""
    inside = f"{shape(node.left)},{shape(node.right)}"
    name = str(node.owner).lower() if node.red else str(node.owner)
    return name if inside == "," else f"{name}({inside})"


@given(CHANGES)
def test_it_keeps_the_order_and_its_balance(changes: list[int]) -> None:
    root, model = RbRoot(), list[RbNode]()
    for change in changes:
        if change >= 0 or not model:
            at = change % (len(model) + 1)
            node = RbNode(change)
            root.insert_before(node, model[at] if at < len(model) else None)
            model.insert(at, node)
        else:
            root.erase(model.pop(change % len(model)))
        assert in_order(root.node) == model
        assert root.node is None or (root.node.parent is None and not root.node.red)
        black_height(root.node)
    assert [rb_next(node) for node in model] == [*model[1:], None][: len(model)]


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("", "B(A,d(C,E(,f)))"),
        ("A", "D(B(,c),E(,f))"),
        ("D", "B(A,e(C,F))"),
        ("FE", "B(A,D(c,))"),
    ],
)
def test_its_shape(gone: str, expected: str) -> None:
    """Worked out by hand from the rules of rb_insert_color and rb_erase, letters in order."""
    root = RbRoot()
    nodes = {letter: RbNode(letter) for letter in "ABCDEF"}
    for node in nodes.values():
        root.insert_before(node, None)
    for letter in gone:
        root.erase(nodes[letter])
    assert shape(root.node) == expected
