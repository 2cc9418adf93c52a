# SPDX-License-Identifier: GPL-2.0-or-later
"""Watches a replay, and tells of each moment what is kept of it; who travels stops here."""

from collections.abc import Callable
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.explain.blame.callsite import Callsites
from vmalab.explain.blame.origin_map import Replaced
from vmalab.explain.blame.skipping import Skipping
from vmalab.explain.blame.watcher import Blame
from vmalab.explain.travel import index
from vmalab.explain.travel.index import MomentBatch, vma_key
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.frames import Frames
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.story import new_cuts, vanished
from vmalab.targets.model.model import NOT_MODELLED

# Stacks that are told apart; calls of further ones have none here.
_MOST_STACKS: Final = 1 << 17


@final
class Waypoint:
    """The moment that a replay has come to.

    at: its number, from 0. kind: one of CALL, BEGAN, FORKED, CHANGED, ENDED. call: of CALL. reason:
    None when the call was as predicted, "" when it was not, else why it was adopted. replaced: what
    the event changed. line: of the log.
    """

    __slots__ = ("at", "call", "kind", "line", "mm", "reason", "replaced", "state")

    def __init__(self, at: int, kind: int, state: ImageState, mm: Mm, line: int) -> None:
        self.at = at
        self.kind = kind
        self.state = state
        self.mm = mm
        self.line = line
        self.call: Call | None = None
        self.reason: str | None = None
        self.replaced: list[Replaced] = []


@final
class Watcher(Observer):
    """Tells `passed` of every moment. blame: the origins of all VMAs then. frames: of stacks.

    sent: what has not been sent home yet; None: nothing is collected any more.
    """

    def __init__(self, passed: Callable[[Waypoint], None]) -> None:
        self.frames: Frames = {}
        self._sites = Callsites(self.frames, Skipping())
        self.blame = Blame(lives=False, watched=True)
        self.sent: MomentBatch | None = MomentBatch()
        self._passed = passed
        self._moments = 0
        self._line = 0
        self._names: dict[str, int] = {}
        self._images: dict[str, int] = {}
        self._stacks: dict[tuple[str, ...], int] = {(): 0}
        self.sent.stacks.append(())

    def know(self, frames: Frames) -> None:
        """Know what was found out of the frames of stacks."""
        self.frames = frames
        self._sites = Callsites(frames, Skipping())

    def place_of(self, call: Call) -> str:
        """Return the place of the program that a call is put down to, "" without a stack."""
        frame = self._sites.stack_of(call).frame
        return "" if frame is None else f"{frame.library}: {frame.place}"

    # Events.

    def began(self, state: ImageState, mm: Mm) -> None:
        """A new program has its first map."""
        self.blame.began(state, mm)
        self._pass(index.BEGAN, state, mm, self._line)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """A child has its copy."""
        self.blame.forked(state, mm, parent)
        self._pass(index.FORKED, state, mm, self._line)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """A call has taken effect."""
        self.blame.after(state, mm, call, reason)
        self._pass(index.CALL, state, mm, call.line, call, reason)

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """The map has changed without a call."""
        self.blame.changed(state, mm, line, span)
        self._pass(index.CHANGED, state, mm, line)

    def ended(self, state: ImageState, mm: Mm) -> None:
        """An image is about to end."""
        self.blame.ended(state, mm)
        self._pass(index.ENDED, state, mm, self._line)

    # Moments.

    def _pass(
        self,
        kind: int,
        state: ImageState,
        mm: Mm,
        line: int,
        call: Call | None = None,
        reason: str | None = None,
    ) -> None:
        # Lines only grow from moment to moment, so that they can be searched.
        self._line = line = max(line, self._line)
        moment = Waypoint(self._moments, kind, state, mm, line)
        moment.call = call
        moment.reason = reason
        moment.replaced = self.blame.replaced(state.name)
        self._moments += 1
        if self.sent is not None:
            self._collect(moment, self.sent)
        self._passed(moment)

    def _collect(self, moment: Waypoint, batch: MomentBatch) -> None:
        call, state = moment.call, moment.state
        image = _place(self._images, state.name, batch.images)
        flags = moment.kind | self._became(moment, image, batch)
        name, stack, tid = "", 0, 0
        if call is not None:
            flags |= _answer(state, call, moment.reason)
            name, tid = call.spelling, call.tid
            stack = self._stack(call, batch)
        elif moment.kind == index.ENDED:
            batch.ends[image] = moment.at
        start, end = _span(moment)
        named = _place(self._names, name, batch.names)
        line, vmas, origin = moment.line & 0xFFFFFFFF, moment.mm.map_count, self.blame.origins
        batch.rows.append((line, tid, image, flags, named, stack, vmas, origin, start, end))

    def _stack(self, call: Call, batch: MomentBatch) -> int:
        if not call.stack:
            return 0
        key = tuple(call.stack)
        known = self._stacks.get(key)
        if known is None and len(self._stacks) < _MOST_STACKS:
            known = self._stacks[key] = len(self._stacks)
            stack = self._sites.stack_of(call)
            own = () if stack.frame is None else (stack.frame,)
            batch.stacks.append(tuple(f"{one.library}: {one.place}" for one in own + stack.frames))
        return known or 0

    def _became(self, moment: Waypoint, image: int, batch: MomentBatch) -> int:
        """Return what became of VMAs, as flags; note those that are gone."""
        flags = 0
        gone: set[int] = set()
        for olds, news in moment.replaced:
            before = [(old.start, old.end) for old in olds]
            after = [(new.start, new.end) for new in news]
            if before and after:
                if vanished(before, after):
                    flags |= index.MERGED
                if len(after) > 1 and new_cuts(before, after):
                    flags |= index.SPLIT
            were = {old.number for old in olds}
            now = {new.number for new in news}
            if now - were:
                flags |= index.MADE
            gone = (gone | were) - now
        if gone:
            flags |= index.GONE
            for number in gone:
                batch.dead.append(vma_key(image, number))
                batch.died.append(moment.at)
        return flags


def _place(known: dict[str, int], text: str, fresh: list[str]) -> int:
    place = known.get(text)
    if place is None:
        place = known[text] = len(known)
        fresh.append(text)
    return place


def _answer(state: ImageState, call: Call, reason: str | None) -> int:
    """Return what a call's answer says, as flags."""
    flags = 0
    if state.answer != NOT_MODELLED and call.refused(state.answer):
        flags |= index.FAILED
    if reason is not None:
        flags |= index.ADOPTED if reason else index.DIFFERS
    return flags


def _span(moment: Waypoint) -> tuple[int, int]:
    """Return what an event changed; if nothing, what its call was about; (0, 0): not known."""
    ends = [
        (traced.start, traced.end) for olds, news in moment.replaced for traced in (*olds, *news)
    ]
    if ends:
        return min(start for start, _ in ends), max(end for _, end in ends)
    touched = moment.state.touched
    if moment.call is None or not touched:
        return 0, 0
    return touched[-1]
