# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole commands are measured on a log that all of them understand."""

from pathlib import Path

import pytest

from vmalab.bench.figures import BenchPlan, Figures
from vmalab.bench.pipeline import COMMANDS, PipelineTimes, measure_pipeline, region_log
from vmalab.bench.region_recording import write_region_recording
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.views.answers.bench import bench_answer
from vmalab.views.bench import bench_lines


def test_the_log_is_predicted_as_a_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(region_log(400)))
    report = Replay(RecordingFiles(str(log)), Options()).run()
    assert report.total.predicted == report.calls_seen == 400


@pytest.mark.parametrize("steps", [False, True])
def test_a_recording_of_the_log_is_identical(tmp_path: Path, steps: bool) -> None:
    log = tmp_path / "log"
    log.write_text("".join(region_log(200)))
    write_region_recording(log, tmp_path / "recording", steps=steps)
    report = Replay(RecordingFiles(str(tmp_path / "recording")), Options()).run()
    assert report.identical
    assert report.total.predicted == report.calls_seen == 200
    assert report.total.final_vmas > 50
    assert (report.total.steps > 50) is steps


def test_a_call_costs_what_a_command_takes_beyond_its_start() -> None:
    turns = {"start": [0.5, 0.4], "replay": [1.4, 1.8], "blame": [0.3]}
    times = PipelineTimes(1000, turns, live_ns=2000.0, missing={"page": "no jinja2"})
    assert times.ns_per_call("replay") == pytest.approx(1e6)
    assert times.ns_per_call("blame") == 0
    figures = Figures(machine={"cpu": "c", "cores": 1, "kernel": "k", "python": "p"})
    figures.pipeline = times
    lines = list(bench_lines(figures))
    assert "replay                    1.40    1000000            1000" in lines
    assert "page took no part: no jinja2" in lines
    answer = bench_answer(figures)["pipeline"]
    assert answer is not None
    assert answer["commands"]["replay"] == {"seconds": [1.4, 1.8], "ns_per_call": 1e6}


def test_everything_is_measured_unless_something_is_chosen() -> None:
    assert "pipeline" in BenchPlan().what


@pytest.mark.slow
def test_every_command_runs() -> None:
    told: list[str] = []
    times = measure_pipeline(1, None, told.append, calls=60)
    assert set(told) == set(COMMANDS) - set(times.missing)
    assert all(times.best(name) > 0 for name in told)
