# SPDX-License-Identifier: GPL-2.0-or-later
"""Of too many boundaries those that lived longest are kept, of the same life the latest."""

from hypothesis import given
from hypothesis import strategies as st

from vmalab.explain.history.pieces import Boundary, lifetime, longest_lived


@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.data())
def test_they_are_the_last_when_sorted_by_life(lives: list[int], data: st.DataObject) -> None:
    boundaries = [Boundary(at << 12, at, at + life) for at, life in enumerate(lives)]
    limit = data.draw(st.integers(1, len(lives)))
    wanted = sorted(boundaries, key=lifetime)[-limit:]
    kept = longest_lived(boundaries, limit)
    assert kept == [boundary for boundary in boundaries if boundary in wanted]
