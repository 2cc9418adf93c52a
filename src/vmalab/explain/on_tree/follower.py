# SPDX-License-Identifier: GPL-2.0-or-later
"""Leads a tree's program through a replay: the same images, faults and calls, compared.

Where a mapping goes is for the architecture to decide: it is put where the recording has it. What
user mode does not have is left out, counted, and its effect on the map laid out.
"""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call, format_result
from vmalab.calls.ranges import Ranges
from vmalab.calls.table import EXECS, FORKS, KEEPS_VMAS, MAPS
from vmalab.explain.on_tree.carried import TreeCall, carried, effects_of, why_not
from vmalab.explain.on_tree.findings import (
    MAX_KEPT,
    ImageOnTree,
    OnTree,
    OtherAnswer,
    OtherMap,
    first_other,
)
from vmalab.explain.on_tree.rows import Numbers, is_carried, row_of_vma
from vmalab.explain.on_tree.space import SpaceDied, TreeSpace
from vmalab.explain.whatif.carry_faults import Known, known_near
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.sched import CLONE_VM
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.replay.attempt import touched_by
from vmalab.replay.process_image import ImageState
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.copies import WorkerCopy
from vmalab.targets.tree.tree import TreeTarget

# Calls between two comparisons of the whole map; it is also compared when numbers part.
_PER_MAP: Final = 64
# Images at a time, each in a process.
MAX_SPACES: Final = 256
# Bytes that a 32-bit program can address.
_SMALL: Final = 1 << 32
# Characters of a call that are shown.
_MAX_TEXT: Final = 120


@final
class _Followed:
    """An image with its space, None when it is not followed.

    parted: maps differ. lost: its code did not survive.
    """

    def __init__(self, image: ImageOnTree, space: TreeSpace | None) -> None:
        self.image = image
        self.space = space
        self.parted = False
        self.lost = False
        self.since_map = 0
        # VMAs of the model that no tree can have.
        self.unseen = 0


@final
class Follower:
    """One tree beside one replay. target: entered. model: whose calls are followed."""

    def __init__(self, target: TreeTarget, found: OnTree, model: ModelTarget) -> None:
        """Errors: TargetError."""
        assert target.executor is not None
        self.found = found
        self._target = target
        self._model = model
        self._numbers = Numbers()
        self._known = frozenset(_words(target))
        self._spaces: dict[Mm, _Followed] = {}
        # Copies for children that nothing is known of yet, by pid.
        self._children: dict[int, TreeSpace] = {}
        # What was known of faults as the call at hand was carried out last.
        self._facts: tuple[Call, Known] | None = None
        # Calls that took effect before their turn, by thread and the line at which they began.
        self._early: set[tuple[int, int]] = set()

    def close(self) -> None:
        """End all that is left."""
        for followed in self._spaces.values():
            if followed.space is not None:
                followed.space.worker.close()
        for space in self._children.values():
            space.worker.close()
        self._spaces.clear()
        self._children.clear()

    # Images.

    def began(self, state: ImageState, mm: Mm) -> None:
        """Lay a new program out."""
        self._drop(mm)
        assert self._target.executor is not None
        followed = self._follow(state, mm, None)
        if len(self._spaces) > MAX_SPACES or mm.task_size <= _SMALL:
            return
        try:
            worker = WorkerCopy(self._target.executor)
            followed.space = TreeSpace(worker, self._numbers, self._known)
            followed.space.lay_out(mm)
        except SpaceDied as error:
            self._lose(followed, error)
        self._numbers_at(followed, mm)

    def forking(self, ppid: int, pid: int, flags: int) -> None:
        """Copy the process, and let the copy become the child by the tree's own code."""
        parent = self._model.mm(ppid)
        followed = None if parent is None else self._spaces.get(parent)
        if flags & CLONE_VM or followed is None or followed.space is None or parent is None:
            return
        if len(self._spaces) + len(self._children) >= MAX_SPACES:
            return
        try:
            self._know_all(followed, followed.space, parent, None)
            child = followed.space.copy()
        except SpaceDied as error:
            self._lose(followed, error)
            return
        self._children[pid] = child
        try:
            result = child.fork()
        except SpaceDied as error:
            self._forget_child(pid, f"fork: {error}")
            return
        if result < 0:
            self._forget_child(pid, f"fork: {format_result('fork', result)}")

    def _forget_child(self, pid: int, why: str) -> None:
        self._children.pop(pid).worker.close()
        self.found.died.append(why)

    def forked(self, state: ImageState, mm: Mm) -> None:
        """Follow the child's image."""
        pid = -1 if mm.owner is None else mm.owner.pid
        space = self._children.pop(pid, None)
        followed = self._follow(state, mm, space)
        if space is None:
            # Its parent is not followed.
            self.began(state, mm)
            return
        try:
            space.patch(mm, [(0, 0)])
        except SpaceDied as error:
            self._lose(followed, error)
        self._numbers_at(followed, mm)

    def _follow(self, state: ImageState, mm: Mm, space: TreeSpace | None) -> _Followed:
        image = ImageOnTree(state.name)
        if not self._spaces.get(mm):
            self.found.images.append(image)
        followed = self._spaces[mm] = _Followed(image, space)
        return followed

    def _drop(self, mm: Mm) -> None:
        known = self._spaces.pop(mm, None)
        if known is not None and known.space is not None:
            known.space.worker.close()

    def _lose(self, followed: _Followed, error: SpaceDied, where: str = "") -> None:
        """The code under test did not survive: the image is followed no more."""
        self.found.died.append(f"{followed.image.name}: {where}{error}"[:600])
        followed.lost = True
        if followed.space is not None:
            followed.space.worker.close()
            followed.space = None

    def ended(self, mm: Mm) -> None:
        """Compare the last map, and see that nothing leaks."""
        followed = self._spaces.pop(mm, None)
        if followed is None or followed.space is None:
            return
        try:
            self._know_all(followed, followed.space, mm, None)
            self._compare_map(followed, mm, None)
            self._numbers_at(followed, mm)
            followed.space.end()
        except SpaceDied as error:
            self._lose(followed, error)

    def _know_all(
        self, followed: _Followed, space: TreeSpace, mm: Mm, ranges: Ranges | None
    ) -> None:
        """Let memory have been written to as in the model. ranges: in bytes, None for all."""
        known = known_near(mm, ranges, inferred=True)
        space.know_faults(known, not followed.parted)

    # Calls.

    def applying(self, call: Call) -> None:
        """The model is about to carry a call out, perhaps once more: note what is known of it."""
        mm = self._model.mm(call.tid)
        if mm is not None and mm in self._spaces and not call.row.family & FORKS:
            ranges = touched_by(mm, call)
            self._facts = (call, known_near(mm, ranges, inferred=True))

    def kept(self, call: Call) -> None:
        """A call took effect before its turn, while others were under way: on the tree as well."""
        mm = self._model.mm(call.tid)
        if mm is None or mm not in self._spaces or call.row.family & (FORKS | EXECS):
            return
        self._early.add((call.tid, call.entry_line))
        self._carry_out(mm, call, None)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """The replay has judged a call: the tree's turn, unless it has had it."""
        if call.row.family & (FORKS | EXECS):
            return
        if (call.tid, call.entry_line) in self._early:
            self._early.remove((call.tid, call.entry_line))
        else:
            self._carry_out(mm, call, reason)
        followed = self._spaces.get(mm)
        if followed is not None:
            self._numbers_at(followed, mm)
            self._count(followed, mm, call)

    def _carry_out(self, mm: Mm, call: Call, reason: str | None) -> None:
        """Carry a call out. reason: for which the replay has adopted its answer."""
        followed = self._spaces.get(mm)
        facts, self._facts = self._facts, None
        self.found.calls += 1
        if followed is None or followed.space is None:
            self.found.left[_why_not_followed(followed, mm)] += 1
            return
        try:
            if facts is not None and facts[0] is call:
                followed.space.know_faults(facts[1], not followed.parted)
            self._judge(followed, followed.space, mm, call, reason)
        except SpaceDied as error:
            self._lose(followed, error, f"line {call.line}, {_text(call)}: ")

    def _judge(
        self, followed: _Followed, space: TreeSpace, mm: Mm, call: Call, reason: str | None
    ) -> None:
        found = self.found
        why = why_not(call)
        if not why and not reason:
            vma = _mapped(mm, call)
            one = carried(call, mm, vma)
            if isinstance(one, TreeCall):
                self._make(followed, space, mm, one)
                return
            why = one
        if why:
            found.left[why] += 1
        else:
            found.given[reason or ""] += 1
        if not call.row.family & KEEPS_VMAS or reason:
            space.patch(mm, effects_of(mm, call))

    def _make(self, followed: _Followed, space: TreeSpace, mm: Mm, one: TreeCall) -> None:
        call, recorded = one.recorded, one.recorded.ret
        self.found.made += 1
        followed.image.calls += 1
        if one.given or one.taken:
            start, length = call.args[0], call.args[1]
            space.advise(start, start + length, one.given or "-", one.taken or "-")
            return
        result = space.call(mm, one.made, one.vma, one.hidden)
        if recorded is None or result == recorded:
            return
        self.found.answers_differ += 1
        if len(self.found.answers) < MAX_KEPT:
            texts = (format_result(call.name, recorded), format_result(call.name, result))
            answer = OtherAnswer(call.line, followed.image.name, _text(call), *texts)
            self.found.answers.append(answer)

    # Comparing.

    def changed(self, mm: Mm, span: tuple[int, int]) -> None:
        """The map changed by no call."""
        followed = self._spaces.get(mm)
        if followed is None or followed.space is None:
            return
        try:
            self._know_all(followed, followed.space, mm, [span])
            if not followed.parted:
                followed.space.patch(mm, [span])
        except SpaceDied as error:
            self._lose(followed, error)

    def _numbers_at(self, followed: _Followed, mm: Mm) -> None:
        image, space = followed.image, followed.space
        image.recorded_end = int(mm.map_count)
        image.recorded_peak = max(image.recorded_peak, image.recorded_end)
        if space is not None:
            image.tree_end = space.vmas
            image.tree_peak = max(image.tree_peak, space.peak)

    def _count(self, followed: _Followed, mm: Mm, call: Call) -> None:
        space = followed.space
        if space is None:
            return
        followed.since_map += 1
        parts = space.vmas != int(mm.map_count) - followed.unseen
        followed.image.differing += parts
        if followed.since_map >= _PER_MAP or (parts and not followed.parted):
            self._compare_map(followed, mm, call)

    def _compare_map(self, followed: _Followed, mm: Mm, call: Call | None) -> None:
        space = followed.space
        assert space is not None
        followed.since_map = 0
        recorded = [row_of_vma(vma, self._known) for vma in mm_vmas(mm) if is_carried(vma)]
        followed.unseen = int(mm.map_count) - len(recorded)
        other = first_other(recorded, space.rows())
        self.found.maps += 1
        followed.parted = other is not None
        if other is None:
            return
        self.found.maps_differ += 1
        if self.found.map is None:
            at, one, two = other
            line, text = (0, "") if call is None else (call.line, _text(call))
            name = followed.image.name
            self.found.map = OtherMap(line, name, text, at, tuple(one), tuple(two))


def _text(call: Call) -> str:
    return format_call(call)[:_MAX_TEXT]


def _why_not_followed(followed: _Followed | None, mm: Mm) -> str:
    if mm.task_size <= _SMALL:
        return "a 32-bit program"
    if followed is not None and followed.lost:
        return "after its code did not survive"
    return "the image is not followed"


def _mapped(mm: Mm, call: Call) -> Vma | None:
    """Return the VMA that a call has made or moved, in the model."""
    ret = call.ret
    if not call.row.family & MAPS or ret is None or not 0 <= ret < TASK_SIZE_5LEVEL:
        return None
    return vma_lookup(mm, ret)


def _words(target: TreeTarget) -> set[str]:
    """Return the words of flags that a tree has. Errors: TargetError."""
    assert target.executor is not None
    text, died = target.executor.command("words")
    if died:
        raise TargetError(died)
    return set(text.split("\n")[0].split(","))
