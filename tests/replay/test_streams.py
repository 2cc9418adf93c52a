# SPDX-License-Identifier: GPL-2.0-or-later
"""Random calls recorded on another kernel replay as they were, with maps on the way.

Memory is touched in them by locking it for a moment, which the log shows.
"""

from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

DATA = Path(__file__).parents[1] / "data" / "streams"


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.iterdir()))
def test_a_stream_is_predicted(name: str) -> None:
    report = Replay(RecordingFiles(str(DATA / name)), Options()).run()
    total = report.total
    assert report.kernel in name
    assert total.memory_calls > 400
    assert (total.differ, total.adopted, report.differences) == (0, 0, [])
    assert total.checkpoints_identical == total.checkpoints >= 4
    assert total.final_identical
