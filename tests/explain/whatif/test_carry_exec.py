# SPDX-License-Identifier: GPL-2.0-or-later
"""A what-if with another layout: what exec mapped is carried along, and calls on it pass."""

from pathlib import Path

import pytest

from vmalab.explain.whatif.changes import Changes
from vmalab.explain.whatif.second_machine import Shadow
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

from .test_second_machine import Leading, ignore

DATA = Path(__file__).resolve().parents[2] / "data" / "layout"

# As many VMAs as each program had under setarch -L, and with ulimit -s unlimited.
LEGACY = Changes(sysctl={"vm.legacy_va_layout": 1})
UNLIMITED = Changes(rlimits={"STACK": RLIM_INFINITY})


@pytest.mark.parametrize(
    ("name", "changes", "vmas", "lowest"),
    [
        ("cat", LEGACY, 35, 0x2AAA_AAAA_B000),
        ("cat", UNLIMITED, 36, 0x1000_0000_0000),
        ("bash", LEGACY, 41, 0x2AAA_AAAA_B000),
        ("bash", UNLIMITED, 42, 0x1000_0000_0000),
    ],
)
def test_another_layout(name: str, changes: Changes, vmas: int, lowest: int) -> None:
    leading = Leading()
    replay = Replay(RecordingFiles(str(DATA / name)), Options(observers=(leading,)))
    leading.shadow = Shadow(replay.target, replay.faults, changes, ignore)
    replay.target.listener = leading.shadow
    assert replay.run().total.differ == 0
    assert all(answer is None or answer >= 0 for answer in leading.answers.values())
    assert len(leading.lines) == vmas
    loader = next(line for line in leading.lines if "ld-linux" in line.name)
    assert lowest <= loader.start < 0x5555_0000_0000
