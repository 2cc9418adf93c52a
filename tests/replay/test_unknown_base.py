# SPDX-License-Identifier: GPL-2.0-or-later
"""A static program on a kernel that maps nothing for it: where mappings begin is not recorded.

The first mapping of each process shows it, and is adopted; the others follow from it.
"""

import shutil
from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

STATIC = Path(__file__).parents[1] / "data" / "layout" / "static"


def replayed(folder: Path) -> ReplayReport:
    return Replay(RecordingFiles(str(folder)), Options()).run()


def test_the_first_place_of_each_process_is_adopted() -> None:
    """Parent and child have the same, which neither has shown before the fork."""
    report = replayed(STATIC)
    assert [found.call for found in report.differences] == []
    assert report.total.adopted_reasons == {"random place": 2}
    assert report.total.steps == report.total.steps_identical > 0
    assert report.identical


@pytest.mark.parametrize(
    ("recorded", "wrong"),
    [("0x7f9f960e1000", "0x7f9f950e1000"), ("0x7f9f960df000", "0x7f9f968e2000")],
    ids=["far below what is mapped", "above what is mapped"],
)
def test_other_places_are_not(tmp_path: Path, recorded: str, wrong: str) -> None:
    shutil.copytree(STATIC, tmp_path / "r")
    log = tmp_path / "r" / "calls.strace"
    log.write_text(log.read_text().replace(recorded, wrong))
    for steps in (tmp_path / "r").rglob("steps.txt"):
        steps.unlink()
    report = replayed(tmp_path / "r")
    assert wrong in [found.recorded for found in report.differences]
