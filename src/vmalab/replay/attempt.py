# SPDX-License-Identifier: GPL-2.0-or-later
"""One memory call under judgement: what it may touch, what it answered, how the map compares."""

from typing import final

from vmalab.calls.call import Call
from vmalab.calls.ranges import EVERYWHERE, Ranges
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE, TASK_SIZE_5LEVEL
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.steps import Step
from vmalab.replay.compare import compare_ranges
from vmalab.replay.memory_calls import ranges_of
from vmalab.replay.process_image import ImageState
from vmalab.targets.model.capture import Capture
from vmalab.targets.model.identity import Identities, Mismatch
from vmalab.targets.model.model import NOT_MODELLED


def touched_by(mm: Mm, call: Call, predicted: int | None = None) -> Ranges | None:
    """Return what a call may change, in bytes; None: anything.

    See `ranges_of`; for brk, the heap. `ImageState.touched` holds it for the call at hand.
    """
    if call.name != "brk":
        return ranges_of(call, predicted)
    ends = [mm.start_brk, mm.brk]
    if call.ret is not None and 0 <= call.ret < TASK_SIZE_5LEVEL:
        ends.append(call.ret)
    return [(min(ends) & PAGE_MASK, (max(ends) + PAGE_SIZE - 1) & PAGE_MASK)]


def _covers(span: tuple[int, int], ranges: Ranges) -> bool:
    """Return whether a span holds the only one of some ranges."""
    if len(ranges) != 1:
        return False
    start, end = ranges[0]
    return span[0] <= start and end <= span[1]


@final
class Attempt:
    """A call of an image, from before it is carried out until it is judged.

    touched: what it may change, also by an answer that is not the recorded one. predicted: what it
    answered. windows: where to compare the map; None: everywhere. mismatch: the first place where
    the map differs, if any. step: the changed map that the recording shows after it, if any.
    unread: whether its answer was taken to mean that an argument could not be read. capture: the
    memory before it.
    """

    def __init__(self, state: ImageState, mm: Mm, call: Call) -> None:
        self.state = state
        self.mm = mm
        self.call = call
        self.predicted = NOT_MODELLED
        self.capture: Capture | None = None
        self.touched = state.touched
        self.windows: Ranges | None = None
        self.step: Step | None = None
        self.unread = False
        self.mismatch: Mismatch | None = None

    def answer(self, predicted: int) -> None:
        """Note what the call answered; another answer than the recorded one touches more."""
        self.predicted = predicted
        if predicted != self.call.ret:
            self.touched = touched_by(self.mm, self.call, predicted)

    def compare(self, identities: Identities) -> None:
        """Compare the map with the recorded one."""
        step, touched = self.step, self.touched
        self.windows = touched
        if step is not None and touched is not None:
            span = (int(step.low), int(step.high))
            self.windows = [span] if _covers(span, touched) else [*touched, span]
        self.mismatch = compare_ranges(self.state, self.windows, identities)

    @property
    def answered(self) -> bool:
        """Whether the result is the recorded one; a call that never returned has none."""
        return self.call.ret is None or self.predicted == self.call.ret

    @property
    def as_recorded(self) -> bool:
        """Whether result and map are."""
        return self.answered and self.mismatch is None

    def undo(self) -> None:
        """Put the memory back as it was before the call. Preconditions: it was captured."""
        assert self.capture is not None
        self.capture.restore([*(EVERYWHERE if self.touched is None else self.touched)])
