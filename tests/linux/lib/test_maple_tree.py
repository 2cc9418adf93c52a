# SPDX-License-Identifier: GPL-2.0-or-later
"""The maple tree, law by law: stores, failing allocations and gaps.

`test_maple_model.py` compares the same operations with a plain model, at random and in bulk.
"""

from collections.abc import Iterator

import pytest

from vmalab.linux.include.uapi.errno import EBUSY, EEXIST, EINVAL, ENOMEM
from vmalab.linux.lib.maple_node import LEAF_MAX, Node
from vmalab.linux.lib.maple_tree import (
    KEY_MAX,
    MapleTree,
    Mas,
    mtree_erase,
    mtree_insert_range,
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


# Storing


@pytest.mark.parametrize(
    ("first", "last", "after"),
    [
        pytest.param(0, 9, [(0, 9, "new"), (20, 39, "a"), (40, 59, "b")], id="in a gap"),
        pytest.param(0, 19, [(0, 19, "new"), (20, 39, "a"), (40, 59, "b")], id="adjacent"),
        pytest.param(20, 39, [(20, 39, "new"), (40, 59, "b")], id="the same range"),
        pytest.param(15, 39, [(15, 39, "new"), (40, 59, "b")], id="one swallowed"),
        pytest.param(15, 70, [(15, 70, "new")], id="two swallowed"),
        pytest.param(15, 29, [(15, 29, "new"), (30, 39, "a"), (40, 59, "b")], id="head cut off"),
        pytest.param(30, 39, [(20, 29, "a"), (30, 39, "new"), (40, 59, "b")], id="tail cut off"),
        pytest.param(30, 49, [(20, 29, "a"), (30, 49, "new"), (50, 59, "b")], id="between two"),
        pytest.param(
            25,
            34,
            [(20, 24, "a"), (25, 34, "new"), (35, 39, "a"), (40, 59, "b")],
            id="in the middle",
        ),
    ],
)
def test_store_replaces_what_it_overlaps(
    tree: MapleTree, first: int, last: int, after: list[Range]
) -> None:
    mtree_store_range(tree, 20, 39, "a")
    mtree_store_range(tree, 40, 59, "b")
    assert mtree_store_range(tree, first, last, "new") == 0
    assert entries(tree) == after


@pytest.mark.parametrize(
    ("first", "last", "after"),
    [
        pytest.param(0, 19, [(20, 39, "a"), (40, 59, "b")], id="nothing there"),
        pytest.param(20, 39, [(40, 59, "b")], id="exactly one"),
        pytest.param(0, 29, [(30, 39, "a"), (40, 59, "b")], id="head"),
        pytest.param(30, 39, [(20, 29, "a"), (40, 59, "b")], id="tail"),
        pytest.param(25, 29, [(20, 24, "a"), (30, 39, "a"), (40, 59, "b")], id="hole"),
        pytest.param(30, 49, [(20, 29, "a"), (50, 59, "b")], id="across two"),
        pytest.param(0, KEY_MAX, [], id="everything"),
    ],
)
def test_store_of_none_makes_a_gap(
    tree: MapleTree, first: int, last: int, after: list[Range]
) -> None:
    mtree_store_range(tree, 20, 39, "a")
    mtree_store_range(tree, 40, 59, "b")
    assert mtree_store_range(tree, first, last, None) == 0
    assert entries(tree) == after


def test_store_of_an_empty_range_is_invalid(tree: MapleTree) -> None:
    assert mtree_store_range(tree, 5, 4, "a") == -EINVAL
    assert Mas(tree, 5, 4).preallocate("a") == -EINVAL
    assert mtree_insert_range(tree, 5, 4, "a") == -EINVAL
    assert tree.empty()


def test_grown_entry_swallows_its_old_range(tree: MapleTree) -> None:
    mtree_store_range(tree, 20, 39, "a")
    mtree_store_range(tree, 60, 69, "b")
    mtree_store_range(tree, 10, 49, "a")
    assert entries(tree) == [(10, 49, "a"), (60, 69, "b")]


def test_same_entry_stored_beside_itself_is_not_fused(tree: MapleTree) -> None:
    mtree_store_range(tree, 20, 39, "a")
    mtree_store_range(tree, 40, 49, "a")
    assert entries(tree) == [(20, 39, "a"), (40, 49, "a")]


def test_both_ends_of_the_index_space_can_be_stored(tree: MapleTree) -> None:
    mtree_store_range(tree, 0, 0, "low")
    mtree_store_range(tree, KEY_MAX, KEY_MAX, "high")
    mtree_store_range(tree, 5, 6, "middle")
    assert entries(tree) == [(0, 0, "low"), (5, 6, "middle"), (KEY_MAX, KEY_MAX, "high")]
    mtree_store_range(tree, 0, KEY_MAX, "all")
    assert entries(tree) == [(0, KEY_MAX, "all")]


def test_insert_refuses_what_is_taken(tree: MapleTree) -> None:
    assert mtree_insert_range(tree, 20, 39, "a") == 0
    assert mtree_insert_range(tree, 30, 30, "b") == -EEXIST
    assert mtree_insert_range(tree, 10, 20, "b") == -EEXIST
    assert mtree_insert_range(tree, 0, KEY_MAX, "b") == -EEXIST
    assert mtree_insert_range(tree, 10, 19, "b") == 0
    assert mtree_insert_range(tree, 40, 40, "c") == 0
    assert entries(tree) == [(10, 19, "b"), (20, 39, "a"), (40, 40, "c")]


def test_erase_takes_the_whole_entry(tree: MapleTree) -> None:
    mtree_store_range(tree, 20, 39, "a")
    mtree_store_range(tree, 50, 59, "b")
    assert mtree_erase(tree, 45) is None
    assert mtree_erase(tree, 30) == "a"
    assert mtree_erase(tree, 30) is None
    assert entries(tree) == [(50, 59, "b")]
    mas = Mas(tree, 55)
    assert mas.erase() == "b"
    assert (mas.index, mas.last) == (0, KEY_MAX)
    assert tree.empty()


def test_load_sees_entries_and_gaps(tree: MapleTree) -> None:
    assert mtree_load(tree, 7) is None
    mtree_store_range(tree, 5, 9, "a")
    assert [mtree_load(tree, index) for index in (4, 5, 9, 10)] == [None, "a", "a", None]
    fill(tree, 500)
    assert [mtree_load(tree, index) for index in (4989, 4990, 4994, 4995)] == [None, 499, 499, None]


# Failing allocations


def test_store_without_memory_leaves_all_as_it_was(tree: MapleTree, cache: KmemCache) -> None:
    fill(tree, LEAF_MAX)
    before = tree.dump()
    for nth in (1, 2):
        cache.fault = FailNth(nth)
        mas = Mas(tree, 1, 2)
        assert mas.store_gfp("new") == -ENOMEM
        assert (mas.index, mas.last) == (1, 2)
        assert tree.dump() == before
        assert cache.nr_active == tree.nr_nodes
    cache.fault = FailNth(3)
    assert mtree_store_range(tree, 1, 2, "new") == 0


def test_cursor_goes_on_after_a_failed_store(tree: MapleTree, cache: KmemCache) -> None:
    fill(tree, LEAF_MAX)
    for first in (106, 101):
        mas = Mas(tree, 50)
        assert mas.walk() == 5
        cache.fault = FailNth(1)
        mas.config(first, first + 1)
        assert mas.store_gfp("new" if first == 106 else None) == -ENOMEM
        assert mas.next(KEY_MAX) == 11


def test_preallocation_leads_the_cursor_to_the_range(tree: MapleTree) -> None:
    fill(tree, LEAF_MAX)
    for first in (106, 101):
        mas = Mas(tree, 50)
        assert mas.walk() == 5
        mas.config(first, first + 1)
        assert mas.preallocate("new") == 0
        assert mas.next(KEY_MAX) == 11
        mas.destroy()


def test_preallocated_store_takes_nothing_more(tree: MapleTree, cache: KmemCache) -> None:
    fill(tree, LEAF_MAX)
    mas = Mas(tree, 1, 2)
    assert mas.preallocate("new") == 0
    assert cache.nr_active == tree.nr_nodes + 2
    cache.fault = FailNth(1)
    mas.store_prealloc("new")
    assert mtree_load(tree, 1) == "new"
    assert cache.nr_active == tree.nr_nodes


def test_preallocation_that_fails_holds_nothing(tree: MapleTree, cache: KmemCache) -> None:
    fill(tree, LEAF_MAX)
    cache.fault = FailNth(2)
    mas = Mas(tree, 1, 2)
    assert mas.preallocate("new") == -ENOMEM
    assert cache.nr_active == tree.nr_nodes
    assert (mas.index, mas.last) == (1, 2)


def test_unused_preallocation_is_given_back(tree: MapleTree, cache: KmemCache) -> None:
    fill(tree, LEAF_MAX)
    mas = Mas(tree, 1, 2)
    assert mas.preallocate("new") == 0
    mas.destroy()
    assert cache.nr_active == tree.nr_nodes


def test_store_prealloc_without_preallocation_is_our_bug(tree: MapleTree) -> None:
    fill(tree, LEAF_MAX)
    with pytest.raises(AssertionError, match="more nodes than were preallocated"):
        Mas(tree, 1, 2).store_prealloc("new")


def test_store_keeps_nodes_that_it_did_not_need(tree: MapleTree, cache: KmemCache) -> None:
    fill(tree, LEAF_MAX)
    mas = Mas(tree, 1, 2)
    assert mas.preallocate("new") == 0
    mas.set_range(10 * (LEAF_MAX - 1), 10 * (LEAF_MAX - 1) + 4)
    assert mas.store("newer") == 0
    assert cache.nr_active == tree.nr_nodes + 2
    assert mas.store_gfp("newest") == 0
    assert cache.nr_active == tree.nr_nodes


# Gaps


def test_empty_area_in_an_empty_tree_is_anywhere(tree: MapleTree) -> None:
    mas = Mas(tree)
    assert mas.empty_area(100, 999, 50) == 0
    assert (mas.index, mas.last) == (100, 149)
    assert mas.empty_area_rev(100, 999, 50) == 0
    assert (mas.index, mas.last) == (950, 999)


@pytest.mark.parametrize("count", [1, 3, 400])
def test_empty_area_finds_the_outermost_gap(tree: MapleTree, count: int) -> None:
    """Entries at [10 i, 10 i + 4] leave gaps of five; the one behind them is endless."""
    fill(tree, count)
    mas = Mas(tree)
    assert mas.empty_area(0, KEY_MAX, 5) == 0
    assert (mas.index, mas.last) == (5, 9)
    assert mas.empty_area(0, KEY_MAX, 6) == 0
    assert (mas.index, mas.last) == (10 * count - 5, 10 * count)
    assert mas.empty_area_rev(0, 10 * count - 1, 5) == 0
    assert (mas.index, mas.last) == (10 * count - 5, 10 * count - 1)
    assert mas.empty_area_rev(0, 10 * count - 1, 6) == -EBUSY
    assert mas.empty_area(0, 10 * count - 1, 6) == -EBUSY


def test_empty_area_stays_within_its_limits(tree: MapleTree) -> None:
    fill(tree, 100)
    mas = Mas(tree)
    assert mas.empty_area(507, 600, 3) == 0
    assert (mas.index, mas.last) == (507, 509)
    assert mas.empty_area(507, 517, 4) == -EBUSY
    assert mas.empty_area(507, 518, 4) == 0
    assert (mas.index, mas.last) == (515, 518)
    assert mas.empty_area_rev(400, 507, 4) == 0
    assert (mas.index, mas.last) == (496, 499)
    assert mas.empty_area_rev(497, 507, 4) == -EBUSY
    assert mas.empty_area_rev(497, 507, 3) == 0
    assert (mas.index, mas.last) == (505, 507)


@pytest.mark.parametrize(("low", "high", "size"), [(5, 4, 1), (0, 9, 0), (0, 9, 11)])
def test_search_that_can_never_succeed_is_invalid(
    tree: MapleTree, low: int, high: int, size: int
) -> None:
    mas = Mas(tree, 1, 2)
    assert mas.empty_area(low, high, size) == -EINVAL
    assert mas.empty_area_rev(low, high, size) == -EINVAL
    assert (mas.index, mas.last) == (1, 2)


def test_whole_index_space_can_be_searched(tree: MapleTree) -> None:
    mas = Mas(tree)
    assert mas.empty_area(0, KEY_MAX, KEY_MAX) == 0
    assert (mas.index, mas.last) == (0, KEY_MAX - 1)
    mtree_store_range(tree, KEY_MAX, KEY_MAX, "high")
    mtree_store_range(tree, 0, 0, "low")
    assert mas.empty_area_rev(0, KEY_MAX, KEY_MAX - 1) == 0
    assert (mas.index, mas.last) == (1, KEY_MAX - 1)
    assert mas.empty_area(0, KEY_MAX, KEY_MAX) == -EBUSY
    assert mas.empty_area_rev(0, KEY_MAX, KEY_MAX) == -EBUSY
