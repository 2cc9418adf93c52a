# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark of recorders: programs that measure themselves, and tables of what they say."""

import shutil

import pytest

from vmalab.bench.figures import Figures, machine
from vmalab.bench.recorded_programs import Took
from vmalab.bench.recorders import ALONE, RecorderTimes, measure_recorders
from vmalab.views.answers.bench import bench_answer
from vmalab.views.bench import bench_lines


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler (cc)")
def test_programs_measure_themselves() -> None:
    told: list[str] = []
    names = ["mprotect loop", "8 threads", "python"]
    found = measure_recorders(1, told.append, (ALONE,), names)
    assert list(found) == names
    assert all(len(times.turns[ALONE]) == 1 for times in found.values())
    assert all(times.best(ALONE).wall > 1000 for times in found.values())
    assert all(times.best(ALONE).cpu > 1000 for times in found.values())
    assert all(times.ratios(ALONE) == (1, 1) for times in found.values())
    assert told[0] == "mprotect loop, alone"


def test_a_table_has_the_best_times_and_who_took_no_part() -> None:
    alone, events = [Took(2e6, 2e6), Took(4e6, 1e6)], [Took(9e6, 4e6), Took(3e6, 5e6)]
    times = RecorderTimes({"alone": alone, "events": events}, {"perf trace": "absent"})
    figures = Figures(machine=machine(), recorders={"loop": times})
    lines = list(bench_lines(figures))
    assert lines[-3].split() == ["loop", "2.0", "(1.00)", "3.0", "(1.50)", "-", "-", "-", "-"]
    assert lines[-2].split() == [
        "loop,",
        "CPU",
        *["1.0", "(1.00)", "4.0", "(4.00)", "-", "-", "-", "-"],
    ]
    assert lines[-1] == "perf trace took no part: absent"
    assert bench_answer(figures)["recorders"] == {
        "loop": {
            "recorders": {
                "alone": {
                    "ratio": 1.0,
                    "cpu_ratio": 1.0,
                    "turns_ns": [2000000, 4000000],
                    "cpu_turns_ns": [2000000, 1000000],
                },
                "events": {
                    "ratio": 1.5,
                    "cpu_ratio": 4.0,
                    "turns_ns": [9000000, 3000000],
                    "cpu_turns_ns": [4000000, 5000000],
                },
            },
            "missing": {"perf trace": "absent"},
        }
    }
