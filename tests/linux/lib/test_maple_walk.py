# SPDX-License-Identifier: GPL-2.0-or-later
"""Entries of a maple tree that are read in order are those that a cursor finds."""

import random

import pytest

from vmalab.linux.lib.maple_tree import MapleTree, Mas, mtree_store_range
from vmalab.linux.lib.maple_walk import Entries

END = 1 << 12


def drawn(count: int, numbers: random.Random) -> MapleTree:
    """A tree of so many entries at most, each of its own."""
    tree = MapleTree()
    for number in range(count):
        first = numbers.randrange(END)
        mtree_store_range(tree, first, min(first + numbers.randrange(16), END - 1), number)
    return tree


def by_cursor(tree: MapleTree, first: int, last: int) -> list[object]:
    """What a cursor finds."""
    mas = Mas(tree, first, first)
    found: list[object] = []
    while (entry := mas.find(last)) is not None:
        found.append(entry)
    return found


def in_order(tree: MapleTree, first: int, last: int) -> list[object]:
    """The same as it is read in order."""
    entries = Entries(tree, first)
    found: list[object] = []
    while (entry := entries.next(last)) is not None:
        found.append(entry)
    assert entries.next(last) is None
    return found


@pytest.mark.parametrize("count", [0, 1, 2, 10, 40, 400])
def test_what_is_read_in_order_is_what_a_cursor_finds(count: int) -> None:
    numbers = random.Random(f"walk {count}")
    tree = drawn(count, numbers)
    for _ in range(300):
        first = numbers.randrange(END)
        last = first + numbers.randrange(200)
        assert in_order(tree, first, last) == by_cursor(tree, first, last)


def test_a_higher_end_lets_a_reading_go_on() -> None:
    tree = drawn(100, random.Random("on"))
    entries = Entries(tree, 0)
    found: list[object] = []
    for last in range(END):
        while (entry := entries.next(last)) is not None:
            found.append(entry)
    assert found == by_cursor(tree, 0, END)
