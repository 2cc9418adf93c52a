# SPDX-License-Identifier: GPL-2.0-or-later
"""The maple tree against a plain model: a sorted list of ranges, and cursors that search it anew.

Random stores on trees of all sizes, every gap search, cursors that step while others store, and
each store tried again with each of its allocations failing.
"""

import random
from bisect import bisect_left, bisect_right
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vmalab.linux.include.uapi.errno import EBUSY, ENOMEM
from vmalab.linux.lib.maple_tree import KEY_MAX, MA_ACTIVE, MapleTree, Mas, mtree_load
from vmalab.linux.lib.slab import FailNth, KmemCache

Range = tuple[int, int, object]


class Ranges:
    """The plain model of a tree: its entries with their ranges, in order."""

    def __init__(self) -> None:
        self.entries: list[Range] = []

    def store(self, first: int, last: int, entry: object) -> None:
        begin = bisect_left(self.entries, first, key=lambda item: item[1])
        end = bisect_right(self.entries, last, key=lambda item: item[0])
        new: list[Range] = [(first, last, entry)] if entry is not None else []
        if begin < end:
            low, _, old = self.entries[begin]
            if low < first:
                new.insert(0, (low, first - 1, old))
            _, high, old = self.entries[end - 1]
            if high > last:
                new.append((last + 1, high, old))
        self.entries[begin:end] = new

    def with_gaps(self) -> list[Range]:
        """All ranges of the index space, gaps with the entry None."""
        found: list[Range] = []
        free = 0
        for first, last, entry in self.entries:
            if free < first:
                found.append((free, first - 1, None))
            found.append((first, last, entry))
            free = last + 1
        if free <= KEY_MAX:
            found.append((free, KEY_MAX, None))
        return found

    def at(self, index: int) -> Range:
        return next(item for item in self.with_gaps() if item[0] <= index <= item[1])

    def gaps(self, low: int, high: int, size: int) -> list[tuple[int, int]]:
        """The gaps within `low` to `high` that have `size` indices, in order."""
        clipped = [
            (max(first, low), min(last, high))
            for first, last, entry in self.with_gaps()
            if entry is None
        ]
        return [(first, last) for first, last in clipped if last - first + 1 >= size]


class SlowMas:
    """The plain model of a cursor: a range and the kernel's status."""

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.index = self.last = 0
        self.status = "start"

    def set_range(self, first: int, last: int) -> None:
        self.index, self.last, self.status = first, last, "start"

    def pause(self) -> None:
        self.status = "pause"

    def take(self, item: Range) -> object:
        self.index, self.last = item[:2]
        return item[2]

    def walk(self) -> object:
        self.status = "active"
        return self.take(self.ranges.at(self.index))

    def forward(self, limit: int, gaps: bool) -> object:
        self.take(self.ranges.at(self.last))
        while self.last < limit:
            entry = self.take(self.ranges.at(self.last + 1))
            if entry is not None or gaps:
                return entry
        self.status = "overflow"
        return None

    def backward(self, limit: int, gaps: bool) -> object:
        self.take(self.ranges.at(self.index))
        while self.index > limit:
            entry = self.take(self.ranges.at(self.index - 1))
            if entry is not None or gaps:
                return entry
        self.status = "underflow"
        return None

    def next(self, limit: int, gaps: bool = False) -> object:
        if self.last >= limit:
            self.status = "overflow"
            return None
        before = self.status
        if before in ("start", "pause", "underflow"):
            entry = self.walk()
            if before == "underflow" and entry is not None:
                return entry
        self.status = "active"
        return self.forward(limit, gaps)

    def next_range(self, limit: int) -> object:
        return self.next(limit, True)

    def prev(self, limit: int, gaps: bool = False) -> object:
        if self.index <= limit:
            self.status = "underflow"
            return None
        before = self.status
        if before in ("start", "pause", "overflow"):
            entry = self.walk()
            if before == "overflow" and entry is not None:
                return entry
        self.status = "active"
        return self.backward(limit, gaps)

    def prev_range(self, limit: int) -> object:
        return self.prev(limit, True)

    def find(self, limit: int) -> object:
        if self.status == "start" and self.index > limit:
            return None
        if self.status == "underflow" and self.index >= limit:
            self.status = "overflow"
            return None
        if self.status in ("active", "pause", "overflow") and self.last >= limit:
            return None
        if self.status == "pause":
            self.index = self.last = self.last + 1
        if self.status != "active":
            entry = self.walk()
            if entry is not None or self.index == limit:
                return entry
        entry = self.forward(limit, False)
        self.status = "active"
        return entry


STEPS = ("next", "next_range", "prev", "prev_range", "find")


def entries(tree: MapleTree) -> list[Range]:
    """All entries of the real tree, in order."""
    mas = Mas(tree)
    found: list[Range] = []
    while (entry := mas.find(KEY_MAX)) is not None:
        found.append((mas.index, mas.last, entry))
    return found


def check_gap_search(mas: Mas, ranges: Ranges, low: int, high: int, size: int) -> None:
    """Both searches find what the model has first and last, or nothing where it has none."""
    gaps = ranges.gaps(low, high, size)
    assert mas.empty_area(low, high, size) == (0 if gaps else -EBUSY)
    if gaps:
        assert (mas.index, mas.last) == (gaps[0][0], gaps[0][0] + size - 1)
    assert mas.empty_area_rev(low, high, size) == (0 if gaps else -EBUSY)
    if gaps:
        assert (mas.index, mas.last) == (gaps[-1][1] - size + 1, gaps[-1][1])


def store_whatever_fails(mas: Mas, cache: KmemCache, entry: object, prealloc: bool) -> int:
    """Store with each needed allocation failing once, and then with none; count the failures.

    Preconditions: the range is set. A failure must change nothing and leak nothing.
    """
    tree = mas.tree
    first, last = mas.index, mas.last
    before, nr_active, nr_nodes = None, cache.nr_active, tree.nr_nodes
    nth = 1
    while True:
        cache.fault = FailNth(nth)
        error = mas.preallocate(entry) if prealloc else mas.store_gfp(entry)
        failed = cache.fault.nr_seen >= nth
        cache.fault = None
        assert error == (-ENOMEM if failed else 0)
        if not failed:
            break
        before = before or tree.dump()
        assert tree.dump() == before
        assert (cache.nr_active, tree.nr_nodes) == (nr_active, nr_nodes)
        assert (mas.index, mas.last) == (first, last)
        tree.validate()
        nth += 1
    if prealloc:
        mas.store_prealloc(entry)
    assert cache.nr_active - nr_active == tree.nr_nodes - nr_nodes
    return nth - 1


# In bulk


@pytest.mark.parametrize(
    ("seed", "prealloc"), [(1, False), (2, True)], ids=["store_gfp", "prealloc"]
)
@pytest.mark.parametrize(
    ("span", "width", "steps"),
    [
        pytest.param(40, 8, 400, id="a few entries"),
        pytest.param(600, 12, 1500, id="two levels"),
        pytest.param(60_000, 40, 5000, id="three levels", marks=pytest.mark.slow),
        pytest.param(2**62, 2**50, 3000, id="huge ranges", marks=pytest.mark.slow),
    ],
)
def test_random_stores(seed: int, span: int, width: int, steps: int, prealloc: bool) -> None:
    """Stores, now and then over a large part: entries and gap searches are the model's."""
    rng = random.Random(f"{seed} {span} {prealloc}")
    cache = KmemCache("maple_node")
    tree, ranges = MapleTree(cache), Ranges()
    mas = Mas(tree)
    for step in range(steps):
        first = rng.randrange(span)
        last = first + rng.randrange(span // 3 if rng.random() < 0.003 else width)
        entry = None if rng.random() < 0.3 else step
        mas.set_range(first, last)
        store_whatever_fails(mas, cache, entry, prealloc)
        ranges.store(first, last, entry)
        if step % 8 == 0:
            low = rng.randrange(span)
            high = low + rng.randrange(1, span)
            size = rng.randrange(1, min(high - low + 1, 3 * width) + 1)
            check_gap_search(mas, ranges, low, high, size)
            assert mtree_load(tree, low) == ranges.at(low)[2]
        if step % 100 == 0:
            tree.validate()
            assert entries(tree) == ranges.entries
    tree.validate()
    assert entries(tree) == ranges.entries
    tree.destroy()
    assert cache.nr_active == 0


@pytest.mark.slow
@pytest.mark.parametrize(("order", "nodes"), [("up", 3), ("down", 3), ("random", 4)])
def test_each_allocation_of_a_growing_tree_may_fail(order: str, nodes: int) -> None:
    """Built entry by entry: all kinds of splits up to the root's. nodes: what one may take."""
    cache = KmemCache("maple_node")
    tree = MapleTree(cache)
    numbers = list(range(2400))
    if order == "down":
        numbers.reverse()
    if order == "random":
        random.Random(3).shuffle(numbers)
    mas, most = Mas(tree), 0
    for number in numbers:
        mas.set_range(4 * number, 4 * number + 1)
        most = max(most, store_whatever_fails(mas, cache, number, prealloc=number % 2 == 0))
    assert most == nodes
    tree.validate()
    assert entries(tree) == [(4 * number, 4 * number + 1, number) for number in range(2400)]


def test_erasing_all_entries_in_random_order() -> None:
    """The tree shrinks through all its levels, and is sound on the way."""
    cache = KmemCache("maple_node")
    tree = MapleTree(cache)
    numbers = list(range(2500))
    for number in numbers:
        assert Mas(tree, 4 * number, 4 * number + 3).store_gfp(number) == 0
    random.Random(4).shuffle(numbers)
    mas = Mas(tree)
    for left, number in zip(range(len(numbers) - 1, -1, -1), numbers, strict=True):
        mas.set(4 * number + 1)
        assert mas.erase() == number
        if left % 50 == 0:
            tree.validate()
            assert len(entries(tree)) == left
    assert (tree.nr_nodes, cache.nr_active) == (0, 0)


def test_gaps_of_all_sizes_are_found_from_everywhere() -> None:
    """One gap of each size, shuffled over three levels of nodes."""
    rng = random.Random(5)
    tree, ranges = MapleTree(), Ranges()
    sizes = list(range(1, 1201))
    rng.shuffle(sizes)
    index = 0
    for number, size in enumerate(sizes):
        index += size
        assert Mas(tree, index, index + 2).store_gfp(number) == 0
        ranges.entries.append((index, index + 2, number))
        index += 3
    mas = Mas(tree)
    for size in rng.sample(sizes, 60):
        check_gap_search(mas, ranges, 0, index - 1, size)
        low, high = sorted(rng.sample(range(index), 2))
        if high - low >= size:
            check_gap_search(mas, ranges, low, high, size)
    tree.validate()


@pytest.mark.parametrize("seed", range(8))
def test_cursors_that_step_while_others_store(seed: int) -> None:
    """Four cursors on one tree; each step of each is the model's, status and range included."""
    rng = random.Random(seed)
    span = (9, 60, 400, 4000)[seed % 4]
    cache = KmemCache("maple_node")
    tree, ranges = MapleTree(cache), Ranges()
    for number in range(0, span, 7):
        Mas(tree, number, number + rng.randrange(7)).store_gfp(number)
    ranges.entries = entries(tree)
    pairs = [(Mas(tree), SlowMas(ranges)) for _ in range(4)]
    for step in range(1500):
        mas, slow = rng.choice(pairs)
        action = rng.choice((*STEPS, *STEPS, *STEPS, "set", "store", "pause", "walk", "erase"))
        if action in ("set", "store"):
            first = rng.randrange(span)
            last = first + rng.randrange(span // 4 if rng.random() < 0.01 else min(span, 10))
            mas.set_range(first, last)
            slow.set_range(first, last)
            if action == "store":
                entry = rng.choice((None, step))
                assert mas.store_gfp(entry) == 0
                ranges.store(first, last, entry)
                slow.walk()
        elif action == "walk":
            assert mas.walk() == slow.walk()
        elif action == "erase":
            erased = slow.walk()
            ranges.store(slow.index, slow.last, None)
            slow.walk()
            assert mas.erase() == erased
        elif action == "pause":
            mas.pause()
            slow.pause()
        else:
            near = slow.last if action in ("next", "next_range", "find") else slow.index
            limit = rng.choice((0, KEY_MAX, min(KEY_MAX, max(0, near + rng.randrange(-40, 40)))))
            assert getattr(mas, action)(limit) == getattr(slow, action)(limit)
        assert (mas.index, mas.last) == (slow.index, slow.last)
        assert (mas.status == MA_ACTIVE) == (slow.status == "active")
    tree.validate()
    assert entries(tree) == ranges.entries


# By Hypothesis, which shrinks what fails

INDICES = st.one_of(st.integers(0, 400), st.integers(0, KEY_MAX))
CURSORS = st.integers(0, 2)


class MapleMachine(RuleBasedStateMachine):
    """A tree with three cursors, and the model of each."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = KmemCache("maple_node")
        self.tree, self.ranges = MapleTree(self.cache), Ranges()
        self.cursors = [(Mas(self.tree), SlowMas(self.ranges)) for _ in range(3)]
        self.count = 0

    @rule(cursor=CURSORS, ends=st.tuples(INDICES, INDICES), erase=st.booleans(), pre=st.booleans())
    def store(self, cursor: int, ends: tuple[int, int], erase: bool, pre: bool) -> None:
        mas, slow = self.cursors[cursor]
        first, last = min(ends), max(ends)
        self.count += 1
        entry = None if erase else self.count
        mas.set_range(first, last)
        slow.set_range(first, last)
        store_whatever_fails(mas, self.cache, entry, pre)
        self.ranges.store(first, last, entry)
        slow.walk()

    @rule(first=st.integers(0, 400), step=st.integers(1, 9), count=st.integers(20, 120))
    def fill(self, first: int, step: int, count: int) -> None:
        for index in range(first, first + step * count, step):
            self.count += 1
            assert Mas(self.tree, index, index + step // 2).store_gfp(self.count) == 0
            self.ranges.store(index, index + step // 2, self.count)

    @rule(cursor=CURSORS, index=INDICES)
    def set(self, cursor: int, index: int) -> None:
        mas, slow = self.cursors[cursor]
        mas.set(index)
        slow.set_range(index, index)

    @rule(cursor=CURSORS, step=st.sampled_from(STEPS), limit=INDICES)
    def step(self, cursor: int, step: str, limit: int) -> None:
        mas, slow = self.cursors[cursor]
        assert getattr(mas, step)(limit) == getattr(slow, step)(limit)

    @rule(cursor=CURSORS)
    def pause(self, cursor: int) -> None:
        mas, slow = self.cursors[cursor]
        mas.pause()
        slow.pause()

    @rule(cursor=CURSORS)
    def erase(self, cursor: int) -> None:
        mas, slow = self.cursors[cursor]
        erased = slow.walk()
        self.ranges.store(slow.index, slow.last, None)
        slow.walk()
        assert mas.erase() == erased

    @rule(ends=st.tuples(INDICES, INDICES), size=st.integers(1, 60))
    def search_gaps(self, ends: tuple[int, int], size: int) -> None:
        low, high = min(ends), max(ends)
        if high - low >= size:
            check_gap_search(Mas(self.tree), self.ranges, low, high, size)

    @precondition(lambda self: self.tree.nr_nodes > 0)
    @rule(data=st.data())
    def dup(self, data: st.DataObject) -> None:
        nr_nodes = self.tree.nr_nodes
        self.cache.fault = FailNth(data.draw(st.integers(1, nr_nodes)))
        assert self.tree.dup() is None
        self.cache.fault = None
        copy = self.tree.dup()
        assert copy is not None
        copy.validate()
        assert entries(copy) == self.ranges.entries
        copy.destroy()

    @invariant()
    def tree_is_as_the_model(self) -> None:
        self.tree.validate()
        assert entries(self.tree) == self.ranges.entries
        assert all(before[1] < after[0] for before, after in pairwise(entries(self.tree)))
        assert self.cache.nr_active == self.tree.nr_nodes

    @invariant()
    def cursors_are_as_their_models(self) -> None:
        for mas, slow in self.cursors:
            assert (mas.index, mas.last) == (slow.index, slow.last)
            assert (mas.status == MA_ACTIVE) == (slow.status == "active")

    def teardown(self) -> None:
        self.tree.destroy()
        assert self.cache.nr_active == 0


MapleMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
test_machine = MapleMachine.TestCase
