# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges memory calls: carries each out, compares with the record, and says how it ended.

A call ends as predicted, adopted with a reason, or different. What the recording has after a
difference, or an adoption, the model takes over before it goes on.
"""

from functools import partial
from typing import final

from mypy_extensions import i64

from vmalab.calls.call import Call
from vmalab.calls.ranges import Ranges
from vmalab.calls.snapshot import VmaLine
from vmalab.calls.table import EXECS, FORKS, OUTSIDE
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS
from vmalab.linux.include.uapi.sched import CLONE_NEWUSER
from vmalab.linux.include.uapi.unistd import NR_mremap
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.replay.attempt import Attempt, touched_by
from vmalab.replay.differences import Differences
from vmalab.replay.fault_history import FaultHistory
from vmalab.replay.map_steps import StepFollower
from vmalab.replay.memory_calls import (
    awaits_faults,
    clone_flags,
    has_failed,
    is_collapse,
    maps_file,
)
from vmalab.replay.never_written import takes_write_away
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.races import Races
from vmalab.replay.reasons import (
    DEVICE_MAPPING,
    FAILED_EXEC,
    FAULT_HISTORY,
    KILLED_CALL,
    RANDOM_PLACE,
    THREAD_RACE,
    UNKNOWN_CONFIG,
    UNKNOWN_FILE_SYSTEM,
    UNREAD_POINTER,
    UNSEEN_FD,
    Reasons,
)
from vmalab.replay.recorded_faults import apply_faults
from vmalab.replay.report import ReplayReport
from vmalab.replay.rights import Rights
from vmalab.replay.timeline import Timeline
from vmalab.replay.unknown_files import UnknownFiles
from vmalab.replay.unknown_layout import UnknownLayout
from vmalab.replay.unread_pointers import with_unreadable_mask
from vmalab.replay.usual_calls import Caller, UsualCalls, works_elsewhere
from vmalab.replay.usual_steps import captured, is_usual_step
from vmalab.targets.model.capture import Capture
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.unrecorded import Unrecorded


@final
class Judge:
    """Carries out and judges the memory calls of one recording.

    steps: the recorded maps' steps. differences: where it writes what was not as recorded.
    """

    def __init__(
        self,
        target: ModelTarget,
        report: ReplayReport,
        faults: FaultHistory,
        timeline: Timeline,
        observers: tuple[Observer, ...],
    ) -> None:
        self.differences = Differences(target, report)
        self._races = Races(target, faults, timeline)
        self.steps = StepFollower(target, self._races, self.differences, observers)
        self._target = target
        self._faults = faults
        self._unrecorded = Unrecorded(target)
        self._layout = UnknownLayout(target)
        self._files = UnknownFiles(target)
        self._rights = Rights(target)
        self._reasons = Reasons(
            target, self._unrecorded, faults, self._races, self._layout, self._files, self._rights
        )
        self._observers = observers
        self.usual_calls = UsualCalls(target, faults, self._rights)
        self._index = 0

    def usual(self, caller: Caller, call: Call) -> bool:
        """A call by registers: whether it was a usual one, and has been judged."""
        state, mm = caller.state, caller.mm
        stepping = state.recorded is not None
        if stepping:
            self.steps.catch_up(state, call.line)
        if self._races.any_early or not self.usual_calls.is_usual(caller, call):
            return False
        if state.faults_after < call.line:
            apply_faults(state, call.line, self._target.identities)
        watched = len(self._observers) > 0
        touched = touched_by(mm, call) if works_elsewhere(call) else None
        if touched is not None:
            state.touched = touched
        elif watched or stepping:
            state.touch_range(call)
        if watched:
            for observer in self._observers:
                observer.before(state, mm, call)
        self._foresee(state, mm, call)
        state.failed_exec = False
        self.usual_calls.assume(caller, call, touched)
        capture = None
        if stepping and self._faults.active:
            if state.shared or touched is not None:
                capture = self._races.capture(state, mm, call, state.touched)
            else:
                capture = captured(mm, call)
        predicted = self.usual_calls.carry_out(caller, call)
        self._faults.after(mm, call)
        figures = caller.figures
        figures.memory_calls += 1
        reason = None
        if not stepping and predicted == call.result:
            figures.predicted += 1
            figures.compared += 1
        else:
            if not stepping and not watched and touched is None:
                state.touch_range(call)
            reason = self._judge_usual(caller, call, predicted, touched, capture)
            figures.judged(call, reason)
        state.answer = int(call.result)
        if watched:
            for observer in self._observers:
                observer.after(state, mm, call, reason)
        self.usual_calls.note_passed(caller, call)
        self._index += 1
        return True

    def call(self, state: ImageState, call: Call) -> None:
        """A memory call of an image."""
        report = state.report
        if report is None or state.mm is None:
            if state.mm is not None and not call.row.family & (FORKS | EXECS):
                self._target.apply(call)
            return
        report.figures.memory_calls += 1
        if state.recorded is not None:
            self.steps.catch_up(state, call.line)
        mm = state.mm
        apply_faults(state, call.line, self._target.identities)
        state.touched = touched_by(mm, call)
        for observer in self._observers:
            observer.before(state, mm, call)
        self._foresee(state, mm, call)
        attempt = Attempt(state, mm, call)
        state.failed_exec = False
        reason = self._judge(attempt)
        state.answer = attempt.predicted if call.ret is None else call.ret
        for observer in self._observers:
            observer.after(state, mm, call, reason)
        report.figures.judged(call, reason)
        self._rights.passed(call)
        self._index += 1

    def other(self, state: ImageState, call: Call) -> None:
        """A call that is no memory call, unless the map changed at its exit."""
        state.failed_exec = call.row.family & EXECS != 0 and has_failed(call)
        if state.mm is not None:
            self._foresee(state, state.mm, call)
            if call.row.family & OUTSIDE and state.report is not None and has_failed(call):
                for observer in self._observers:
                    observer.refused(state, state.mm, call)
        if state.recorded is not None and state.report is not None:
            self.steps.catch_up(state, call.line)
            step = self.steps.step_of(state, call)
            if step is not None and not state.shared:
                self.call(state, call)
                return
            if step is not None and state.mm is not None:
                # This call's doing, or that of another thread, seen at its end.
                self._faults.assume(state.mm, [(line.start, line.end) for line in step.new])
                self._target.follow(call)
                self.steps.background(state, step)
                return
        mm = state.mm if self._target.closes_userfaultfd(call) else None
        if mm is None or state.report is None:
            self._target.follow(call)
            return
        if state.recorded is not None:
            self._faults.assume(mm, None)
        state.touched = None
        for observer in self._observers:
            observer.before(state, mm, call)
        self._target.follow(call)
        for observer in self._observers:
            observer.after(state, mm, call, None)

    def _foresee(self, state: ImageState, mm: Mm, call: Call) -> None:
        """What a call, and those of other threads that are under way, show of memory before it."""
        self._faults.before(mm, call)
        if state.shared and self._faults.awaits:
            for other in self._races.under_way(state, call.line):
                self._faults.also(mm, other)

    # One call: each of these answers None (predicted), "" (different) or the reason for adopting.

    def _judge(self, attempt: Attempt) -> str | None:
        mm, call = attempt.mm, attempt.call
        if call.row.family & (FORKS | EXECS):
            return self._task_call(attempt)
        learnt = unseen = drawn = False
        early = self._races.take_early(call)
        if early is None:
            unseen = self._supply_fd(attempt.state, call)
            drawn = self._unrecorded.learns_compat_base(mm, call)
            if maps_file(call):
                at = partial(self._line_of, attempt.state, call)
                learnt = self._files.learn_stacked(call, at)
            learnt |= self._files.learn(call, self.steps.step_of(attempt.state, call))
            self._carry_out(attempt)
        else:
            attempt.answer(early)
        self._faults.after(mm, call)
        reason = self._judged(attempt)
        if learnt and reason is None:
            return UNKNOWN_CONFIG if call.args[3] & MAP_ANONYMOUS else UNKNOWN_FILE_SYSTEM
        if drawn and reason is None:
            return RANDOM_PLACE
        if attempt.unread and reason is None:
            return UNREAD_POINTER
        return UNSEEN_FD if unseen and reason != "" else reason

    def _judge_usual(
        self,
        caller: Caller,
        call: Call,
        predicted: i64,
        touched: Ranges | None,
        capture: Capture | None,
    ) -> str | None:
        """Return the verdict on a usual call whose map is to be compared, or that went otherwise.

        touched: None where it may change no more than its range, and where it has mapped.
        """
        state = caller.state
        step = None if state.recorded is None else self.steps.take(state, call)
        if predicted == call.result and touched is None:
            if is_usual_step(state, call, step, self._target.identities):
                if step is not None:
                    if capture is not None and takes_write_away(call):
                        self._faults.learn_from(capture.copies, state.touched or [])
                    self.steps.count(state, True)
                if capture is not None:
                    capture.release()
                return None
        attempt = Attempt(state, caller.mm, call)
        attempt.capture, attempt.step = capture, step
        attempt.answer(int(predicted))
        return self._judged(attempt)

    def _judged(self, attempt: Attempt) -> str | None:
        """Return the verdict on a call that has been carried out; its capture is given back."""
        try:
            return self._verdict(attempt)
        finally:
            if attempt.capture is not None:
                attempt.capture.release()

    def _carry_out(self, attempt: Attempt) -> None:
        """Make the call, in memory that had the faults which are supposed by then."""
        mm, call = attempt.mm, attempt.call
        self._faults.assume(mm, attempt.touched)
        if is_collapse(call):
            self._faults.populate(mm, attempt.touched)
        if attempt.state.recorded is None:
            captured = has_failed(call)
        else:
            captured = self._faults.active
        if captured:
            attempt.capture = self._races.capture(attempt.state, mm, call, attempt.touched)
        masked = with_unreadable_mask(mm, call)
        attempt.unread = masked is not None
        attempt.answer(self._target.apply(call if masked is None else masked))
        awaited = awaits_faults(call)
        if awaited is not None:
            self._faults.await_faults(mm, *awaited)

    def _verdict(self, attempt: Attempt) -> str | None:
        """Compare what came of the call; what is not as recorded is explained, or a difference."""
        state = attempt.state
        if state.recorded is not None:
            if attempt.step is None:
                attempt.step = self.steps.take(state, attempt.call)
            attempt.compare(self._target.identities)
        if state.shared and not attempt.as_recorded:
            self._races.resolve(attempt)
        reason = None if attempt.as_recorded else self._adopt(attempt)
        if attempt.step is not None:
            if reason is None and attempt.capture is not None and attempt.touched is not None:
                self._learn(attempt.call, attempt.capture.copies, attempt.touched)
            self.steps.count(state, reason != "")
        return reason

    def _adopt(self, attempt: Attempt) -> str:
        """Go on from what was recorded: the reason for it, "" for a difference."""
        reason = self._reasons.explain(attempt)
        if not reason:
            self.differences.add_call(self._index, attempt)
        if reason != FAULT_HISTORY:
            self._take_over(attempt, reason)
        return reason

    def _learn(self, call: Call, before: list[Vma], touched: Ranges) -> None:
        """What a call that was predicted shows of faults, or makes depend on them.

        before: copies of VMAs as they were.
        """
        if takes_write_away(call):
            self._faults.learn_from(before, touched)
        elif call.row.number == NR_mremap and call.ret is not None and call.ret != call.args[0]:
            self._faults.note_move(before, call.args[0], call.ret, call.args[2])

    def _supply_fd(self, state: ImageState, call: Call) -> bool:
        """Give a mapping's descriptor a file when the log does not show its opening."""
        if not maps_file(call):
            return False
        line = None
        if call.ret is not None and not self._unrecorded.knows_fd(call):
            line = self._line_of(state, call, call.ret)
        return self._unrecorded.supply_fd(call, line)

    def _line_of(self, state: ImageState, call: Call, addr: int) -> VmaLine | None:
        """Return what the next map shows at an address."""
        step = self.steps.step_of(state, call)
        if step is None:
            return state.line_after(call.line, addr)
        return step.line_at(addr)

    def _task_call(self, attempt: Attempt) -> str | None:
        """Return a fork or an exec: its effect was installed when the events told of it."""
        state, call = attempt.state, attempt.call
        if call.ret is None:
            return None if call.restarts else KILLED_CALL
        if call.row.family & EXECS:
            return self._exec(attempt)
        attempt.predicted = call.ret
        if call.ret > 0:
            if clone_flags(call) & CLONE_NEWUSER:
                self._target.enter_user_ns(call.ret)
            attempt.mismatch = state.fork_trouble.pop(call.ret, None)
        else:
            attempt.predicted = self._target.try_fork(call)
            if attempt.predicted >= 0:
                return self._reasons.of_refused_fork(attempt)
        if attempt.as_recorded:
            return None
        self.differences.add_call(self._index, attempt)
        return ""

    def _exec(self, attempt: Attempt) -> str | None:
        """Return an exec; one that fails may have replaced the map all the same.

        Past its point of no return it ends the process, and leaves what it had made by then.
        """
        state, call = attempt.state, attempt.call
        step = self.steps.step_of(state, call) if has_failed(call) else None
        if step is None:
            return None
        self.steps.apply(state, step)
        self.steps.reshape(state)
        return FAILED_EXEC

    def lose_track(self, lost: bool) -> None:
        """Note that calls have been left out of the log, if so: what they mapped is not known."""
        self._layout.elided |= lost

    def _take_over(self, attempt: Attempt, reason: str) -> None:
        """Bring the model in line with what was recorded."""
        state, mm, call = attempt.state, attempt.mm, attempt.call
        if reason == DEVICE_MAPPING and call.name == "mmap" and not has_failed(call):
            line = None if call.ret is None else self._line_of(state, call, call.ret)
            self._unrecorded.place_device(call, line)
        elif not attempt.answered:
            if has_failed(call) and attempt.capture is not None:
                attempt.undo()
            else:
                self._layout.force(attempt)
        elif reason == THREAD_RACE and state.tear():
            return
        if state.recorded is not None:
            self.steps.reshape(state)
        if call.name == "brk" and call.ret is not None and 0 <= call.ret < TASK_SIZE_5LEVEL:
            mm.brk = call.ret
            if mm.start_brk == 0 or mm.brk < mm.start_brk:
                mm.start_brk = mm.brk
