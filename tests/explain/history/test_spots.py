# SPDX-License-Identifier: GPL-2.0-or-later
"""Spots in blocks are as a sorted list of them."""

from bisect import bisect_right

from hypothesis import given
from hypothesis import strategies as st

from vmalab.explain.history.spots import Spot, Spots

# Small numbers, so that many are there already; and so many that blocks are split and emptied.
NUMBERS = st.lists(st.integers(0, 3000), max_size=60)


def toggled(kept: Spots[Spot], numbers: list[int], there: dict[int, Spot]) -> None:
    for number in numbers:
        if number in there:
            kept.remove(there.pop(number))
        else:
            there[number] = Spot(number)
            kept.add(there[number])


def addresses(spots: list[Spot]) -> list[int]:
    return [int(spot.at) for spot in spots]


@given(NUMBERS, st.integers(1, 3000), st.integers(0, 3000), st.integers(0, 3000))
def test_they_are_as_a_sorted_list(
    numbers: list[int], stride: int, start: int, length: int
) -> None:
    kept, there = Spots[Spot](), dict[int, Spot]()
    toggled(kept, [*range(0, 3000, stride), *numbers], there)
    ordered = sorted(there)
    assert addresses(kept.all()) == ordered
    low, high = bisect_right(ordered, start) - 1, bisect_right(ordered, start + length)
    assert addresses(kept.around(start, start + length)) == ordered[max(low, 0) : high]


def test_all_can_be_taken_away_in_any_order() -> None:
    kept, there = Spots[Spot](), dict[int, Spot]()
    toggled(kept, list(range(5000)), there)
    assert addresses(kept.all()) == list(range(5000))
    toggled(kept, [*range(0, 5000, 7), *range(4999, -1, -1)], there)
    assert addresses(kept.all()) == sorted(there)
    toggled(kept, sorted(there), there)
    assert (kept.all(), kept.around(0, 5000)) == ([], [])
