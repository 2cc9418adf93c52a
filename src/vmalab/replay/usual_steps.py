# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures the memory of a usual call, and compares it with the recorded map, as plain numbers.

Nearly always all is as recorded: no list is made to see it. What is not so at once is compared
again at length, as after any other call.
"""

from mypy_extensions import i64

from vmalab.calls.call import Call
from vmalab.calls.ranges import register_range
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.steps import Step
from vmalab.replay.memory_calls import is_at_its_range
from vmalab.replay.process_image import WHOLE_EVERY, ImageState
from vmalab.replay.recorded_map import RecordedMap
from vmalab.targets.model.capture import Capture
from vmalab.targets.model.identity import Identities


def captured(mm: Mm, call: Call) -> Capture:
    """Keep the memory that a usual call may touch.

    Preconditions: it changes no more than its range, and where it has mapped.
    """
    capture = Capture(mm)
    start, end = register_range(call.a0, call.a1)
    if not is_at_its_range(call):
        low, high = register_range(call.result, call.a1)
        if low < start:
            low, high, start, end = start, end, low, high
        capture.add(start, end)
        start, end = low, high
    capture.add(start, end)
    return capture


def is_usual_step(state: ImageState, call: Call, step: Step | None, identities: Identities) -> bool:
    """Return whether the map is the recorded one after a usual call, where it has been at work.

    False, and nothing has been counted, also where that takes a closer look: see `compare_ranges`.
    Preconditions: as above; the step of the call, if any, has been applied.
    """
    recorded, mm = state.recorded, state.mm
    if recorded is None or mm is None or mm.map_count != len(recorded):
        return False
    if state.since_whole + 1 >= WHOLE_EVERY:
        if not recorded.is_map_of(mm, 0, TASK_SIZE_5LEVEL, identities):
            return False
        state.since_whole = state.torn = 0
        return True
    start, end = register_range(call.a0, call.a1)
    if not is_at_its_range(call):
        asked = end
        if not _is_map_of(recorded, mm, start, end, identities):
            return False
        start, end = register_range(call.result, call.a1)
        if start < asked:
            return False
    if step is not None:
        if start >= end or end < step.low or step.high < start:
            return False
        start = min(start, step.low)
        end = max(end, step.high)
    if not _is_map_of(recorded, mm, start, end, identities):
        return False
    state.since_whole += 1
    return True


def _is_map_of(recorded: RecordedMap, mm: Mm, start: i64, end: i64, identities: Identities) -> bool:
    """Return whether all is as recorded in a range or next to it; nothing is, of an empty one."""
    return start >= end or recorded.is_map_of(mm, start, end, identities)
