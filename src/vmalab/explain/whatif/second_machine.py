# SPDX-License-Identifier: GPL-2.0-or-later
"""A second machine that follows a replay with changes: its processes and calls, as they would be.

It hears of everything that the replay asks of its own machine. A memory call is carried out when
the replay is done with it, on the memory that it meant (`carry`), with the faults that the replay
has inferred for it (`carried_faults`). As long as nothing has turned out differently the two are in
step: then they have the same map, and what the replay adopts is taken over.
"""

from collections.abc import Callable
from typing import final

from vmalab.calls.call import Call
from vmalab.calls.ranges import Ranges, register_range
from vmalab.calls.snapshot import Snapshot
from vmalab.calls.table import EXECS, FORKS, MAPS
from vmalab.explain.whatif.address_map import AddressMap
from vmalab.explain.whatif.carry_calls import Carried, Outcome, at_its_place, carry
from vmalab.explain.whatif.carry_exec import carried_image
from vmalab.explain.whatif.carry_faults import CarriedFaults, Known, known_near
from vmalab.explain.whatif.carry_results import adopt_layout, settle
from vmalab.explain.whatif.changes import Changes, changed_meta
from vmalab.explain.whatif.doubts import ADOPTED, LIMIT_SET, NO_CALL, NO_PROCESS
from vmalab.explain.whatif.guard_regions import as_guards
from vmalab.explain.whatif.same_map import same_counters, same_map
from vmalab.explain.whatif.second_space import SecondSpace
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS
from vmalab.linux.include.uapi.sched import CLONE_VM
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma_intersection
from vmalab.recording.format.meta import MetaImage
from vmalab.replay.attempt import touched_by
from vmalab.replay.fault_history import FaultHistory
from vmalab.replay.memory_calls import is_at_its_range, is_collapse, ranges_of
from vmalab.replay.process_image import ImageState
from vmalab.replay.reasons import FAULT_HISTORY, FILE_SIZE
from vmalab.targets.listener import TargetListener
from vmalab.targets.model.file_systems import forget_sizes, take_over
from vmalab.targets.model.model import ModelTarget, line_of_vma
from vmalab.targets.model.reshape import reshape
from vmalab.targets.model.unrecorded import Unrecorded
from vmalab.targets.model.versions import check_version

Doubt = Callable[[ImageState | None, Call, str], None]


@final
class Shadow(TargetListener):
    """The other machine.

    doubt: told of each call that may not stand for what the program would have done there.
    """

    def __init__(
        self, recorded: ModelTarget, faults: FaultHistory, changes: Changes, doubt: Doubt
    ) -> None:
        """Errors: UsageError for a kernel without a profile."""
        meta = changed_meta(recorded.meta, changes)
        # What was recorded may be older or newer than all profiles; what is asked for may not.
        same = recorded.machine.config.release
        version = same if changes.kernel is None else check_version(changes.kernel)
        self.target = ModelTarget(meta, version, changes.seam)
        self._unrecorded = Unrecorded(self.target)
        self._recorded = recorded
        self._faults = faults
        self._changes = changes
        self._guards = changes.guards
        self._doubt = doubt
        self._carried = CarriedFaults()
        self._spaces: dict[Mm, SecondSpace] = {}
        # By number of a child that has made no call yet.
        self._children: dict[int, SecondSpace] = {}
        # The call that is being judged, of which image, what was known when it was carried out
        # last, and where its registers say all of it, who makes it here.
        self._judged: Call | None = None
        self._state: ImageState | None = None
        self._facts: Known | None = None
        self._usual: Task | None = None
        # A call that is tried before its turn, likewise; and what those answered that stayed.
        self._tried: tuple[Call, Known] | None = None
        self._early: dict[tuple[int, int], Outcome] = {}
        # The address spaces of the replay whose calls are judged.
        self._observed: set[Mm] = set()

    def space(self, mm: Mm, tid: int) -> SecondSpace:
        """Return what is known of an address space of the replay."""
        found = self._spaces.get(mm)
        if found is None:
            found = self._children.pop(tid, None) or SecondSpace(AddressMap())
            self._spaces[mm] = found
        return found

    # What the replay asks of its machine.

    def began(self, pid: int, image: MetaImage, first_map: Snapshot | None, built: bool) -> None:
        """The process becomes a new program here as well."""
        image = self._changed(image)
        if not (built and first_map is not None and self.target.build(pid, image, first_map)):
            self.target.execute(pid, image, first_map)
        mm, other = self._recorded.mm(pid), self.target.mm(pid)
        if mm is not None and other is not None:
            space = SecondSpace(carried_image(mm, other))
            space.in_step = not space.translation
            self._spaces[mm] = space

    def _changed(self, image: MetaImage) -> MetaImage:
        """Return an image with the limits of the other machine."""
        for name, one in self._recorded.meta.images.items():
            if one is image:
                return self.target.meta.images[name]
        return image

    def forking(self, ppid: int, pid: int, flags: int) -> None:
        """The process gets its child here as well, if it can."""
        mm, other = self._recorded.mm(ppid), self.target.mm(ppid)
        if mm is not None and other is not None:
            space = self.space(mm, ppid)
            self._sync(other, space, self._known(mm, None))
            if flags & CLONE_VM == 0:
                child = SecondSpace(space.translation.copy())
                child.in_step = space.in_step
                self._children[pid] = child
        self.target.fork(ppid, pid, flags)

    def exiting(self, tid: int) -> None:
        """The thread ends here as well."""
        self.target.exit(tid)

    def following(self, call: Call) -> None:
        """Descriptors are the same here."""
        mm, other = self._recorded.mm(call.tid), self.target.mm(call.tid)
        if mm is not None and other is not None and self._recorded.closes_userfaultfd(call):
            self._sync(other, self.space(mm, call.tid), self._known(mm, None))
        if self._changes.holds_limit(call):
            self._doubt(None, call, LIMIT_SET)
        else:
            self.target.follow(call)
        if call is self._judged:
            self._early[(call.tid, call.entry_line)] = Outcome([call], [call.ret])

    def revealed(self, mm: Mm, start: int, end: int, writable: bool) -> None:
        """It was there here as well."""
        other = self.other(mm)
        if other is not None and find_vma_intersection(other, start, end) is None:
            self.target.reveal(other, start, end, writable)

    def applying(self, call: Call) -> None:
        """Note what is known of faults; a call that nobody judges is carried out at once."""
        mm = self._recorded.mm(call.tid)
        if mm is None or call.row.family & FORKS or not call.line:
            return
        if mm not in self._observed:
            self.carry_out(None, mm, call, self._known(mm, touched_by(mm, call)), None, False)
        elif call is self._judged:
            self._facts = self._news(mm, self.target.mm(call.tid), call)
        else:
            self._tried = (call, self._known(mm, touched_by(mm, call)))

    def applying_usual(self, task: Task, call: Call) -> None:
        """Likewise; its registers say all of it."""
        mm, other = task.mm, self.target.task(call.tid)
        judged = call is self._judged and call.line > 0
        if judged and mm is not None and mm in self._observed and other is not None:
            self._facts = self._news(mm, other.mm, call)
            self._usual = other
        else:
            self.applying(call)

    def kept(self, call: Call) -> None:
        """A call took effect before its turn: here as well."""
        mm = self._recorded.mm(call.tid)
        if mm is None or self._tried is None or self._tried[0] is not call:
            return
        self.space(mm, call.tid).disorder = call.line
        outcome = self.carry_out(None, mm, call, self._tried[1], None, True)
        self._early[(call.tid, call.entry_line)] = outcome

    def _news(self, mm: Mm, other: Mm | None, call: Call) -> Known:
        """Return what is known where the judged call is at work, and is not so here as yet."""
        space = self._spaces.get(mm)
        plain = space is not None and not space.translation and self._tried is None
        told = other if plain and self._faults.active else None
        if told is not None and is_at_its_range(call):
            start, end = register_range(call.a0, call.a1)
            return self._carried.news_within(mm, told, start, end)
        ranges = None if self._state is None else self._state.touched
        if told is not None and ranges is not None:
            return self._carried.news_near(mm, told, ranges)
        return self._known(mm, ranges)

    def _known(self, mm: Mm, ranges: Ranges | None) -> Known:
        return known_near(mm, ranges, self._faults.active)

    # What the replay judges.

    def observed(self, mm: Mm) -> None:
        """The calls of an address space of the replay are judged from now on."""
        self._observed.add(mm)

    def judging(self, state: ImageState, call: Call) -> None:
        """The replay is about to judge a call."""
        self._judged, self._state = call, state
        self._facts = self._tried = self._usual = None

    def follows(self, mm: Mm, call: Call, reason: str | None) -> bool:
        """The replay has judged a call: whether it did here just what it did there.

        Then it is done with; otherwise it is still to be told of as `judged`.
        """
        known, task = self._facts, self._usual
        if task is None or known is None or reason is not None or self._early:
            return False
        space, other = self.space(mm, call.tid), task.mm
        if space.translation or call.line <= space.disorder or other is None:
            return False
        if self._guards or self._changes.leaves_out(call):
            return False
        self._sync(other, space, known)
        result = self.target.apply_registers(task, call)
        if result == call.result and (not space.in_step or same_counters(mm, other)):
            self._judged = self._facts = None
            return True
        settle(space.translation, other, call, [], [result])
        self._early[(call.tid, call.entry_line)] = Outcome([call], [result])
        return False

    def judged(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> Outcome:
        """It has; the call is carried out here."""
        outcome = None
        if self._early:
            outcome = self._early.pop((call.tid, call.entry_line), None)
        if outcome is None:
            known = self._known(mm, touched_by(mm, call)) if self._facts is None else self._facts
            disordered = call.line <= self.space(mm, call.tid).disorder
            outcome = self.carry_out(state, mm, call, known, reason, disordered)
        self._keep_step(mm, call, outcome, reason)
        self._judged = self._facts = None
        if reason is not None and self._follow_adoption(state, mm, call, reason):
            return Outcome(outcome.calls, [call.ret])
        return outcome

    def carry_out(
        self,
        state: ImageState | None,
        mm: Mm,
        call: Call,
        known: Known,
        reason: str | None,
        disordered: bool,
    ) -> Outcome:
        """Carry out one recorded call. reason: for which the replay has adopted its answer."""
        space = self.space(mm, call.tid)
        if call.row.family & EXECS:
            return Outcome([], [call.ret])
        if call.row.family & FORKS:
            return self._fork(state, space, call)
        other = self.target.mm(call.tid)
        if other is None:
            if self._recorded.task(call.tid) is None:
                # Its thread had been killed by then.
                return Outcome([call], [call.ret])
            self._doubt(state, call, NO_PROCESS)
            return Outcome([], [])
        self._prepare(other, space, known, call, reason)
        if self._changes.leaves_out(call):
            space.in_step = False
            settle(space.translation, other, call, [], [])
            return Outcome([], [])
        carried = carry(call, space.translation, other)
        for note in carried.notes:
            self._doubt(state, call, note)
        if is_collapse(call):
            ranges = [span for one, _ in carried.calls for span in touched_by(other, one) or ()]
            self._faults.populate(other, ranges)
        if reason == FILE_SIZE:
            forget_sizes(other, [span for one, _ in carried.calls for span in ranges_of(one) or ()])
        forced = space.in_step and (reason is not None or disordered)
        known_answer = reason is None or (reason == FAULT_HISTORY and not is_collapse(call))
        if forced and not known_answer and (call.ret or 0) < 0:
            # What refused it is not known, so it is refused here as well.
            return Outcome([call], [call.ret])
        outcome = self._apply(space, other, call, carried, forced)
        settle(space.translation, other, call, carried.calls, outcome.results)
        return outcome

    def _prepare(
        self, other: Mm, space: SecondSpace, known: Known, call: Call, reason: str | None
    ) -> None:
        """Let be known here what is known of faults, and of the machine, before a call."""
        self._sync(other, space, known)
        if reason is not None or call.row.family & MAPS:
            # No other call lets the replay learn anything of file systems.
            take_over(self._recorded.machine, self.target.machine)

    def _apply(
        self, space: SecondSpace, other: Mm, call: Call, carried: Carried, forced: bool
    ) -> Outcome:
        """Make the calls; the last answer of each that one has become is its own."""
        made: list[Call] = []
        results: list[int | None] = []
        for one, _ in carried.calls:
            if forced:
                one = at_its_place(other, one)
            if one.name == "mmap" and not one.args[3] & MAP_ANONYMOUS and (call.ret or 0) > 0:
                self._unrecorded.supply_fd(one)
            if not self._guards:
                made.append(one)
                results.append(self.target.apply(one))
                continue
            steps = as_guards(one, other)
            if len(steps) > 1 or steps[0] is not one:
                space.in_step = False
            result = 0
            for step in steps:
                made.append(step)
                result = self.target.apply(step)
                if result < 0:
                    break
            results.append(result)
        return Outcome(made, results)

    def _fork(self, state: ImageState | None, space: SecondSpace, call: Call) -> Outcome:
        """Return a fork took effect when it was told of; one that failed is tried here."""
        if call.ret is None:
            return Outcome([], [None])
        if call.ret > 0:
            there = self.target.task(call.ret) is not None or self._recorded.task(call.ret) is None
            return Outcome([call], [call.ret if there else -ENOMEM])
        return Outcome([call], [self.target.try_fork(call)])

    # What follows.

    def _sync(self, other: Mm, space: SecondSpace, known: Known) -> None:
        self._carried.apply(known, other, space.translation, space.in_step)
        self.target.machine.config.swap = self._recorded.machine.config.swap

    def _keep_step(self, mm: Mm, call: Call, outcome: Outcome, reason: str | None) -> None:
        """Whether the two are still in step after a call."""
        space, other = self.space(mm, call.tid), self.target.mm(call.tid)
        if not space.in_step or reason is not None or call.row.family & (EXECS | FORKS):
            return
        results = outcome.results
        answered = call.ret is None or (len(results) == 1 and results[0] == call.ret)
        if other is None or not answered or not same_counters(mm, other):
            space.in_step = False

    def _follow_adoption(self, state: ImageState, mm: Mm, call: Call, reason: str) -> bool:
        """Take the recorded answer over, as the replay has: whether it could, being in step."""
        space, other = self.space(mm, call.tid), self.target.mm(call.tid)
        if other is not None and space.in_step:
            adopt_layout(mm, other, call, reason)
            if self._resync(state, mm, other, space):
                return True
        self._doubt(state, call, f"{ADOPTED} ({reason or 'it differs'})")
        return False

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """The map changed by no call."""
        other = self.other(mm)
        if other is None:
            return
        space = self.space(mm, 0)
        self._sync(other, space, self._known(mm, [span]))
        if space.in_step and self._resync(state, mm, other, space):
            return
        if mm.total_vm != other.total_vm:
            self._doubt(state, Call(0, "", line=line), NO_CALL)

    def _resync(self, state: ImageState, mm: Mm, other: Mm, space: SecondSpace) -> bool:
        """Make the map what the replay has made of its own: whether that could be."""
        if not same_map(mm, other) and state.recorded is not None:
            lines = [line_of_vma(vma) for vma in mm_vmas(mm)]
            reshape(self.target.machine, self.target.identities, other, lines)
        self._carried.apply(self._known(mm, None), other, space.translation, True)
        space.in_step = same_map(mm, other)
        return space.in_step

    def other(self, mm: Mm) -> Mm | None:
        """Return the address space that stands for one of the replay."""
        owner = mm.owner
        if owner is not None and self._recorded.mm(owner.pid) is mm:
            return self.target.mm(owner.pid)
        for pid, task in self._recorded.machine.tasks.items():
            if task.mm is mm:
                return self.target.mm(pid)
        return None

    def ending(self, mm: Mm) -> None:
        """All that is known of page faults at the end of an address space is so here as well."""
        other, space = self.other(mm), self._spaces.get(mm)
        if other is not None and space is not None:
            self._sync(other, space, self._known(mm, None))

    def ended(self, mm: Mm) -> None:
        """An address space is gone."""
        self._spaces.pop(mm, None)
        self._observed.discard(mm)
