# SPDX-License-Identifier: GPL-2.0-or-later
"""A translation keeps what lies elsewhere, whatever overlaps, is cut or is forgotten."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vmalab.explain.whatif.address_map import AddressMap


def pieces(translation: AddressMap, start: int, end: int) -> list[tuple[int, int, int | None]]:
    """The pieces of a range, as their start, end and shift."""
    return [(one.start, one.end, one.shift) for one in translation.pieces(start, end)]


def test_nothing_is_shifted_at_first() -> None:
    translation = AddressMap()
    assert not translation
    assert pieces(translation, 0x1000, 0x3000) == [(0x1000, 0x3000, 0)]
    assert (translation.point(0x1234), translation.back(0x1234)) == (0x1234, 0x1234)


def test_a_range_in_several_places() -> None:
    translation = AddressMap()
    translation.set(0x2000, 0x4000, 0x100000)
    translation.set(0x5000, 0x6000, None)
    assert pieces(translation, 0x1000, 0x7000) == [
        (0x1000, 0x2000, 0),
        (0x2000, 0x4000, 0x100000),
        (0x4000, 0x5000, 0),
        (0x5000, 0x6000, None),
        (0x6000, 0x7000, 0),
    ]
    assert translation.point(0x2800) == 0x102800
    assert translation.point(0x4000) == 0x104000
    assert translation.point(0x5800) is None
    assert translation.back(0x102800) == 0x2800
    assert translation.back(0x2800) is None


def test_a_part_that_is_unmapped_is_forgotten() -> None:
    translation = AddressMap()
    translation.set(0x1000, 0x5000, 0x1000)
    translation.clear(0x2000, 0x3000)
    assert pieces(translation, 0x1000, 0x5000) == [
        (0x1000, 0x2000, 0x1000),
        (0x2000, 0x3000, 0),
        (0x3000, 0x5000, 0x1000),
    ]


def test_a_copy_is_its_own() -> None:
    translation = AddressMap()
    translation.set(0x1000, 0x2000, 0x1000)
    child = translation.copy()
    child.clear(0x1000, 0x2000)
    assert translation
    assert not child


SHIFTS = st.sampled_from([None, 0, 100, 200])
CHANGES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), SHIFTS), max_size=12)


@given(CHANGES, st.integers(0, 20), st.integers(1, 20))
def test_it_says_of_each_address_what_was_set_last(
    changes: list[tuple[int, int, int | None]], start: int, length: int
) -> None:
    translation = AddressMap()
    expected: dict[int, int | None] = {}
    for first, last, shift in changes:
        translation.set(first, last, shift)
        expected.update(dict.fromkeys(range(first, last), shift))
    pieces = translation.pieces(start, start + length)
    told = {at: piece.shift for piece in pieces for at in range(piece.start, piece.end)}
    assert told == {at: expected.get(at, 0) for at in range(start, start + length)}
    assert all(one.shift != two.shift for one, two in pairwise(pieces))
