# SPDX-License-Identifier: GPL-2.0-or-later
"""Bitmaps against a set of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.linux.lib.bitmap import Bitmap
from vmalab.linux.lib.find_bit import (
    find_last_bit,
    find_next_bit,
    find_next_zero_bit,
    first_bit,
    first_zero,
    last_bit,
)

NUMBERS = st.integers(0, 200)
CHANGES = st.lists(st.tuples(st.sampled_from(["set", "set", "clear"]), NUMBERS), max_size=60)


@given(CHANGES, NUMBERS)
def test_searches_answer_what_a_set_says(changes: list[tuple[str, int]], start: int) -> None:
    bitmap, model = Bitmap(), set()
    for what, nr in changes:
        if what == "set":
            bitmap.set_bit(nr)
            model.add(nr)
        else:
            bitmap.clear_bit(nr)
            model.discard(nr)
        bitmap.validate()
    assert bitmap.bits() == sorted(model)
    assert bitmap.weight() == len(model)
    assert bitmap.empty() == (not model)
    assert bitmap.find_last_bit() == max(model, default=-1)
    assert bitmap.find_next_bit(start) == min((nr for nr in model if nr >= start), default=-1)
    assert bitmap.find_next_zero_bit(start) == min(set(range(start, 400)) - model)
    assert (start in bitmap) == (start in model)
    assert bitmap.copy().bits() == bitmap.bits()


@given(st.integers(1, 2**32 - 1))
def test_bits_of_a_word(word: int) -> None:
    bits = [nr for nr in range(33) if word >> nr & 1]
    assert (first_bit(word), last_bit(word)) == (bits[0], bits[-1])
    assert first_zero(word) == min(set(range(34)) - set(bits))


@pytest.mark.parametrize(("size", "start"), [(0, 0), (40, 40), (33, 0)])
def test_nothing_found_is_the_size(size: int, start: int) -> None:
    assert find_next_bit([0, 0], size, start) == size
    assert find_next_zero_bit([2**32 - 1, 2**32 - 1], size, start) == size


def test_no_bit_is_the_last() -> None:
    assert find_last_bit([0, 0], 64) == 64
    assert find_last_bit([5, 0], 64) == 2
