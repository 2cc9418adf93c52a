# SPDX-License-Identifier: GPL-2.0-or-later
"""The XArray and IDs, against dictionaries."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.linux.include.uapi.errno import EINVAL, ENOSPC
from vmalab.linux.lib.idr import Ida, Idr
from vmalab.linux.lib.xarray import XA_MARK_0, XA_MARK_1, XA_MARK_2, XA_NONE, XA_PRESENT, XArray

# Around the ends of a node's slots, of a node, and far away.
INDICES = st.one_of(
    st.integers(0, 20), st.integers(60, 70), st.integers(4090, 4100), st.integers(2**40, 2**40 + 9)
)
ORDERS = st.integers(0, 13)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(
            ["store", "order", "erase", "split", "range", "erase_range", "mark", "unmark"]
        ),
        *(INDICES, ORDERS, st.integers(0, 150)),
    ),
    max_size=20,
)


class Entry:
    """An entry of the model: its indices, half-open, and its marks."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self.marks: set[int] = set()


class Model:
    """Entries as a list, found by looking at each."""

    def __init__(self) -> None:
        self.entries: list[tuple[Entry, object]] = []

    def at(self, index: int) -> tuple[Entry, object] | None:
        return next((one for one in self.entries if one[0].first <= index <= one[0].last), None)

    def overlapping(self, first: int, last: int) -> list[tuple[Entry, object]]:
        return [one for one in self.entries if one[0].first <= last and one[0].last >= first]

    def store_order(self, index: int, order: int, item: object) -> None:
        first = index >> order << order
        last = first + (1 << order) - 1
        entry = Entry(first, last)
        for one in self.overlapping(first, last):
            entry.marks |= one[0].marks
            self.entries.remove(one)
        self.entries.append((entry, item))

    def split(self, index: int, order: int) -> None:
        found = self.at(index)
        if found is None or 1 << order >= found[0].last - found[0].first + 1:
            return
        self.entries.remove(found)
        for first in range(found[0].first, found[0].last + 1, 1 << order):
            piece = Entry(first, first + (1 << order) - 1)
            piece.marks = set(found[0].marks)
            self.entries.append((piece, found[1]))


def change(xa: XArray, model: Model, what: str, index: int, order: int, count: int) -> None:
    """Make one change to both."""
    item = object()
    found = model.at(index)
    if what == "store":
        assert xa.store(index, item) is (None if found is None else found[1])
        if found is None:
            model.store_order(index, 0, item)
        else:
            model.entries[model.entries.index(found)] = (found[0], item)
    elif what == "order":
        xa.store_order(index, order, item)
        model.store_order(index, order, item)
    elif what == "erase":
        assert xa.erase(index) is (None if found is None else found[1])
        model.entries = [one for one in model.entries if one is not found]
    elif what == "split":
        order = max(order, int(xa.get_order(index)) - 8)
        xa.split(index, order)
        model.split(index, order)
    elif what in ("range", "erase_range"):
        change_range(xa, model, item if what == "range" else None, index, index + count)
    elif what == "mark":
        xa.set_mark(index, XA_MARK_1)
        if found is not None:
            found[0].marks.add(XA_MARK_1)
    else:
        xa.clear_mark(index, XA_MARK_1)
        if found is not None:
            found[0].marks.discard(XA_MARK_1)


def change_range(xa: XArray, model: Model, item: object | None, first: int, last: int) -> None:
    """Fill or empty a range; how the XArray cuts it up is its own business."""
    before = {at: xa.load(at) for at in (first - 1, last + 1) if at >= 0}
    if item is None:
        xa.erase_range(first, last)
    else:
        xa.store_range(first, last, item)
    assert all(xa.load(at) is item for at in range(first, last + 1))
    assert before == {at: xa.load(at) for at in before}
    rebuilt = Model()
    at = xa.find(0, 2**60)
    while at != XA_NONE:
        entry = Entry(int(xa.first_of(at)), int(xa.last_of(at)))
        entry.marks = {mark for mark in range(3) if xa.get_mark(at, mark)}
        rebuilt.entries.append((entry, xa.load(at)))
        at = xa.find(entry.last + 1, 2**60)
    old = {one[0].first: one[1] for one in model.entries}
    kept = [one for one in rebuilt.entries if one[0].last < first or one[0].first > last]
    assert all(old[one[0].first] is one[1] for one in kept if one[0].first in old)
    model.entries = rebuilt.entries


@given(CHANGES, INDICES)
def test_xarray_is_a_list_of_entries(changes: list[tuple[str, int, int, int]], at: int) -> None:
    xa, model = XArray(), Model()
    for what, index, order, count in changes:
        change(xa, model, what, index, order, count)
        xa.validate()
    found = model.at(at)
    assert xa.load(at) is (None if found is None else found[1])
    for mark in (XA_PRESENT, XA_MARK_0, XA_MARK_1):
        wanted = [
            max(entry.first, at)
            for entry, _ in model.entries
            if entry.last >= at and (mark == XA_PRESENT or mark in entry.marks)
        ]
        assert xa.find(at, 2**60, mark) == min(wanted, default=XA_NONE)
        assert mark == XA_PRESENT or xa.marked(mark) == any(
            mark in entry.marks for entry, _ in model.entries
        )
    for entry, _ in model.entries:
        assert 1 << xa.get_order(entry.first) == entry.last - entry.first + 1
        assert (xa.first_of(entry.last), xa.last_of(entry.first)) == (entry.first, entry.last)
    assert xa.empty() == (not model.entries)


def test_a_range_is_few_entries() -> None:
    xa = XArray()
    xa.store_range(3, 2**30, "x")
    xa.validate()
    pieces = 0
    at = xa.find(0, 2**40)
    while at != XA_NONE:
        pieces += 1
        at = xa.find(xa.last_of(at) + 1, 2**40)
    assert pieces < 64
    xa.erase_range(2**20 + 1, 2**40)
    xa.validate()
    assert (xa.load(2**20), xa.load(2**20 + 1)) == ("x", None)
    xa.destroy()
    assert xa.empty()


def test_splitting_the_only_entry_needs_no_taller_tree() -> None:
    xa = XArray()
    xa.store_order(0, 6, "x")
    xa.split(0, 5)
    xa.validate()
    assert [xa.get_order(index) for index in (0, 31, 32, 63)] == [5, 5, 5, 5]


def test_insert_does_not_replace() -> None:
    xa = XArray()
    assert xa.insert(7, "x")
    assert not xa.insert(7, "y")
    assert xa.load(7) == "x"


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=60), st.booleans())
def test_idr_gives_the_lowest_free_number(frees: list[int | None], cyclic: bool) -> None:
    idr = Idr()
    model: dict[int, object] = {}
    following = 0
    for number in frees:
        if number is not None:
            assert idr.remove(number) is model.pop(number, None)
        else:
            item = object()
            order = [*range(following, 20), *range(2, 20)] if cyclic else [*range(2, 20)]
            free = [at for at in order if at >= 2 and at not in model]
            got = idr.alloc_cyclic(item, 2, 20) if cyclic else idr.alloc(item, 2, 20)
            assert got == (free[0] if free else -ENOSPC)
            if free:
                model[free[0]] = item
                following = free[0] + 1
        idr.validate()
        assert idr.nr == len(model)
    assert idr.last() == max(model, default=-1)
    assert idr.get_next(5) == min((at for at in model if at >= 5), default=-1)
    assert all(idr.find(at) is item for at, item in model.items())
    assert idr.find(-1) is None


@pytest.mark.parametrize(
    ("start", "end", "number"),
    [
        (0, 0, 0),
        (7, 0, 7),
        (7, -1, 7),
        (-1, 9, -EINVAL),
        (-5, 0, -EINVAL),
        (8, 9, 8),
        (9, 9, -ENOSPC),
        # Its bitmap has 2**31 bits.
        pytest.param(2**31 - 1, 0, 2**31 - 1, marks=pytest.mark.slow),
        (2**31, 0, -ENOSPC),
    ],
)
def test_the_ends_of_what_an_idr_may_give(start: int, end: int, number: int) -> None:
    assert Idr().alloc("x", start, end) == number


def test_an_idr_may_hold_nothing_under_a_number() -> None:
    idr = Idr()
    assert [idr.alloc(None, 0, 9), idr.alloc(None, 0, 9), idr.alloc("x", 0, 9)] == [0, 1, 2]
    idr.validate()
    assert (idr.nr, idr.find(1), idr.get_next(0)) == (3, None, 2)
    assert [idr.remove(at) for at in (1, 2, -1, 5)] == [None, "x", None, None]
    idr.validate()
    assert (idr.nr, idr.alloc("y", 0, 9)) == (1, 1)


@pytest.mark.parametrize("order", [1, 2, 6, 7, 12, 13])
def test_an_entry_over_others_has_the_union_of_their_marks(order: int) -> None:
    array = XArray()
    for at, mark in ((1, XA_MARK_0), ((1 << order) - 1, XA_MARK_2), (1 << order, XA_MARK_1)):
        array.store(at, f"at {at}")
        array.set_mark(at, mark)
    array.store_order(0, order, "all")
    array.validate()
    for at in (0, 1, (1 << order) - 1):
        assert [array.get_mark(at, mark) for mark in range(3)] == [True, False, True]
    assert not array.get_mark(1 << order, XA_MARK_0)
    array.erase(0)
    assert [array.marked(mark) for mark in range(3)] == [False, True, False]


def test_ida_hands_out_numbers() -> None:
    ida = Ida()
    assert [ida.alloc_range(3, 5) for _ in range(4)] == [3, 4, 5, -ENOSPC]
    ida.free(4)
    ida.validate()
    assert ida.alloc_range(0, 5) == 0
    assert ida.alloc_range(3, 5) == 4
    for number in (0, 3, 4, 5):
        ida.free(number)
    assert ida.empty()


def test_entries_of_high_orders_have_all_their_indices() -> None:
    """Compiled as well: there, a literal that is shifted has 32 bits."""
    array = XArray()
    array.store_order(0, 34, "a")
    assert array.last_of(5) == 2**34 - 1
    array.store_order(1 << 40, 31, "b")
    assert array.last_of(1 << 40) == 2**40 + 2**31 - 1
    array.split_at(1 << 33)
    assert [array.last_of(at) for at in (0, 1 << 33)] == [2**33 - 1, 2**34 - 1]
    array.validate()


def test_an_empty_array_is_small() -> None:
    """There is one for each file that a log ever names."""
    tracemalloc.start()
    try:
        arrays = [XArray() for _ in range(1000)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(arrays) == 1000
    assert size < 1000 * len(arrays)
