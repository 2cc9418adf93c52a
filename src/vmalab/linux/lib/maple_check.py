# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of all that must hold between the nodes of a maple tree, and the tree as text.

Mirrors: `mt_validate()` and `mt_dump()` of lib/maple_tree.c. For tests and debugging; O(n) each.
"""

from mypy_extensions import i64

from vmalab.linux.lib.maple_node import (
    FANOUT,
    KEY_MAX,
    LEAF_MAX,
    NODE_MIN,
    ROW,
    UNKNOWN,
    Node,
)


def check(root: Node, nr_nodes: i64) -> None:
    """Raise AssertionError, naming the invariant that does not hold below `root`.

    `nr_nodes` is the number of nodes that the tree thinks it has.
    """
    # The root is nobody's child; a root that is no leaf has two children at least, else its only
    # child would be the root; a leaf without entries would be no root.
    assert root.parent is None, failed(root, "the root has a parent")
    assert root.nr >= (1 if root.is_leaf else 2), failed(root, "the root should have been dropped")
    nodes: list[Node] = []
    leaves: list[Node] = []
    bounds: list[i64] = []
    depths: list[i64] = []
    collect(root, KEY_MAX, 0, nodes, leaves, bounds, depths)
    # Every node counts once: the slab's figures prove leaks only if this one is right.
    assert len(nodes) == nr_nodes, failed(root, "the number of nodes is wrong")
    # A search costs the same everywhere.
    assert min(depths) == max(depths), failed(root, "the leaves are not all at one depth")
    check_chain(root, leaves, bounds)
    for node in nodes:
        check_slots(root, node)
        check_gap(root, node)


def collect(
    node: Node,
    bound: i64,
    depth: i64,
    nodes: list[Node],
    leaves: list[Node],
    bounds: list[i64],
    depths: list[i64],
) -> None:
    """Note all nodes below `node`, and for each leaf its bound as the nodes above it have it."""
    nodes.append(node)
    if node.is_leaf:
        leaves.append(node)
        bounds.append(bound)
        depths.append(depth)
        return
    assert node.nr == len(node.child), failed(node, "children and their number differ")
    assert not node.slots, failed(node, "an inner node holds entries")
    for slot in range(len(node.child)):
        child = node.child[slot]
        # The way up is the way down, backwards.
        assert child.parent is node, failed(node, "a child has another parent")
        key = node.keys[slot] if slot < len(node.child) - 1 else bound
        assert key <= bound, failed(node, "a child reaches beyond its parent")
        collect(child, key, depth + 1, nodes, leaves, bounds, depths)


def check_chain(root: Node, leaves: list[Node], bounds: list[i64]) -> None:
    """Check the chain of leaves, and that entries ascend and stay within their leaf's bounds."""
    prev: Node | None = None
    after: i64 = -1  # the largest index that is taken, or belongs to an earlier leaf
    for number, leaf in enumerate(leaves):
        # The chain visits the leaves in the order of the tree.
        assert leaf.prev is prev, failed(root, "the chain of leaves is broken")
        assert prev is None or prev.next is leaf, failed(root, "the chain of leaves is broken")
        # A leaf's own note of its bound is the key above, or a store would miss it.
        assert leaf.bound == bounds[number], failed(root, "a leaf's bound is not its parents'")
        for slot in range(leaf.nr):
            first, last = leaf.keys[ROW + slot], leaf.keys[slot]
            assert first > after, failed(root, "entries overlap, or one begins below its leaf")
            assert first <= last, failed(root, "an entry ends before it begins")
            after = last
        assert after <= leaf.bound, failed(root, "an entry ends beyond its leaf")
        after = leaf.bound
        prev = leaf
    assert prev is not None
    assert prev.next is None, failed(root, "the chain of leaves goes on behind the last")


def check_slots(root: Node, node: Node) -> None:
    """Check the slots of one node: how many, ascending, and free ones so that searches work."""
    # No node is overfull, and only the root may be nearly empty: so the tree stays flat.
    assert node.nr <= (LEAF_MAX if node.is_leaf else FANOUT), failed(root, "a node is overfull")
    assert node is root or node.nr >= NODE_MIN, failed(root, "a node has too few slots")
    if node.is_leaf:
        assert len(node.slots) == node.nr, failed(root, "entries and their number differ")
        # None is a gap, and gaps have no slots.
        assert None not in node.slots, failed(root, "None is stored as an entry")
        assert not node.child, failed(root, "a leaf has children")
    used = node.nr if node.is_leaf else node.nr - 1
    for slot in range(used):
        assert slot == 0 or node.keys[slot - 1] < node.keys[slot], failed(root, "keys descend")
    # A search compares free slots too: they must be larger than all.
    for slot in range(used, ROW):
        assert node.keys[slot] == KEY_MAX, failed(root, "a free slot has a key")


def check_gap(root: Node, node: Node) -> None:
    """Check that a known gap is right, and that above an unknown one all are unknown."""
    if not node.is_leaf:
        for slot in range(node.nr):
            kept = node.keys[ROW + slot]
            assert kept in (UNKNOWN, node.child[slot].gap), failed(root, "a child's gap is stale")
            assert kept != UNKNOWN or node.gap == UNKNOWN, failed(root, "a gap hides an unknown")
    assert node.gap in (UNKNOWN, recount_gap(node)), failed(root, "a node's gap is wrong")


def recount_gap(node: Node) -> i64:
    """Return the largest gap below `node` from the entries alone."""
    largest: i64 = 0
    if node.is_leaf:
        for slot in range(node.nr):
            largest = max(largest, node.keys[ROW + slot] - node.gap_first(slot))
        return largest
    for child in node.child:
        largest = max(largest, recount_gap(child))
    return largest


def failed(root: Node, what: str) -> str:
    """Return the message of a failed check, with the tree."""
    return what + "\n" + dump_text(root)


def dump_text(root: Node) -> str:
    """Return the nodes below `root` as text, indented by depth; entries by their repr."""
    lines: list[str] = []
    dump_node(root, "", lines)
    return "".join(lines)


def dump_node(node: Node, indent: str, lines: list[str]) -> None:
    """Append the lines of `node` and of all below it."""
    gap = "?" if node.gap == UNKNOWN else f"{node.gap:#x}"
    if node.is_leaf:
        lines.append(f"{indent}leaf, {node.nr} entries, up to {node.bound:#x}, gap {gap}\n")
        for slot in range(len(node.slots)):
            first, last = node.keys[ROW + slot], node.keys[slot]
            lines.append(f"{indent}  {first:#x}-{last:#x}: {node.slots[slot]!r}\n")
        return
    lines.append(f"{indent}node, {node.nr} children, gap {gap}\n")
    for slot in range(len(node.child)):
        if slot > 0:
            lines.append(f"{indent}  -- {node.keys[slot - 1]:#x} --\n")
        dump_node(node.child[slot], indent + "  ", lines)
