# SPDX-License-Identifier: GPL-2.0-or-later
"""What guards the speed names what has become slower, and nothing else."""

from pathlib import Path

import pytest
from bench_check import ratio, slower, why_unfit
from instructions import WORK, larger, written_log


def test_a_turn_is_measured_by_its_own_live_kernel() -> None:
    # Everything took twice as long in the second build's turn: it is no slower.
    assert ratio((1200.0, 4000.0), (600.0, 2000.0)) == pytest.approx(1.0)
    assert ratio((660.0, 2000.0), (600.0, 2000.0)) == pytest.approx(1.1)


def test_a_row_is_slower_by_its_median_turn() -> None:
    assert slower({"dense": [0.98, 1.5, 1.04], "file": [1.06, 0.9, 1.07]}) == ["file"]


def test_an_engine_that_is_not_compiled_is_not_compared() -> None:
    assert why_unfit({"no_live": "", "compiled": True}) == ""
    assert why_unfit({"no_live": "", "compiled": False}) == "the engine is not compiled"
    assert why_unfit({"no_live": "no ptrace", "compiled": True}) == "no ptrace"


def test_a_count_is_larger_beyond_the_compilers_whims() -> None:
    kept = {"dense": 1000, "replay": 1000}
    assert larger({"dense": 1019, "replay": 1021, "new": 5}, kept) == ["replay"]


@pytest.mark.parametrize("name", WORK)
def test_the_work_that_is_counted_can_be_done(name: str, tmp_path: Path) -> None:
    exec(WORK[name].format(calls=200, drawn=300, log=written_log(200, tmp_path)), {})
