# SPDX-License-Identifier: GPL-2.0-or-later
"""The maple tree's nodes: when they come and go, bounds, copies, and what `validate` finds."""

from collections.abc import Callable, Iterator

import pytest

from vmalab.linux.lib.maple_node import LEAF_MAX, ROW, Node
from vmalab.linux.lib.maple_tree import (
    KEY_MAX,
    MapleTree,
    Mas,
    mtree_dup,
    mtree_load,
    mtree_store_range,
)
from vmalab.linux.lib.slab import FailNth, KmemCache

Range = tuple[int, int, object]


@pytest.fixture
def cache() -> KmemCache:
    return KmemCache("maple_node")


@pytest.fixture
def tree(cache: KmemCache) -> Iterator[MapleTree]:
    """An empty tree; when the test is over it must be sound, and leak no node."""
    tree = MapleTree(cache)
    yield tree
    tree.validate()
    assert cache.nr_active == tree.nr_nodes
    tree.destroy()
    assert cache.nr_active == 0


def entries(tree: MapleTree) -> list[Range]:
    """All entries with their ranges, in order."""
    mas = Mas(tree)
    found: list[Range] = []
    entry = mas.find(KEY_MAX)
    while entry is not None:
        found.append((mas.index, mas.last, entry))
        entry = mas.next(KEY_MAX)
    return found


def fill(tree: MapleTree, count: int) -> None:
    """Store entry number i over [10 i, 10 i + 4], for `count` of them."""
    for number in range(count):
        assert mtree_store_range(tree, 10 * number, 10 * number + 4, number) == 0


def leaves(tree: MapleTree) -> list[Node]:
    """The tree's leaves in order."""
    leaf = tree.leaf_of(0)
    found = []
    while leaf is not None:
        found.append(leaf)
        leaf = leaf.next
    return found


# Nodes


def test_tree_of_one_entry_needs_no_node(tree: MapleTree, cache: KmemCache) -> None:
    mtree_store_range(tree, 20, 39, "a")
    mtree_store_range(tree, 10, 49, "b")
    mtree_store_range(tree, 0, 19, None)
    mtree_store_range(tree, 30, 60, None)
    assert entries(tree) == [(20, 29, "b")]
    assert (cache.nr_allocs, tree.nr_nodes) == (0, 0)


def test_tree_that_lost_all_entries_has_no_node(tree: MapleTree, cache: KmemCache) -> None:
    fill(tree, 2000)
    assert tree.nr_nodes > 2000 // LEAF_MAX
    assert mtree_store_range(tree, 0, 30000, None) == 0
    assert tree.empty()
    assert (cache.nr_active, tree.nr_nodes) == (0, 0)


@pytest.mark.parametrize("descending", [False, True])
def test_entries_added_at_one_end_leave_nodes_well_filled(
    tree: MapleTree, descending: bool
) -> None:
    numbers = range(3000)
    for number in reversed(numbers) if descending else numbers:
        mtree_store_range(tree, 10 * number, 10 * number + 4, number)
    assert 3000 / tree.nr_nodes > 0.7 * LEAF_MAX


@pytest.mark.parametrize("grow", [1, 5, 9])
def test_entry_that_grows_over_a_bound_is_found(tree: MapleTree, grow: int) -> None:
    """The last entry of each leaf grows up, then the first one of each leaf down."""
    fill(tree, 300)
    for leaf in leaves(tree)[:-1]:
        first, entry = leaf.keys[ROW + leaf.nr - 1], leaf.slots[-1]
        last = leaf.keys[leaf.nr - 1]
        mtree_store_range(tree, first, last + grow, entry)
        tree.validate()
        assert [mtree_load(tree, index) for index in (first, last + grow)] == [entry, entry]
    fill(tree, 300)
    for leaf in leaves(tree)[1:]:
        first, last, entry = leaf.keys[ROW], leaf.keys[0], leaf.slots[0]
        mtree_store_range(tree, first - grow, last, entry)
        tree.validate()
        assert [mtree_load(tree, index) for index in (first - grow, last)] == [entry, entry]


@pytest.mark.parametrize("count", [40, 400, 2000])
@pytest.mark.parametrize("entry", ["new", None])
def test_store_may_span_any_part_of_the_tree(
    tree: MapleTree, cache: KmemCache, count: int, entry: object
) -> None:
    fill(tree, count)
    step = max(1, count // 8)
    for low in range(0, count, step):
        for high in range(low, count, step):
            copy = tree.dup()
            assert copy is not None
            first, last = 10 * low + 2, 10 * high + 12
            mtree_store_range(copy, first, last, entry)
            copy.validate()
            whole: list[Range] = [(10 * i, 10 * i + 4, i) for i in range(count)]
            expected = whole[:low]
            expected.append((first - 2, first - 1, low))
            if entry is not None:
                expected.append((first, last, entry))
            if high + 1 < count:
                expected.append((last + 1, last + 2, high + 1))
            assert entries(copy) == expected + whole[high + 2 :]
            copy.destroy()


# Copies


@pytest.mark.parametrize("count", [0, 1, 2, LEAF_MAX, LEAF_MAX + 1, 700, 2000])
def test_dup_shares_entries_and_nothing_else(tree: MapleTree, cache: KmemCache, count: int) -> None:
    fill(tree, count)
    before = tree.dump()
    copy = mtree_dup(tree)
    assert copy is not None
    copy.validate()
    assert (copy.dump(), copy.nr_nodes) == (before, tree.nr_nodes)
    mtree_store_range(copy, 0, 100, "other")
    assert tree.dump() == before
    copy.destroy()
    assert cache.nr_active == tree.nr_nodes


def test_dup_without_memory_leaks_nothing(tree: MapleTree, cache: KmemCache) -> None:
    fill(tree, 200)
    nr_nodes = tree.nr_nodes
    for nth in range(1, nr_nodes + 1):
        cache.fault = FailNth(nth)
        assert mtree_dup(tree) is None
        assert cache.nr_active == nr_nodes


# What validate finds, and dump


def spoil_bound(leaf: Node) -> None:
    leaf.bound += 1


def spoil_gap(leaf: Node) -> None:
    leaf.gap = 1


def spoil_order(leaf: Node) -> None:
    leaf.keys[1] = leaf.keys[0]


def spoil_count(leaf: Node) -> None:
    leaf.nr -= 1


def spoil_chain(leaf: Node) -> None:
    leaf.next = None


def spoil_parent(leaf: Node) -> None:
    leaf.parent = leaf


def spoil_entry(leaf: Node) -> None:
    leaf.slots[0] = None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_bound, "a leaf's bound is not its parents'"),
        (spoil_gap, "a node's gap is wrong"),
        (spoil_order, "overlap|descend|ends before"),
        (spoil_count, "entries and their number differ"),
        (spoil_chain, "the chain of leaves is broken"),
        (spoil_parent, "a child has another parent"),
        (spoil_entry, "None is stored as an entry"),
    ],
)
def test_validate_names_the_broken_invariant(spoil: Callable[[Node], None], message: str) -> None:
    tree = MapleTree()
    fill(tree, 100)
    tree.validate()
    spoil(leaves(tree)[1])
    with pytest.raises(AssertionError, match=message):
        tree.validate()


def test_validate_recounts_the_nodes() -> None:
    tree = MapleTree()
    fill(tree, 100)
    tree.nr_nodes += 1
    with pytest.raises(AssertionError, match="number of nodes"):
        tree.validate()


def test_dump_shows_ranges_and_gaps() -> None:
    tree = MapleTree()
    assert tree.dump() == "(empty)\n"
    mtree_store_range(tree, 0x1000, 0x1FFF, "a")
    assert tree.dump() == "0x1000-0x1fff: 'a'\n"
    mtree_store_range(tree, 0x3000, 0x3FFF, "b")
    assert tree.dump() == (
        "leaf, 2 entries, up to 0x7fffffffffffffff, gap ?\n"
        "  0x1000-0x1fff: 'a'\n"
        "  0x3000-0x3fff: 'b'\n"
    )
    fill(tree, 60)
    assert tree.dump().startswith("node, ")
