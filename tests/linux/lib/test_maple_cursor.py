# SPDX-License-Identifier: GPL-2.0-or-later
"""Cursors of the maple tree: where each step leads, at limits too, and after whose stores.

The statuses are the kernel's: a test names what Linux's cursor would do. Each test runs on a tree
of three entries, alone and with others further up that make it a tree of many nodes.
"""

from collections.abc import Iterator

import pytest

from vmalab.linux.lib.maple_tree import KEY_MAX, MA_ACTIVE, MapleTree, Mas, mtree_store_range
from vmalab.linux.lib.slab import KmemCache

BASE = 1 << 32


@pytest.fixture(params=[0, 40, 2000], ids=["alone", "few others", "many others"])
def tree(request: pytest.FixtureRequest) -> Iterator[MapleTree]:
    """Entries a, b, c at BASE + 10..19, 20..29, 40..49; the others all lie further up."""
    cache = KmemCache("maple_node")
    tree = MapleTree(cache)
    for name, first in (("a", 10), ("b", 20), ("c", 40)):
        mtree_store_range(tree, BASE + first, BASE + first + 9, name)
    for number in range(request.param):
        first = BASE + 100 + 10 * number
        mtree_store_range(tree, first, first + 9, f"other {number}")
    yield tree
    tree.validate()
    tree.destroy()
    assert cache.nr_active == 0


def at(tree: MapleTree, offset: int) -> Mas:
    """A cursor that begins with a walk to BASE + `offset`."""
    return Mas(tree, BASE + offset, BASE + offset)


def place(mas: Mas) -> tuple[int, int]:
    """The cursor's range, relative to BASE."""
    return mas.index - BASE, mas.last - BASE


# Walking


@pytest.mark.parametrize(
    ("offset", "entry", "first", "last"),
    [(10, "a", 10, 19), (19, "a", 10, 19), (25, "b", 20, 29), (30, None, 30, 39)],
)
def test_walk_takes_the_range(
    tree: MapleTree, offset: int, entry: object, first: int, last: int
) -> None:
    mas = at(tree, offset)
    assert mas.walk() == entry
    assert place(mas) == (first, last)
    assert mas.status == MA_ACTIVE


def test_walk_in_the_lowest_gap_begins_at_zero(tree: MapleTree) -> None:
    mas = at(tree, 5)
    assert mas.walk() is None
    assert (mas.index, mas.last) == (0, BASE + 9)


def test_load_moves_nothing(tree: MapleTree) -> None:
    mas = at(tree, 25)
    assert mas.walk() == "b"
    mas.config(BASE + 45, BASE + 46)
    assert mas.load() == "c"
    assert place(mas) == (45, 46)
    assert mas.prev(0) == "a"


def test_find_returns_the_entry_at_the_index_first(tree: MapleTree) -> None:
    mas = at(tree, 15)
    assert [mas.find(KEY_MAX) for _ in range(3)] == ["a", "b", "c"]
    assert place(mas) == (40, 49)


def test_find_looks_up_to_its_limit_included(tree: MapleTree) -> None:
    assert at(tree, 30).find(BASE + 39) is None
    assert at(tree, 30).find(BASE + 40) == "c"
    mas = at(tree, 5)
    assert mas.find(BASE + 19) == "a"
    assert mas.find(BASE + 19) is None
    assert mas.find(BASE + 20) == "b"


def test_next_skips_gaps_and_next_range_does_not(tree: MapleTree) -> None:
    mas = at(tree, 15)
    assert mas.next(KEY_MAX) == "b"
    assert mas.next(KEY_MAX) == "c"
    mas = at(tree, 15)
    assert [mas.next_range(KEY_MAX) for _ in range(3)] == ["b", None, "c"]
    assert mas.prev_range(0) is None
    assert place(mas) == (30, 39)
    assert [mas.prev_range(0) for _ in range(2)] == ["b", "a"]


def test_next_rewind(tree: MapleTree) -> None:
    """As the kernel's vma_iter_next_rewind: find what follows a gap, step back into the gap."""
    mas = at(tree, 30)
    assert mas.walk() is None
    assert mas.find(KEY_MAX) == "c"
    assert mas.prev(0) == "b"
    assert mas.next_range(KEY_MAX) is None
    assert place(mas) == (30, 39)


def test_prev_from_a_gap_is_the_entry_before_it(tree: MapleTree) -> None:
    mas = at(tree, 35)
    assert mas.prev(0) == "b"
    assert place(mas) == (20, 29)


# Limits


def test_next_at_its_limit_stays_and_goes_on_with_a_new_one(tree: MapleTree) -> None:
    mas = at(tree, 15)
    assert mas.walk() == "a"
    assert mas.next(BASE + 19) is None
    assert place(mas) == (10, 19)
    assert mas.next(KEY_MAX) == "b"


def test_next_over_a_limit_in_a_gap_stops_there(tree: MapleTree) -> None:
    mas = at(tree, 25)
    assert mas.next(BASE + 35) is None
    assert place(mas) == (30, 39)
    assert mas.next(KEY_MAX) == "c"


def test_prev_after_overflow_is_the_entry_it_stands_on(tree: MapleTree) -> None:
    mas = at(tree, 25)
    assert mas.walk() == "b"
    assert mas.next(BASE + 29) is None
    assert mas.prev(0) == "b"
    assert mas.prev(0) == "a"


def test_next_after_underflow_is_the_entry_it_stands_on(tree: MapleTree) -> None:
    mas = at(tree, 25)
    assert mas.walk() == "b"
    assert mas.prev(BASE + 20) is None
    assert mas.next(KEY_MAX) == "b"
    assert mas.next(KEY_MAX) == "c"


def test_find_after_overflow_is_the_entry_it_stands_on(tree: MapleTree) -> None:
    mas = at(tree, 25)
    assert mas.next(BASE + 29) is None
    assert mas.find(KEY_MAX) == "b"
    assert mas.find(KEY_MAX) == "c"


def test_prev_before_the_lowest_entry_ends_in_the_lowest_gap(tree: MapleTree) -> None:
    mas = at(tree, 15)
    assert mas.prev(0) is None
    assert (mas.index, mas.last) == (0, BASE + 9)
    assert mas.next(KEY_MAX) == "a"


def test_steps_beyond_the_last_entry_end_in_the_highest_gap(tree: MapleTree) -> None:
    mas = Mas(tree, KEY_MAX, KEY_MAX)
    assert mas.walk() is None
    assert mas.last == KEY_MAX
    highest = mas.prev(0)
    assert highest is not None
    assert mas.next(KEY_MAX) is None
    assert mas.last == KEY_MAX
    assert mas.next_range(KEY_MAX) is None
    assert mas.prev(0) == highest


def test_limit_is_tested_before_a_walk(tree: MapleTree) -> None:
    """A fresh cursor on 15 that may go up to 15 does not even look, as in the kernel."""
    mas = at(tree, 15)
    assert mas.next(BASE + 15) is None
    assert place(mas) == (15, 15)


def test_find_after_pause_goes_on_behind_the_range(tree: MapleTree) -> None:
    mas = at(tree, 15)
    assert mas.find(KEY_MAX) == "a"
    mas.pause()
    assert mas.status != MA_ACTIVE
    assert mas.find(KEY_MAX) == "b"
    mas.pause()
    assert mas.prev(0) == "a"


def test_reset_lets_find_return_the_same_entry(tree: MapleTree) -> None:
    mas = at(tree, 15)
    assert mas.find(KEY_MAX) == "a"
    mas.reset()
    assert mas.find(KEY_MAX) == "a"


# Stores of this cursor and of others


def test_cursor_stands_on_what_it_stored(tree: MapleTree) -> None:
    mas = at(tree, 12)
    assert mas.walk() == "a"
    mas.config(BASE + 15, BASE + 19)
    assert mas.store_gfp("new") == 0
    assert place(mas) == (15, 19)
    assert mas.next(KEY_MAX) == "b"
    assert [mas.prev(0), mas.prev(0)] == ["new", "a"]
    assert place(mas) == (10, 14)


def test_cursor_stands_in_the_whole_gap_it_made(tree: MapleTree) -> None:
    mas = at(tree, 22)
    mas.set_range(BASE + 25, BASE + 32)
    assert mas.store_gfp(None) == 0
    assert place(mas) == (25, 39)
    assert mas.next(KEY_MAX) == "c"
    mas.set_range(BASE + 20, BASE + 24)
    assert mas.store_gfp(None) == 0
    assert place(mas) == (20, 39)
    assert mas.prev(0) == "a"


def test_store_in_the_same_range_keeps_other_cursors_in_step(tree: MapleTree) -> None:
    other = at(tree, 15)
    assert other.walk() == "a"
    seq = tree.seq
    mtree_store_range(tree, BASE + 20, BASE + 29, "b again")
    assert tree.seq == seq
    assert other.next(KEY_MAX) == "b again"


@pytest.mark.parametrize("count", [1, 20, 200])
def test_cursor_goes_on_after_stores_of_others(tree: MapleTree, count: int) -> None:
    """Whatever happened to its leaf, the next step leads from where the cursor stood."""
    forward, back = at(tree, 25), at(tree, 25)
    assert (forward.walk(), back.walk()) == ("b", "b")
    for number in range(count):
        mtree_store_range(tree, 4 * number, 4 * number + 1, "below")
    mtree_store_range(tree, BASE + 30, BASE + 34, "above")
    assert forward.next(KEY_MAX) == "above"
    assert back.prev(0) == "a"
    mtree_store_range(tree, BASE + 50, KEY_MAX, None)
    mtree_store_range(tree, 0, BASE + 9, None)
    assert forward.next(KEY_MAX) == "c"
    assert forward.next(KEY_MAX) is None
    assert back.prev(0) is None


def test_cursor_whose_entry_was_erased_goes_on_from_its_range(tree: MapleTree) -> None:
    forward, back = at(tree, 25), at(tree, 25)
    assert (forward.walk(), back.walk()) == ("b", "b")
    mtree_store_range(tree, BASE + 20, BASE + 29, None)
    assert forward.next(KEY_MAX) == "c"
    assert back.prev(0) == "a"


def test_cursor_whose_entry_grew_goes_on_behind_it(tree: MapleTree) -> None:
    mas = at(tree, 25)
    assert mas.walk() == "b"
    mtree_store_range(tree, BASE + 20, BASE + 44, "b")
    assert mas.next(KEY_MAX) == "c"
    assert place(mas) == (45, 49)


def test_cursor_of_a_destroyed_tree_sees_it_empty(tree: MapleTree) -> None:
    mas = at(tree, 25)
    assert mas.walk() == "b"
    tree.destroy()
    assert mas.next(KEY_MAX) is None
    assert mas.prev(0) is None
    mas.set(BASE + 25)
    assert mas.walk() is None
    assert (mas.index, mas.last) == (0, KEY_MAX)


def test_gap_search_leads_the_next_step(tree: MapleTree) -> None:
    mas = at(tree, 0)
    assert mas.empty_area(BASE + 10, KEY_MAX, 10) == 0
    assert place(mas) == (30, 39)
    assert mas.find(KEY_MAX) == "c"
    assert mas.empty_area_rev(0, BASE + 45, 10) == 0
    assert place(mas) == (30, 39)
    assert mas.prev(0) == "b"
