# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests sets of ranges against sets of addresses."""

from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.range_set import RangeSet

SPANS = st.tuples(st.integers(0, 40), st.integers(0, 12))


@given(st.lists(st.tuples(st.booleans(), SPANS), max_size=25), SPANS)
def test_a_set_of_ranges_is_the_set_of_its_addresses(
    changes: list[tuple[bool, tuple[int, int]]], asked: tuple[int, int]
) -> None:
    ranges, addresses = RangeSet(), set[int]()
    for adds, (start, length) in changes:
        span = range(start, start + length)
        if adds:
            ranges.add(span.start, span.stop)
            addresses |= set(span)
        else:
            ranges.remove(span.start, span.stop)
            addresses -= set(span)
    start, end = asked[0], sum(asked)
    assert ranges.meets(start, end) == bool(addresses & set(range(start, end)))
    assert all(ranges.meets(at, at + 1) == (at in addresses) for at in range(60))
    runs = [at for at in addresses if at - 1 not in addresses]
    assert len(ranges) == len(runs)


def test_a_copy_is_independent() -> None:
    ranges = RangeSet()
    ranges.add(4, 8)
    other = ranges.copy()
    other.remove(0, 100)
    assert (len(ranges), len(other)) == (1, 0)
