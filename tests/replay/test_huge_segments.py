# SPDX-License-Identifier: GPL-2.0-or-later
"""Segments of huge pages in a bare log: that there were pages shows when one is made."""

from pathlib import Path

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

LOG = Path(__file__).parents[1] / "data" / "shm" / "hugetlb.strace"


def test_a_segment_that_was_made_is_there() -> None:
    total = Replay(RecordingFiles(str(LOG)), Options()).run().total
    assert total.memory_calls > 80
    assert total.differ == 0
    assert set(total.adopted_reasons) == {"unknown layout"}
