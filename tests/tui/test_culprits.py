# SPDX-License-Identifier: GPL-2.0-or-later
"""In `explore`, the culprit of each scenario is a few keys away."""

from pathlib import Path

import pytest
from tests.tui.driving import Traveller, travel

from vmalab.explain.travel.journey import Journey
from vmalab.tui.explore import errands

SCENARIOS = Path(__file__).parents[2] / "scenarios"
# Keys from where the trouble shows to the culprit's first call.
MOST_KEYS = 5

CULPRITS = {
    "allocator-unmap": ("munmap(", "churn: main"),
    "fork-write": ("mprotect(", "prefork: take"),
    "mremap-pieces": ("mremap(", "compact: main"),
    "thp-advice": ("madvise(", "flip: advise"),
    "thread-stacks": ("mprotect(", "stacks: main"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CULPRITS)
def test_the_culprit_is_found_in_five_keys(name: str) -> None:
    call, place = CULPRITS[name]

    async def play(user: Traveller) -> None:
        # Nothing has failed in these recordings yet: the peak is where the trouble shows.
        await user.press("f")
        await user.sees("no further failure")
        user.keys.clear()
        await user.press("p", "b")
        await user.sees(place)
        await user.press("enter")
        await user.sees(f"by {place}")
        assert user.app.look is not None
        assert user.app.look.told[1].startswith(call)
        assert len(user.keys) <= MOST_KEYS

    journey = Journey(str(SCENARIOS / name / "recording"), errands=errands.__name__)
    try:
        journey.await_end()
        travel(journey, play)
    finally:
        journey.close()
