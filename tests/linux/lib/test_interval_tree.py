# SPDX-License-Identifier: GPL-2.0-or-later
"""The interval tree against a plain list: every search, in order, and sound after every change."""

from hypothesis import given
from hypothesis import strategies as st

from vmalab.linux.lib.interval_tree import IntervalNode, IntervalTree

RANGES = st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda pair: (pair[0], sum(pair)))
# Ranges to insert, or None: remove one of those that are there.
CHANGES = st.lists(st.one_of(RANGES, st.integers(0, 1000)), max_size=80)


def found(tree: IntervalTree, start: int, last: int) -> list[IntervalNode]:
    """All nodes that a search finds."""
    nodes = []
    node = tree.iter_first(start, last)
    while node is not None:
        nodes.append(node)
        node = tree.iter_next(node, start, last)
    return nodes


@given(CHANGES, st.lists(RANGES, min_size=1, max_size=5))
def test_searches_find_what_a_list_finds(
    changes: list[tuple[int, int] | int], searches: list[tuple[int, int]]
) -> None:
    tree = IntervalTree()
    model: list[IntervalNode] = []
    for change in changes:
        if isinstance(change, tuple):
            node = IntervalNode(*change, len(model))
            tree.insert(node)
            model.append(node)
        elif model:
            tree.remove(model.pop(change % len(model)))
        tree.validate()
        assert tree.nr_nodes == len(model)
    for start, last in searches:
        expected = [node for node in model if node.start <= last and node.last >= start]
        answer = found(tree, start, last)
        assert [node.start for node in answer] == sorted(node.start for node in expected)
        assert {id(node) for node in answer} == {id(node) for node in expected}


def test_equal_ranges_stay_in_the_order_of_insertion() -> None:
    tree = IntervalTree()
    for number in range(20):
        tree.insert(IntervalNode(5, 9, number))
    assert [node.owner for node in found(tree, 0, 100)] == list(range(20))


def test_a_search_leaves_out_what_ends_before_it() -> None:
    """Of a thousand ranges a search touches those near what it finds, not all."""
    tree = IntervalTree()
    for number in range(1000):
        tree.insert(IntervalNode(number * 10, number * 10 + 5, number))
    assert tree.root is not None
    assert tree.root.height <= 12
    assert [node.owner for node in found(tree, 5003, 5012)] == [500, 501]
    assert found(tree, 5006, 5009) == []


def test_an_empty_tree_finds_nothing() -> None:
    tree = IntervalTree()
    tree.validate()
    assert tree.iter_first(0, 100) is None
