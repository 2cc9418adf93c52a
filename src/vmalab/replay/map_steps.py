# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows the recorded steps of an image's map: those of calls, and those that no call made."""

from typing import final

from vmalab.calls.call import Call
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.mm.vma.stack import expand_downwards
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.recording.format.steps import Step
from vmalab.replay.compare import compare_ranges
from vmalab.replay.differences import Differences
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.races import Races
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.reshape import reshape


@final
class StepFollower:
    """Brings recorded maps up to date, and explains changes that came without a call."""

    def __init__(
        self,
        target: ModelTarget,
        races: Races,
        differences: Differences,
        observers: tuple[Observer, ...],
    ) -> None:
        self._differences = differences
        self._target = target
        self._races = races
        self._observers = observers

    def step_of(self, state: ImageState, call: Call) -> Step | None:
        """Return the step that was seen at the exit of a call, if its map changed."""
        step = state.peek_step()
        if step is None or step.which != "X" or step.line != call.line or step.tid != call.tid:
            return None
        return step

    def take(self, state: ImageState, call: Call) -> Step | None:
        """Make the step that was seen at the exit of a call, if any. Errors: ReadError as below."""
        step = self.step_of(state, call)
        if step is not None:
            self.apply(state, step)
        return step

    def apply(self, state: ImageState, step: Step) -> None:
        """Make a step in the recorded map. Errors: ReadError when it does not fit the map."""
        assert state.recorded is not None
        state.take_step()
        try:
            state.recorded.apply(step)
        except ValueError as error:
            raise state.unusable_steps(str(error)) from None

    def catch_up(self, state: ImageState, line: int) -> None:
        """Make the steps that were seen before a line of the log."""
        while True:
            step = state.peek_step()
            if step is None or step.line >= line:
                return
            self.background(state, step)

    def catch_up_with_faults(self, state: ImageState, line: int) -> None:
        """Make the steps that were seen at the entry of a call behind a line of the log."""
        step = state.peek_step()
        while step is not None and step.which == "E" and step.line <= line:
            self.background(state, step)
            step = state.peek_step()

    def background(self, state: ImageState, step: Step) -> None:
        """A change that no call of this thread made: a stack grew, another thread was at work."""
        self.apply(state, step)
        span = (int(step.low), int(step.high))
        mm = state.mm
        if mm is None:
            return
        identities = self._target.identities
        mismatch = compare_ranges(state, [span], identities)
        if mismatch is not None:
            self._grow_stacks(mm, step)
            mismatch = compare_ranges(state, [span], identities)
        if mismatch is not None and state.shared:
            mismatch = self._races.catch_up(state, step.line, [span], mismatch)
        self.count(state, mismatch is None)
        if mismatch is not None:
            torn = state.tear()
            if state.report is not None:
                self._differences.add_step(state, step.line, mismatch, torn=torn)
            if not torn:
                self.reshape(state)
        for observer in self._observers:
            observer.changed(state, mm, step.line, span)

    def count(self, state: ImageState, identical: bool) -> None:
        """Count a step that has been compared."""
        if state.report is not None:
            figures = state.report.figures
            figures.steps += 1
            figures.steps_identical += identical

    def reshape(self, state: ImageState) -> None:
        """Make the model's map be the recorded one."""
        if state.mm is not None and state.recorded is not None:
            lines = state.recorded.whole()
            reshape(self._target.machine, self._target.identities, state.mm, lines)

    def _grow_stacks(self, mm: Mm, step: Step) -> None:
        """Faults below stacks, as far as the step shows them to have grown."""
        for line in step.new:
            vma = vma_lookup(mm, line.end - 1) if line.end < TASK_SIZE_5LEVEL else None
            if vma is not None and vma.vm_end == line.end and line.start < vma.vm_start:
                expand_downwards(vma, line.start)
