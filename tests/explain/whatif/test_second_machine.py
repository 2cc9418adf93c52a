# SPDX-License-Identifier: GPL-2.0-or-later
"""A what-if as another kernel does what that kernel did when the same calls were recorded on it."""

from pathlib import Path

import pytest

from vmalab.calls.call import Call
from vmalab.calls.snapshot import Snapshot
from vmalab.explain.whatif.changes import Changes
from vmalab.explain.whatif.second_machine import Shadow
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay

ROOT = Path(__file__).resolve().parents[3]
ON_6_18 = ROOT / "examples" / "dense-1"
DATA = ROOT / "tests" / "data"
# All calls of the stream are made in these addresses; the rest is the worker's own program.
WINDOW = range(0x10000000, 0x10200000)
# Whether pages are dirty is tracked on one of the two machines only.
SOFT_DIRTY = "sd"


class Leading(Observer):
    """Leads a shadow; notes what each call answers there, and its map at the end."""

    def __init__(self) -> None:
        self.shadow: Shadow | None = None
        self.answers: dict[int, int | None] = {}
        self.lines: Snapshot = []

    def began(self, state: ImageState, mm: Mm) -> None:
        assert self.shadow is not None
        self.shadow.observed(mm)

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        assert self.shadow is not None
        self.shadow.judging(state, call)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        assert self.shadow is not None
        self.answers[call.line] = self.shadow.judged(state, mm, call, reason).result

    def ended(self, state: ImageState, mm: Mm) -> None:
        assert self.shadow is not None
        other = self.shadow.other(mm)
        assert other is not None
        self.lines = self.shadow.target.lines(other)


def ignore(state: ImageState | None, call: Call, reason: str) -> None:
    """Nothing is doubtful: no address depends on what a call has answered."""
    raise AssertionError((call, reason))


@pytest.mark.parametrize(
    ("version", "name"), [("5.10", "streams/linux-5.10-dense-1"), ("6.1", "dense-1-linux-6.1")]
)
def test_another_kernel_as_recorded_there(version: str, name: str) -> None:
    leading = Leading()
    replay = Replay(RecordingFiles(str(ON_6_18)), Options(observers=(leading,)))
    leading.shadow = Shadow(replay.target, replay.faults, Changes(kernel=version), ignore)
    replay.target.listener = leading.shadow
    assert replay.run().total.differ == 0

    recording = RecordingFiles(str(DATA / name))
    assert recording.meta.release.startswith(f"{version}.")
    # Where the heap of the worker's program is depends on how that was linked.
    recorded = {
        call.line: call.ret
        for call in recording.log()
        if isinstance(call, Call) and call.name != "brk"
    }
    wrong = {line: ret for line, ret in leading.answers.items() if recorded.get(line, ret) != ret}
    assert len(recorded) > 1990
    assert len(leading.answers) == 2000
    assert wrong == {}

    [image] = recording.images.values()
    final = image.final()
    assert final is not None
    assert shown(leading.lines) == shown(final)


def shown(lines: Snapshot) -> list[tuple[object, ...]]:
    """What two maps have to have in common."""
    return [
        (
            line.start,
            line.end,
            line.perms,
            [word for word in line.flags or () if word != SOFT_DIRTY],
        )
        for line in lines
        if line.start in WINDOW
    ]
