# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps what was not as recorded, with what stands around it."""

from typing import final

from vmalab.calls.format import format_call, format_result
from vmalab.calls.snapshot import Snapshot
from vmalab.replay.attempt import Attempt
from vmalab.replay.causes import cause_of
from vmalab.replay.compare import around
from vmalab.replay.process_image import ImageState
from vmalab.replay.report import MAX_DIFFERENCES, Difference, ReplayReport
from vmalab.targets.model.identity import Mismatch
from vmalab.targets.model.model import NOT_MODELLED, ModelTarget
from vmalab.targets.model.reshape import reshape


def _at(mismatch: Mismatch) -> str:
    detail = f" ({mismatch.detail})" if mismatch.detail else ""
    return f"another map: {mismatch.what} at {mismatch.at:#x}{detail}"


def _placed(found: Difference, mismatch: Mismatch, cause: str = "") -> Difference:
    """Return a difference with the place where the map differs first."""
    return found._replace(at=mismatch.at, what=mismatch.what, detail=mismatch.detail, cause=cause)


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
        found = Difference(index, call.line, state.name, format_call(call), recorded, answer, *near)
        self._report.differences.append(found if mismatch is None else _placed(found, mismatch))

    def add_map(self, state: ImageState, what: str, lines: Snapshot, mismatch: Mismatch) -> None:
        """A snapshot, which belongs to no call; the model takes it over."""
        self._report.map_differences += 1
        if len(self._report.differences) < MAX_DIFFERENCES:
            self._report.differences.append(self._of_map(state, 0, what, lines, mismatch))
        if state.mm is not None and not state.finished:
            reshape(self._target.machine, self._target.identities, state.mm, lines)

    def add_step(self, state: ImageState, line: int, mismatch: Mismatch, *, torn: bool) -> None:
        """A change of the map by no call, seen after a line of the log.

        torn: the map may have been read while another thread changed it; that is noted only.
        """
        notes = self._report.notes
        if torn and len(notes) < MAX_DIFFERENCES:
            why = "it was read while another thread changed it"
            notes.append(f"{state.name}, the map after line {line}: {_at(mismatch)}; {why}")
        if torn:
            return
        if len(self._report.differences) < MAX_DIFFERENCES and state.recorded is not None:
            lines = state.recorded.whole()
            what = "a change of the map by no call"
            self._report.differences.append(self._of_map(state, line, what, lines, mismatch))

    def _of_map(
        self, state: ImageState, line: int, what: str, lines: Snapshot, mismatch: Mismatch
    ) -> Difference:
        near = around(state, lines, mismatch.at)
        found = Difference(-1, line, state.name, what, "this map", _at(mismatch), *near)
        alone = not self._report.differences
        return _placed(found, mismatch, cause_of(mismatch) if alone else "")

    def add_counters(self, state: ImageState, what: str, recorded: str, counted: str) -> None:
        """Counters of a snapshot. recorded, counted: the values, as sentences have them."""
        if len(self._report.differences) < MAX_DIFFERENCES:
            self._report.differences.append(
                Difference(-1, 0, state.name, f"counters at the {what}", recorded, counted)
            )
