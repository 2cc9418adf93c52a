# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings by perf events: what is known without BPF programs, and what has to be adopted."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.record.conftest import COMMAND, Busy

from vmalab.recording.events.flight import FlightChoices
from vmalab.recording.events.perf_source import PerfSource
from vmalab.recording.events.session import FlightSession
from vmalab.recording.events.source import CannotWatch
from vmalab.recording.opening import open_recording
from vmalab.replay.replay import Options, Replay


@pytest.fixture(scope="module")
def openable() -> None:
    """Skips where perf events may not be opened."""
    try:
        PerfSource().close()
    except CannotWatch as error:
        pytest.skip(f"recording by perf events does not work here: {error}")


def test_a_program_is_known_but_for_what_pointers_point_to(
    openable: None, churn: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [*COMMAND, "record", "--tracer", "perf", "-o", "r", "--", str(churn), "40", "4"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = Replay(open_recording(str(tmp_path / "r")), Options()).run()
    assert report.differences == []
    assert report.total.memory_calls > 200
    # The kernel names the libraries that the loader maps.
    assert report.total.adopted == 0


def test_a_process_that_runs_is_known_as_a_whole(
    openable: None, busy: Callable[..., Busy], tmp_path: Path
) -> None:
    process = busy(1)
    words = ["--tracer", "perf", "--duration", "0.2", "-o", str(tmp_path / "r")]
    subprocess.run(
        [*COMMAND, "record", *words, "-p", str(process.pid)], capture_output=True, check=True
    )
    process.runs_on()
    assert process.is_free()
    report = Replay(open_recording(str(tmp_path / "r")), Options()).run()
    assert report.differences == []
    assert report.total.memory_calls > 0
    assert report.total.final_identical is not False


def test_lost_events_are_counted_and_the_replay_goes_on_behind_them(
    openable: None, busy: Callable[..., Busy], tmp_path: Path
) -> None:
    process = busy(4)
    page = os.sysconf("SC_PAGE_SIZE")
    choices = FlightChoices(max_size=64 * page)
    FlightSession(str(tmp_path / "r"), PerfSource(page), choices).attach(process.pid)
    process.runs_on()
    recording = open_recording(str(tmp_path / "r"))
    assert recording.meta.lost_events > 0
    report = Replay(recording, Options()).run()
    assert report.differences == []
    assert report.total.compared > 0
    assert len(report.images) > 1


def test_in_a_container_the_numbers_of_events_are_not_the_programs(
    openable: None, traceable: None, tmp_path: Path
) -> None:
    inside = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("namespaces of process numbers cannot be made here")

    def run(tracer: str) -> str:
        words = ["record", "--tracer", tracer, "-o", str(tmp_path / tracer), "--", "true"]
        done = subprocess.run(
            [*inside, *COMMAND, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr

    why = "vmalab runs in a container with process numbers of its own"
    assert run("perf") == f"vmalab: the kernel's events cannot be recorded: {why}\n"
    assert f"--tracer events: {why}; recording with ptrace instead" in run("events")
