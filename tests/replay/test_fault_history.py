# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings that hold no faults: what was written before a fork, or before a guard was made."""

import shutil
from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

DATA = Path(__file__).parents[1] / "data" / "faults"


def replayed(path: Path) -> ReplayReport:
    return Replay(RecordingFiles(str(path)), Options()).run()


@pytest.mark.parametrize(
    ("name", "calls", "most"),
    [("forks", 39, 3), ("guards", 80, 19)],
)
def test_a_history_that_explains_is_adopted(name: str, calls: int, most: int) -> None:
    report = replayed(DATA / name)
    total = report.total
    assert (total.memory_calls, total.differ, report.differences) == (calls, 0, [])
    assert set(total.adopted_reasons) == {"fault history"}
    assert total.adopted <= most
    assert total.compared == calls - total.adopted
    assert total.steps == total.steps_identical
    assert total.final_identical


@pytest.mark.parametrize(
    ("name", "image", "old", "new"),
    [
        # Mapped by a child that had not the memory from its parent: no history says why.
        ("forks", "4848.0/steps.txt", "20000000-20004000", "20000000-20003000"),
        # Charged, though it never could be written to.
        ("guards", "14959.1/final.smaps", "VmFlags: rd mr mw me \n", "VmFlags: rd mr mw me ac \n"),
    ],
)
def test_what_no_history_explains_differs(
    tmp_path: Path, name: str, image: str, old: str, new: str
) -> None:
    shutil.copytree(DATA / name, tmp_path / "r")
    changed = tmp_path / "r" / "images" / image
    text = changed.read_text()
    assert old in text
    changed.write_text(text.replace(old, new))
    report = replayed(tmp_path / "r")
    assert report.differences != []
