# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of several threads at once: a log tells when each began and ended, not when it took effect.

Where the map shows that a call of another thread, still under way, has taken effect already, that
call is carried out early. It is judged when its turn comes, by the result it gave then.
"""

from typing import final

from vmalab.calls.call import Call
from vmalab.calls.ranges import EVERYWHERE, Ranges
from vmalab.calls.table import EXECS, FORKS
from vmalab.linux.types.mm_types import Mm
from vmalab.replay.attempt import Attempt
from vmalab.replay.compare import compare_ranges
from vmalab.replay.fault_history import FaultHistory
from vmalab.replay.memory_calls import is_memory_call, ranges_of
from vmalab.replay.process_image import ImageState
from vmalab.replay.timeline import Timeline
from vmalab.targets.model.capture import Capture
from vmalab.targets.model.identity import Mismatch
from vmalab.targets.model.model import ModelTarget


@final
class Races:
    """Orders the overlapping calls of one recording's threads as its maps show."""

    def __init__(self, target: ModelTarget, faults: FaultHistory, timeline: Timeline) -> None:
        self._target = target
        self._faults = faults
        self._timeline = timeline
        # What calls answered that were carried out before their turn, by thread and first line.
        self._early: dict[tuple[int, int], int] = {}

    @property
    def any_early(self) -> bool:
        """Whether calls that have been carried out are still to be judged."""
        return len(self._early) > 0

    def take_early(self, call: Call) -> int | None:
        """Return what a call answered when it was carried out early, None if it was not."""
        return self._early.pop((call.tid, call.entry_line), None) if self._early else None

    def under_way(self, state: ImageState, line: int) -> list[Call]:
        """Calls of the image that began by a line, end after it, and have not been carried out."""
        if not state.shared:
            return []
        return [
            call
            for call in self._timeline.under_way(line)
            if (call.tid, call.entry_line) not in self._early
            and self._target.mm(call.tid) is state.mm
            and not call.row.family & (FORKS | EXECS)
            and is_memory_call(call)
            and self._target.models(call.name)
        ]

    def capture(self, state: ImageState, mm: Mm, call: Call, touched: Ranges | None) -> Capture:
        """Keep the memory that a call may touch, or another thread's call that is under way."""
        spans = [*(EVERYWHERE if touched is None else touched)]
        for other in self.under_way(state, call.line):
            spans += ranges_of(other) or []
        return Capture(mm, spans)

    def overlaps(self, state: ImageState, call: Call) -> bool:
        """Return whether calls of other threads overlap this one in the log."""
        if call.entry_line < state.last_other_line(call.tid):
            return True
        return any(
            other.tid != call.tid and self._target.mm(other.tid) is state.mm
            for other in self._timeline.under_way(call.line)
        )

    def catch_up(
        self, state: ImageState, line: int, windows: Ranges | None, mismatch: Mismatch
    ) -> Mismatch | None:
        """Carry out calls under way at a line until the map is as recorded, or none helps."""
        found: Mismatch | None = mismatch
        calls = self.under_way(state, line)
        progress = True
        while found is not None and progress and calls:
            progress = False
            for call in calls:
                after = self._try_early(state, call, windows, found)
                if after is None or after.at > found.at:
                    found = after
                    calls.remove(call)
                    progress = True
                    break
        return found

    def _try_early(
        self, state: ImageState, call: Call, windows: Ranges | None, before: Mismatch
    ) -> Mismatch | None:
        """Carry a call out, and take it back unless the map is more like the recorded one."""
        mm = state.mm
        spans = ranges_of(call)
        if mm is None or spans is None:
            return before
        self._faults.also(mm, call)
        self._faults.assume(mm, spans)
        capture = Capture(mm, spans)
        answer = self._target.apply(call)
        found = compare_ranges(state, windows, self._target.identities)
        if found is None or found.at > before.at:
            self._keep(call, answer)
        else:
            capture.restore(ranges_of(call, answer) or spans)
        capture.release()
        return found

    def _keep(self, call: Call, answer: int) -> None:
        """A call has been carried out before its turn, and that stands."""
        self._early[(call.tid, call.entry_line)] = answer
        if self._target.listener is not None:
            self._target.listener.kept(call)

    def resolve(self, attempt: Attempt) -> None:
        """Let calls under way take effect after this one, or before it, where that explains it."""
        state, call = attempt.state, attempt.call
        if attempt.answered and attempt.mismatch is not None:
            attempt.mismatch = self.catch_up(state, call.line, attempt.windows, attempt.mismatch)
        elif attempt.capture is not None and attempt.touched is not None:
            self._reorder(attempt)

    def _reorder(self, attempt: Attempt) -> None:
        """Try each of the other threads' calls before this one."""
        identities = self._target.identities
        for other in self.under_way(attempt.state, attempt.call.line):
            spans = ranges_of(other)
            if spans is None:
                continue
            attempt.undo()
            answer = self._target.apply(other)
            again = self._target.apply(attempt.call)
            found = compare_ranges(attempt.state, attempt.windows, identities)
            if again == attempt.call.ret and found is None:
                self._keep(other, answer)
                attempt.predicted, attempt.mismatch = again, None
                return
            assert attempt.capture is not None
            attempt.capture.restore([*spans, *(ranges_of(other, answer) or [])])
            attempt.touched = [*(attempt.touched or []), *(ranges_of(attempt.call, again) or [])]
        attempt.undo()
        self._target.apply(attempt.call)
