# SPDX-License-Identifier: GPL-2.0-or-later
"""A bare log of a program that moves its vdso: where that was is not known."""

from pathlib import Path

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

LOG = Path(__file__).parents[1] / "data" / "vdso" / "log.strace"


def test_a_vdso_that_was_elsewhere_is_adopted() -> None:
    total = Replay(RecordingFiles(str(LOG)), Options()).run().total
    assert (total.memory_calls, total.differ) == (68, 0)
    assert set(total.adopted_reasons) == {"unknown layout"}
