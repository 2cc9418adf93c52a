# SPDX-License-Identifier: GPL-2.0-or-later
"""Replays a recording: drives the model through its calls and its processes, and compares.

The tree of processes follows the events of meta.json; without them, what the calls themselves tell.
"""

import time
from functools import partial
from typing import Final, final

from vmalab.calls.call import Call, Event, Exit, Thread, Unparsed
from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import vmas_of
from vmalab.calls.table import BY_REGISTERS, ENDS, EXECS, FORKS, MAPS
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.meta import MetaEvent
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers.paste import ELIDED
from vmalab.replay.before_attach import Pasts
from vmalab.replay.fault_history import FaultHistory
from vmalab.replay.judge import Judge
from vmalab.replay.memory_calls import is_memory_call, makes_thread, shares_memory
from vmalab.replay.options import Options as Options
from vmalab.replay.population import Population
from vmalab.replay.process_image import ImageState
from vmalab.replay.recorded_faults import apply_faults
from vmalab.replay.report import Complaint, ReplayReport
from vmalab.replay.snapshots import Snapshots, shows_charges
from vmalab.replay.story import StoryTeller
from vmalab.replay.timeline import Timeline, is_beyond
from vmalab.replay.unknown_layout import knows_base
from vmalab.replay.unseen_tasks import (
    CHILD,
    UnseenTasks,
    is_of_one_thread,
    is_unfollowed,
    shows_exec,
)
from vmalab.replay.usual_calls import Callers
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.versions import version_for

# Calls between two reports of progress.
_PROGRESS_EVERY: Final = 256


@final
class Replay:
    """One replay of one recording; `run()` tells what was found.

    target, faults, judge, callers: its own.
    """

    def __init__(self, recording: RecordingFiles, options: Options) -> None:
        """Errors: UsageError for a kernel without a profile."""
        meta = recording.meta
        version = version_for(meta, options.kernel)
        self._recording = recording
        self._options = options
        self._until = options.until
        self._progress = options.progress
        self.report = ReplayReport(recording.path, version)
        self.report.recorded_kernel = meta.release
        if options.kernel is None and meta.kernel is not None:
            self.report.note_kernel(meta.kernel)
        self.report.notes += recording.remarks
        self.target = ModelTarget(meta, version, options.seam)
        self.target.kernel_known = self.target.kernel_known or options.kernel is not None
        for name, held in options.features.items():
            setattr(self.target.machine.config.features, name, held)
        self._population = Population(self.target.machine, recording.log_path, options.bounds)
        self._log = recording.log()
        self._timeline = Timeline(self._log, recording.events(), recording.ahead)
        self.faults = FaultHistory(complete=bool(meta.generator), settles=shows_charges(recording))
        self._observers = options.observers
        if options.story:
            self._observers += (StoryTeller(self.report.story),)
        self.judge = Judge(self.target, self.report, self.faults, self._timeline, self._observers)
        self._snapshots = Snapshots(meta, self.target, self.faults, self.judge)
        self._by_mm: dict[Mm, ImageState] = {}
        # Also of threads that have ended: their last lines may come later.
        self._of_thread: dict[int, ImageState] = {}
        # Who has made usual calls since threads or their memory have changed last.
        self.callers = Callers(self.target, self.faults, self._of_thread)
        self._born = {item.pid: item.image for item in meta.events if item.event == "fork"}
        self._execs: dict[int, int] = {}
        self._pasts = Pasts(recording, options, self.report, partial(Replay, recording))
        self._unseen = UnseenTasks()
        # The line of the log that has been reached, and the one at which each task was made.
        self._line = 0
        self._births: dict[int, int] = {}
        self._checkpoints = recording.checkpoints
        self._by_name: dict[str, ImageState] = {}

    def run(self) -> ReplayReport:
        """Replay everything. Errors: ReadError when an input cannot be used."""
        began = time.monotonic()
        report = self.report
        while (item := self._timeline.advance()) is not None:
            if is_beyond(item, self._until):
                break
            if not isinstance(item, Call):
                self.callers.clear()
                if isinstance(item, MetaEvent):
                    self._line = item.after_line
                    self._event(item)
                    continue
            self._line = item.line
            if self._checkpoints:
                self._pass_checkpoints(item.line)
            if isinstance(item, Call):
                self._call(item)
            else:
                self._other(item)
            if report.differences and self._options.stop:
                report.stopped = True
                break
        if self._options.until and not report.stopped:
            self._stop_here()
        if not report.stopped:
            self._pass_checkpoints(0)
            for state in list(self._by_mm.values()):
                self._finish(state)
        if not self._options.until:
            self.target.machine.shutdown()
        report.unparsed, report.last_line = self._log.unparsed, self._timeline.last_line
        report.notes += [remark for remark in [self._log.remark] if remark]
        for image in report.images.values():
            report.total.add(image.figures)
        report.seconds = time.monotonic() - began
        return report

    def _other(self, item: Event) -> None:
        """What a line tells that is no call."""
        if isinstance(item, Exit):
            self._exit(item)
        elif isinstance(item, Thread):
            self._attached(item)
        elif isinstance(item, Unparsed):
            self.judge.lose_track(item.why == ELIDED)
            self.report.complain(Complaint(self._recording.log_path, item.line, item.why))

    def _stop_here(self) -> None:
        """Stop at `until`, after applying the steps seen so far."""
        self.report.stopped = True
        for state, _ in self.living():
            if state.recorded is not None:
                self.judge.steps.catch_up(state, self._options.until + 1)

    def living(self) -> list[tuple[ImageState, Mm]]:
        """Return the images that the recording holds and that have not ended, with their memory."""
        return [(state, mm) for mm, state in self._by_mm.items() if state.report is not None]

    # Images.

    def _new_image(self, name: str, pid: int) -> ImageState:
        self._population.check_image(name, self._line)
        images = self._recording.images
        report = self.report.image(name) if not images or name in images else None
        mm = self.target.mm(pid)
        state = ImageState(name, mm, images.get(name), report)
        if mm is not None:
            self._by_mm[mm] = state
            if state.source is not None and state.source.has_faults:
                self.faults.tell(mm)
        self._of_thread[pid] = state
        self._by_name[name] = state
        return state

    def _leave(self, tid: int) -> None:
        """A thread is about to leave its address space: the last one ends the image."""
        mm = self.target.mm(tid)
        state = None if mm is None else self._by_mm.get(mm)
        if mm is not None and mm.mm_users == 1 and state is not None:
            self._finish(state)

    def _finish(self, state: ImageState) -> None:
        """The end of an image: its last steps, its final map."""
        mm = state.mm
        if mm is None:
            return
        if state.report is not None:
            note = self._snapshots.final(state, mm, state.report.figures, self._line)
            if note:
                self.report.notes.append(note)
            if self._options.maps:
                state.report.final = self._snapshots.last_lines(state, mm)
            for observer in self._observers:
                observer.ended(state, mm)
        self._by_mm.pop(mm, None)
        self.faults.forget(mm)
        state.let_go()

    def _pass_checkpoints(self, line: int) -> None:
        """Compare at the checkpoints that lie before a line of the log; 0: all that are left."""
        pending = self._checkpoints
        while pending and (line == 0 or pending[-1][0] < line):
            after, name = pending.pop()
            state = self._by_name.get(name)
            if state is not None and state.report is not None:
                self._snapshots.checkpoint(state, state.report.figures, after)

    # The tree of processes.

    def _event(self, event: MetaEvent) -> None:
        kind = event.event
        if kind == "attach":
            self._begin(event.pid, event.image)
            self._take_up(event.pid, event.image)
        elif kind == "exec":
            self._execute(event.pid, event.image)
        elif kind == "fork":
            self._fork(event.ppid, event.pid, event.image)
        elif kind == "sharemm":
            self._share(event.ppid, event.pid)
        elif kind == "thread":
            self._thread(event.tgid, event.tid)
        elif kind == "exit":
            tid = event.tid or event.pid
            self._leave(tid)
            self.target.exit(tid)

    def _execute(self, pid: int, name: str) -> None:
        """A process becomes another program."""
        self._leave(pid)
        self._execs[pid] = self._execs.get(pid, 0) + 1
        self._begin(pid, name or self._name_of(pid, self._execs[pid]))

    def _name_of(self, pid: int, execs: int) -> str:
        """Return the image of a process that no event names; without numbers: the only one."""
        images = self._recording.images
        return next(iter(images)) if pid == 0 and len(images) == 1 else f"{pid}.{execs}"

    def _begin(self, pid: int, name: str) -> None:
        """A process has a new address space, with the first map that the recording has of it."""
        source = self._recording.images.get(name)
        first = None if source is None else source.initial()
        meta = self._timeline.image_of(pid) if source is None else source.meta
        built = first is not None and self.target.build(pid, meta, first)
        wrong = "" if built else self.target.execute(pid, meta, first)
        if wrong:
            raise ReadError(source.path if source and source.path else name, 0, wrong)
        self.target.inherit(pid, meta)
        state = self._new_image(name, pid)
        if first is not None:
            state.begin_map(first)
            state.known_base = knows_base(self.target.task(pid), state.mm, meta)
            self._snapshots.first(state, vmas_of(first), meta if built else None)
        if state.report is not None and state.mm is not None:
            for observer in self._observers:
                observer.began(state, state.mm)

    def _take_up(self, pid: int, name: str) -> None:
        """A process that has begun lived before: what else is known of it, or supposed."""
        if source := self._recording.images.get(name):
            self.target.attached(pid, source.meta, self._pasts.of(name))

    def _fork(self, ppid: int, pid: int, name: str) -> bool:
        """Give a process a child with a copy of its memory, unless it has it already."""
        if self.target.task(pid) is not None:
            return True
        parent = self._of_thread.get(ppid)
        if parent is not None and parent.mm is not None:
            apply_faults(parent, self._line + 1, self.target.identities)
            self.judge.steps.catch_up_with_faults(parent, self._line)
            self.faults.assume(parent.mm, None)
        self._population.check_fork(ppid, self._line)
        if not self.target.fork(ppid, pid):
            return False
        self._births[pid] = self._line
        state = self._new_image(name or f"{pid}.0", pid)
        if parent is not None and parent.mm is not None and state.mm is not None:
            self.faults.note_fork(parent.mm, state.mm)
        source = state.source
        self.target.born(pid, None if source is None else source.meta)
        first = None if source is None else source.initial()
        if parent is not None:
            state.known_layout = parent.known_layout
            state.known_base = parent.known_base
        if first is not None:
            self._snapshots.forked(state, parent, pid, first)
        if state.report is not None and state.mm is not None:
            for observer in self._observers:
                observer.forked(state, state.mm, parent)
        return True

    def _share(self, ppid: int, pid: int) -> None:
        if self.target.task(pid) is None:
            self._population.check_fork(ppid, self._line)
            if self.target.share(ppid, pid):
                self._births[pid] = self._line
                self._join(ppid, pid)

    def _thread(self, tgid: int, tid: int) -> None:
        if self.target.task(tid) is None and self.target.thread(tgid, tid):
            self._births[tid] = self._line
            state = self._join(tgid, tid)
            if state is not None:
                state.shared = True

    def _attached(self, item: Thread) -> None:
        """A thread that was there before the log began."""
        if item.leader not in self._of_thread and not self._recording.meta.events:
            self._begin(item.leader, self._name_of(item.leader, 0))
        self._thread(item.leader, item.tid)

    def _join(self, ppid: int, pid: int) -> ImageState | None:
        state = self._of_thread.get(ppid)
        if state is not None:
            self._of_thread[pid] = state
        return state

    def _exit(self, item: Exit) -> None:
        if self.target.task(item.tid) is not None and not item.successor:
            self._leave(item.tid)
            self.target.exit(item.tid)

    # Calls.

    def _call(self, call: Call) -> None:
        self.report.calls_seen += 1
        if self._progress is not None and self.report.calls_seen % _PROGRESS_EVERY == 0:
            self._progress(self.report.calls_seen)
        family = call.row.family
        if family & BY_REGISTERS:
            caller = self.callers.of(call.tid)
            if caller is not None and self.judge.usual(caller, call):
                caller.figures.calls += 1
                if family & MAPS:
                    self._unseen.note(caller.mm, call)
                if caller.state.shared:
                    caller.state.note_call(call.tid, call.line)
                return
        elif family & (EXECS | FORKS | ENDS):
            self.callers.clear()
        state = self._of_thread.get(call.tid)
        if state is None or self.target.task(call.tid) is None:
            self._find_task(call)
            state = self._of_thread.get(call.tid)
        if not self._recording.meta.events and (
            (call.row.family & EXECS and call.ret == 0) or shows_exec(state, call)
        ):
            self.callers.clear()
            self._execute(call.tid, "")
            state = self._of_thread.get(call.tid)
        if state is None:
            return
        if state.report is not None:
            state.report.figures.calls += 1
        if call.row.family & FORKS and call.ret is not None and call.ret > 0:
            self._child_of(call, call.ret)
        if is_memory_call(call):
            if state.mm is not None:
                self._unseen.note(state.mm, call)
            self.judge.call(state, call)
        else:
            self.judge.other(state, call)
        if state.shared:
            state.note_call(call.tid, call.line)

    def _find_task(self, call: Call) -> None:
        """Make the caller, which is not there: its fork returns later, or is not in the log."""
        self.callers.clear()
        tid = call.tid
        maker = self._timeline.maker_of(call)
        if maker is not None:
            self._child_of(maker, tid)
        if tid not in self._of_thread and not self._recording.meta.events:
            self._enter_unseen(call)

    def _enter_unseen(self, call: Call) -> None:
        """Make a task of a bare log that no call in it made."""
        tid = call.tid
        self.judge.lose_track(is_of_one_thread(call))
        for state, mm, kind in self._unseen.kin(call, self._timeline.ahead(), self.living):
            leader = next((of for of, its in self._of_thread.items() if its is state), tid)
            if self.target.mm(leader) is not mm:
                continue
            if kind == CHILD:
                self._fork(leader, tid, "")
            else:
                self._unseen.made(mm)
                self._thread(leader, tid)
            return
        self._begin(tid, self._name_of(tid, 0))

    def _child_of(self, call: Call, child: int) -> None:
        """Add the task that a call made, unless an event did; it may have ended by now."""
        if self._births.get(child, -1) >= call.entry_line - 1:
            return
        self.judge.lose_track(is_unfollowed(call, self._timeline.ahead()))
        if makes_thread(call):
            self._thread(call.tid, child)
        elif shares_memory(call):
            self._share(call.tid, child)
        else:
            self._fork(call.tid, child, self._born.get(child, ""))
