# SPDX-License-Identifier: GPL-2.0-or-later
"""Neighbours are there while something is measured, and gone afterwards."""

from pathlib import Path

import pytest

from vmalab.bench.neighbours import calibration, neighbours


def test_fixed_work_takes_time() -> None:
    middle, spread = calibration()
    assert middle > 0
    assert spread >= 0


def children() -> set[int]:
    """The processes that this one has started, and that have not been waited for."""
    listed = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return {int(pid) for pids in listed for pid in pids}


def test_neighbours_are_gone_afterwards_also_after_a_failure() -> None:
    before = children()
    seen: set[int] = set()

    def fail() -> None:
        with neighbours(2):
            seen.update(children() - before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(seen) == 2
    assert children() == before
