# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs recorded on kernels that differ in version or configuration replay as they were."""

import json
from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

DATA = Path(__file__).parents[1] / "data" / "kernels"


def replayed(name: str) -> ReplayReport:
    return Replay(RecordingFiles(str(DATA / name)), Options()).run()


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.iterdir()))
def test_a_program_is_predicted(name: str) -> None:
    report = replayed(name)
    total = report.total
    assert total.memory_calls > 10
    assert (total.differ, total.adopted, report.differences) == (0, 0, [])
    assert total.steps_identical == total.steps
    assert total.programs_identical == total.programs > 0
    assert total.final_identical


def test_where_the_recorded_kernel_stands_is_said(tmp_path: Path) -> None:
    meta = {"format": 1, "kernel": {"release": "5.15.0-91-generic"}}
    (tmp_path / "meta.json").write_text(json.dumps(meta), "utf-8")
    (tmp_path / "calls.strace").write_text("7 brk(NULL) = 0x1000\n", "utf-8")
    report = Replay(RecordingFiles(str(tmp_path)), Options()).run()
    assert report.kernel == "5.15"
    assert report.notes[0] == "recorded on Linux 5.15: between 5.10 and 6.1, not judged"
