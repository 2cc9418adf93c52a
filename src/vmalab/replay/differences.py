# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps what was not as recorded, with what stands around it."""

from typing import final

from vmalab.calls.format import format_call, format_result
from vmalab.calls.snapshot import Snapshot
from vmalab.replay.attempt import Attempt
from vmalab.replay.compare import around
from vmalab.replay.process_image import ImageState
from vmalab.replay.report import MAX_DIFFERENCES, Difference, ReplayReport
from vmalab.targets.model.identity import Mismatch
from vmalab.targets.model.model import NOT_MODELLED, ModelTarget
from vmalab.targets.model.reshape import reshape


def _at(mismatch: Mismatch) -> str:
    return f"another map: {mismatch.what} at {mismatch.at:#x}"


@final
class Differences:
    """Writes differences into a report."""

    def __init__(self, target: ModelTarget, report: ReplayReport) -> None:
        self._target = target
        self._report = report

    def add_call(self, index: int, attempt: Attempt) -> None:
        """A call's result or map. index: of the call among the memory calls."""
        if len(self._report.differences) >= MAX_DIFFERENCES:
            return
        call, mismatch = attempt.call, attempt.mismatch
        recorded = format_result(call.name, call.ret)
        answer = "not modelled"
        if attempt.predicted != NOT_MODELLED or call.ret == NOT_MODELLED:
            answer = format_result(call.name, attempt.predicted)
        if mismatch is not None and attempt.answered:
            answer += f", and {_at(mismatch)}"
        at = mismatch.at if mismatch is not None else call.args[0]
        state = attempt.state
        lines = [] if state.recorded is None else state.recorded.whole()
        near = around(state, lines, at)
        self._report.differences.append(
            Difference(index, call.line, state.name, format_call(call), recorded, answer, *near)
        )

    def add_map(self, state: ImageState, what: str, lines: Snapshot, mismatch: Mismatch) -> None:
        """A snapshot, which belongs to no call; the model takes it over."""
        self._report.map_differences += 1
        if len(self._report.differences) < MAX_DIFFERENCES:
            near = around(state, lines, mismatch.at)
            self._report.differences.append(
                Difference(-1, 0, state.name, what, "this map", _at(mismatch), *near)
            )
        if state.mm is not None and not state.finished:
            reshape(self._target.machine, self._target.identities, state.mm, lines)

    def add_counters(self, state: ImageState, what: str, recorded: str, counted: str) -> None:
        """Counters of a snapshot. recorded, counted: the values, as sentences have them."""
        if len(self._report.differences) < MAX_DIFFERENCES:
            self._report.differences.append(
                Difference(-1, 0, state.name, f"counters at the {what}", recorded, counted)
            )
