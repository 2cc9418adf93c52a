# SPDX-License-Identifier: GPL-2.0-or-later
"""What is put down to calls by their registers is what their ranges put down to them."""

from pathlib import Path

import pytest

from vmalab.calls.call import Call
from vmalab.explain.blame.origin_map import OriginMap
from vmalab.explain.blame.origins import Origin, Past, Traced
from vmalab.explain.blame.watcher import START, Blame, placed
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay

from ...region_calls import region_calls


def shown(traced: Traced) -> tuple[object, ...]:
    """All that is known of a VMA's origins, by the lines of their calls."""
    last = None if traced.last is None else traced.last.line
    ends = (traced.born.line, traced.how, traced.low.line, traced.high.line, last)
    return (traced.start, traced.end, traced.flags, traced.number, *ends, lived(traced.past))


def lived(past: Past | None) -> tuple[object, ...] | None:
    """A VMA's latest event."""
    return None if past is None else (past.origin.line, past.what, past.span, len(past.before))


class Ranged(Observer):
    """Looks at all ranges that a call may have changed, and compares with what blame has."""

    def __init__(self, blame: Blame, *, lives: bool) -> None:
        self.blame = blame
        self.lives = lives
        self.map = OriginMap(lives)
        self.compared = 0

    def began(self, state: ImageState, mm: Mm) -> None:
        self.map = OriginMap(self.lives)
        self.map.begin(mm, Origin(0, 0, START, None))

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        fresh, moved = placed(call)
        spans = [fresh] if call.name == "mmap" and fresh is not None else state.touched
        self.map.sync(mm, spans, Origin(0, call.line, call.spelling, call), fresh, moved)
        vmas = self.blame.moment(state.name).vmas
        assert [shown(one) for one in vmas] == [shown(one) for one in self.map.vmas]
        self.compared += 1

    def ended(self, state: ImageState, mm: Mm) -> None:
        [moment] = self.blame.moments(peak=True)
        assert moment.line == self.map.most_line
        assert [shown(one) for one in moment.vmas] == [shown(one) for one in self.map.at_peak()]


@pytest.mark.parametrize("lives", [False, True], ids=["origins", "lives"])
@pytest.mark.parametrize("seed", range(6))
def test_registers_and_ranges(tmp_path: Path, seed: int, lives: bool) -> None:
    log = tmp_path / "log"
    log.write_text(region_calls(f"origins {seed}", 300))
    blame = Blame(lives=lives)
    ranged = Ranged(blame, lives=lives)
    report = Replay(RecordingFiles(str(log)), Options(observers=(blame, ranged))).run()
    assert report.total.differ == 0
    assert ranged.compared > 300
