# SPDX-License-Identifier: GPL-2.0-or-later
"""When a limit will be gone is said only where a trend holds."""

from dataclasses import replace

import pytest

from vmalab.explain.enomem.headroom import MAP_COUNT, MEMLOCK
from vmalab.explain.enomem.watched import Course, LimitWatch, Watched
from vmalab.recording.live.survey import ProcessUse

USE = ProcessUse(7, "x", 0.0, 24, 0.0, 400, 8, 12, 132, {"MEMLOCK": 65536}, False)


def watched(figures: list[int], step: float = 2.0, limit: int = 65530) -> Watched:
    """A process with these numbers of VMAs, one look after another."""
    watch = LimitWatch()
    for at, vmas in enumerate(figures):
        when = 100.0 + at * step
        (found,) = watch.add([replace(USE, when=when, counted=when, vmas=vmas)], limit)
    return found


def test_steady_growth_runs_into_the_limit() -> None:
    row = watched([1000 * at for at in range(20)]).of(MAP_COUNT)
    assert row.per_second == 500.0
    assert row.seconds_left == (65530 - 19000) // 500


@pytest.mark.parametrize(
    "figures",
    [
        [24, 30],
        [24] * 19 + [60],
        [24 + at for at in range(4)],
        [100, 90, 80, 500, 510, 520, 510, 500, 490, 480],
        [24 + (at % 5) for at in range(40)],
    ],
    ids=["two looks", "one step", "a start", "a rise that ended", "up and down"],
)
def test_no_trend_no_prophecy(figures: list[int]) -> None:
    assert watched(figures).of(MAP_COUNT).seconds_left is None


def test_a_start_of_a_small_program_is_no_trend_to_the_limit() -> None:
    # It holds, but what is left is thousands of times what it grew.
    assert watched([24 + at for at in range(20)]).of(MAP_COUNT).seconds_left is None


def test_what_was_long_ago_does_not_count() -> None:
    course = Course()
    for at in range(1000):
        course.add(float(at), at if at < 500 else 500)
    assert course.grew == 0
    assert course.per_second == 0.0
    assert course.most == 500


def test_a_map_that_was_not_read_again_is_no_new_look() -> None:
    course = Course()
    course.add(1.0, 5)
    course.add(1.0, 5)
    assert course.per_second is None


def test_who_may_lock_has_no_limit_on_it() -> None:
    watch = LimitWatch()
    (free,) = watch.add([replace(USE, may_lock=True)], 65530)
    (bound,) = watch.add([USE], 65530)
    assert free.of(MEMLOCK).limit is None
    assert bound.of(MEMLOCK).limit == 16
    assert bound.highest == (100 * 2 / 16, MEMLOCK)
