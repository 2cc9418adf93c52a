# SPDX-License-Identifier: GPL-2.0-or-later
"""Usual calls that the second machine makes as plain numbers end as those told at length."""

from pathlib import Path
from typing import Any

import pytest

from vmalab.explain.whatif.changes import Changes, Pattern
from vmalab.explain.whatif.comparison import Comparing, WhatIf
from vmalab.explain.whatif.second_machine import Shadow
from vmalab.explain.whatif.second_origins import SecondOrigins
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

from ...region_calls import region_calls

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = [path.parent.name for path in sorted((ROOT / "examples").glob("*/meta.json"))]
THOUSANDS = ("dense-1", "python-rlimit-as")
CHANGES = {
    "nothing": Changes(),
    "few VMAs": Changes(sysctl={"vm.max_map_count": 24}),
    "little memory": Changes(rlimits={"DATA": 1 << 19}),
    "an old kernel": Changes(kernel="5.10"),
    "calls left out": Changes(drops=(Pattern("madvise"),)),
    "guard regions": Changes(kernel="7.0", guards=True),
}


def told(path: Path, changes: Changes, *, at_length: bool) -> tuple[Any, ...]:
    """Everything that is found of a what-if, and the last map of each process in it."""
    found, origins = WhatIf(str(path), "", ""), SecondOrigins()
    comparing = Comparing(found, origins)
    replay = Replay(RecordingFiles(str(path)), Options(observers=(comparing,)))
    replay.judge.usual_calls.at_length = at_length
    shadow = Shadow(replay.target, replay.faults, changes, comparing.doubt)
    comparing.shadow = shadow
    replay.target.listener = shadow
    report = replay.run()
    comparing.finish()
    images = [
        (
            image.name,
            image.identical,
            [side.series.all() for side in (image.recorded, image.other)],
            [(side.most, side.at_end) for side in (image.recorded, image.other)],
            [(vma.start, vma.end, vma.born.line) for vma in origins.at_peak(image.name)],
        )
        for image in found.images
    ]
    found.images = []
    return found, images, report.total.predicted, report.total.adopted_reasons


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "name",
    [
        # Calls by the thousand.
        pytest.param(name, marks=[pytest.mark.slow] if name in THOUSANDS else [])
        for name in EXAMPLES
    ],
)
def test_examples(name: str, change: str) -> None:
    path = ROOT / "examples" / name
    quick = told(path, CHANGES[change], at_length=False)
    assert quick == told(path, CHANGES[change], at_length=True)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "seed", [0, 1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_random_calls(tmp_path: Path, seed: int, change: str) -> None:
    log = tmp_path / "log"
    log.write_text(region_calls(f"what if {seed}", 400, forks=True))
    quick = told(log, CHANGES[change], at_length=False)
    assert quick == told(log, CHANGES[change], at_length=True)
