# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the recorder share: programs recorded by the command, and replayed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.recording.format.recording import Recording
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

Run = Callable[..., subprocess.CompletedProcess[str]]

COMMAND = [sys.executable, "-m", "vmalab.cli.main"]


@pytest.fixture(scope="session")
def traceable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where processes may not be traced."""
    folder = tmp_path_factory.mktemp("probe") / "r"
    done = subprocess.run(
        [*COMMAND, "record", "-o", str(folder), "--", "true"], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"tracing does not work here: {done.stderr.decode()}")


@pytest.fixture
def record(traceable: None, tmp_path: Path) -> Run:
    """Records a program into the folder `r`."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, "record", "-o", "r", *args],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def replayed() -> Callable[[Path], ReplayReport]:
    return replay_all


def replay_all(folder: Path) -> ReplayReport:
    """The report of a recording, which must be without differences."""
    report = Replay(Recording(str(folder)), Options()).run()
    assert [found.call for found in report.differences] == []
    assert report.unparsed == 0
    return report
