# SPDX-License-Identifier: GPL-2.0-or-later
"""What the engine does while it counts how often each branch is taken, to be compiled by that.

usage: python tools/training.py      with the package on PYTHONPATH, its engine compiled so that it
                                     counts (tools/build_ext.py)

Streams of calls as `vmalab bench` draws them, others than those that it measures; replays of a log,
of a recording with faults, of one with steps, and of columns where what reads them is there; and
what explains the log.
Takes some seconds. Its imports are those that a build has: nothing that is only there for tests.
"""

import tempfile
from importlib.util import find_spec
from pathlib import Path

from vmalab import COMPILED
from vmalab.api.recording import Recording
from vmalab.bench.parts import carry_out_stream
from vmalab.bench.pipeline import region_log
from vmalab.bench.region_recording import write_region_recording
from vmalab.bench.stream import PROFILES
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers.columns import write_columns
from vmalab.replay.options import Options
from vmalab.replay.replay import Replay

CALLS = 12_000
# `vmalab bench` begins with 1.
SEED = 1_000
# Left out: it maps 65 536 pages first, and then does what the others do.
LARGE = "pages65536"


def train(calls: int = CALLS) -> None:
    """Carry out so many calls of each stream, and replay as many of each kind of recording."""
    for profile in PROFILES:
        if profile != LARGE:
            carry_out_stream(profile, calls, calls, SEED)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        log.write_text("".join(region_log(calls)), "ascii")
        replay(log, calls)
        recording = Recording.open(str(log))
        recording.blame()
        recording.why()
        recording.enomem()
        recording.whatif(no_names=True)
        for steps in (False, True):
            recorded = Path(folder, f"recording-{steps}")
            write_region_recording(log, recorded, steps=steps)
            replay(recorded, calls)
        if find_spec("pyarrow") is not None:
            columns = Path(folder, "log.parquet")
            write_columns(RecordingFiles(str(log)).log(), str(columns))
            replay(columns, calls)


def replay(path: Path, calls: int) -> None:
    """Replay a log or recording that the model predicts."""
    report = Replay(RecordingFiles(str(path)), Options()).run()
    assert report.total.predicted == calls, report.total


if __name__ == "__main__":
    assert COMPILED, "the engine is not compiled"
    train()
