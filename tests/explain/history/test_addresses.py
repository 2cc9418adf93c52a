# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses in blocks are as a sorted list of them."""

from bisect import bisect_left, bisect_right

from hypothesis import given
from hypothesis import strategies as st

from vmalab.explain.history.addresses import Addresses

# Small numbers, so that many are there already; and so many that blocks are split and emptied.
NUMBERS = st.lists(st.integers(0, 3000), max_size=60)


def toggled(kept: Addresses, numbers: list[int], there: set[int]) -> None:
    for number in numbers:
        if number in there:
            kept.remove(number)
            there.remove(number)
        else:
            kept.add(number)
            there.add(number)


@given(NUMBERS, st.integers(1, 3000), st.integers(0, 3000), st.integers(0, 3000))
def test_they_are_as_a_sorted_list(
    numbers: list[int], stride: int, start: int, length: int
) -> None:
    kept, there = Addresses(), set[int]()
    toggled(kept, [*range(0, 3000, stride), *numbers], there)
    ordered = sorted(there)
    assert kept.all() == ordered
    low, high = bisect_left(ordered, start), bisect_right(ordered, start + length)
    assert kept.within(start, start + length) == ordered[low:high]
    below = bisect_right(ordered, start) - 1
    assert kept.highest(start) == (ordered[below] if below >= 0 else -1)


def test_all_can_be_taken_away_in_any_order() -> None:
    kept, there = Addresses(), set[int]()
    toggled(kept, list(range(5000)), there)
    assert kept.all() == list(range(5000))
    toggled(kept, [*range(0, 5000, 7), *range(4999, -1, -1)], there)
    assert kept.all() == sorted(there)
    toggled(kept, sorted(there), there)
    assert (kept.all(), kept.highest(5000), kept.within(0, 5000)) == ([], -1, [])
