# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs recorded on kernels that differ in version or configuration replay as they were."""

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
