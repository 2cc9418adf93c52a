# SPDX-License-Identifier: GPL-2.0-or-later
"""Ranges of calls in whole pages."""

import pytest

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.ranges import EVERYWHERE, Range, page_range
from vmalab.linux.include.page import POINTER_UNKNOWN
from vmalab.replay.memory_calls import ranges_of

TOP = EVERYWHERE[0][1]


@pytest.mark.parametrize(
    ("start", "length", "pages"),
    [
        (0x1000, 0x1000, (0x1000, 0x2000)),
        (0x1000, 0, (0x1000, 0x1000)),
        (0x1001, 1, (0x1000, 0x2000)),
        (0x1800, 0x1000, (0x1000, 0x3000)),
        (TOP - 1, 2, (TOP - 0x1000, TOP)),
        (U64_MAX, U64_MAX, (TOP, TOP)),
        (POINTER_UNKNOWN, 0x1000, (TOP, TOP)),
        (0, U64_MAX, (0, TOP)),
    ],
)
def test_a_range_covers_each_page_it_has_a_byte_of(start: int, length: int, pages: Range) -> None:
    assert page_range(start, length) == pages


def test_a_call_touches_the_last_page_of_a_range_that_begins_within_a_page() -> None:
    assert ranges_of(Call(1, "mlock", (0x1800, 0x1000, 0, 0, 0, 0))) == [(0x1000, 0x3000)]
