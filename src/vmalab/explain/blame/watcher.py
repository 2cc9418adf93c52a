# SPDX-License-Identifier: GPL-2.0-or-later
"""Watches a replay and keeps, for every address space, which call made which VMA."""

from collections import deque
from typing import Final, NamedTuple, final

from vmalab.calls.call import Call
from vmalab.calls.ranges import Range, Ranges, register_range, requested_range
from vmalab.calls.table import EXECS, FORKS, RANGED
from vmalab.explain.blame.origin_map import OriginMap, Replaced
from vmalab.explain.blame.origins import Origin, Traced
from vmalab.explain.blame.tally import StackTally
from vmalab.linux.include.uapi.unistd import NR_brk, NR_ioctl, NR_mmap, NR_mremap
from vmalab.linux.types.mm_types import Mm
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.reasons import FAULT_HISTORY

# What there was instead of a call.
EXEC: Final = "exec"
FORK: Final = "fork"
NO_CALL: Final = "no call"
START: Final = "start"

# Changes without a call that may still turn out to be of a call that was under way.
_UNCLAIMED: Final = 64


@final
class Moment(NamedTuple):
    """The VMAs of an image at one moment. line: of the log, the last one before it; 0: unknown."""

    image: str
    line: int
    vmas: list[Traced]
    start_brk: int
    start_stack: int


@final
class _Image:
    """One image: its map, the first origin, where its heap and its stack are."""

    def __init__(self, name: str, lives: bool, watched: bool) -> None:
        self.name = name
        self.map = OriginMap(lives, watched)
        self.first: Origin | None = None
        self.line = 0
        self.start_brk = 0
        self.start_stack = 0
        self.unclaimed: deque[Origin] = deque(maxlen=_UNCLAIMED)

    def note_layout(self, mm: Mm) -> None:
        """Where the heap and the stack are, which name VMAs."""
        self.start_brk = mm.start_brk
        self.start_stack = mm.start_stack

    def moment(self, peak: bool) -> Moment:
        """Return the map as it is, or as it was when it had the most VMAs."""
        vmas = self.map.at_peak() if peak else self.map.vmas
        line = self.map.most_line if peak else self.line
        return Moment(self.name, line, vmas, self.start_brk, self.start_stack)


@final
class Blame(Observer):
    """Keeps the origins of all VMAs.

    lives: also what became of each one, call by call. watched: also what each event replaces, for
    `replaced`. tally: counts what calls made.
    """

    def __init__(
        self, *, lives: bool = False, watched: bool = False, tally: StackTally | None = None
    ) -> None:
        self._lives = lives
        self._watched = watched
        self._tally = tally
        self._images: dict[str, _Image] = {}
        self._count = 0

    def moments(self, *, peak: bool) -> list[Moment]:
        """Every image, at its end (or where the replay ended), or when it had the most VMAs."""
        return [image.moment(peak) for image in self._images.values()]

    @property
    def origins(self) -> int:
        """The number of origins so far, which is the index of the latest."""
        return self._count

    def moment(self, name: str) -> Moment:
        """Return an image as it is known now. Preconditions: it has begun."""
        return self._images[name].moment(peak=False)

    def replaced(self, name: str) -> list[Replaced]:
        """Return what of an image has been replaced since this was asked last."""
        found = self._images[name].map.replaced
        if found:
            self._images[name].map.replaced = []
        return found or []

    def _origin(self, line: int, what: str, call: Call | None) -> Origin:
        self._count += 1
        return Origin(self._count, line, what, call)

    def _image(self, state: ImageState) -> _Image:
        image = self._images.get(state.name)
        if image is None:
            image = self._images[state.name] = _Image(state.name, self._lives, self._watched)
        return image

    def began(self, state: ImageState, mm: Mm) -> None:
        """A new program: all that it has is of its exec, or was there when the log began."""
        image = self._images[state.name] = _Image(state.name, self._lives, self._watched)
        image.first = self._origin(0, START, None)
        image.note_layout(mm)
        image.map.begin(mm, image.first)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """A child has what its parent has, by the same origins."""
        image = self._images[state.name] = _Image(state.name, self._lives, self._watched)
        image.note_layout(mm)
        origin = self._origin(0, FORK, None)
        known = None if parent is None else self._images.get(parent.name)
        if known is None:
            image.map.begin(mm, origin)
        else:
            image.map.inherit(known.map, mm, origin)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """Put down to a call what it changed."""
        image = self._image(state)
        image.line = call.line
        if call.row.family & FORKS:
            self._count_call(state, call, 0)
            return
        if call.row.family & EXECS:
            if image.first is not None and image.first.call is None:
                image.first.call, image.first.line = call, call.line
                image.first.what = EXEC
            return
        if image.unclaimed and call.entry_line < call.line:
            _claim(image, call, _spans(state, call))
        origin = self._origin(call.line, call.spelling, call)
        self._sync(image, state, mm, call, origin)
        self._count_call(state, call, origin.made)
        if reason is not None and reason != FAULT_HISTORY:
            # The recorded map was taken over, with what other threads had done by then.
            self._settle(image, mm, call.line)

    def _sync(self, image: _Image, state: ImageState, mm: Mm, call: Call, origin: Origin) -> None:
        """Put down to an origin what its call changed."""
        if call.row.family & RANGED:
            # Most calls are such, and change no more than their range.
            if call.row.number != NR_mmap:
                start, end = register_range(call.a0, call.a1)
                image.map.sync_range(mm, start, end, origin, fresh=False)
                return
            if call.native and call.result >= 0:
                start, end = register_range(call.result, call.a1)
                image.map.sync_range(mm, start, end, origin, fresh=True)
                return
        if call.row.number == NR_brk:
            image.note_layout(mm)
        fresh, moved = placed(call)
        image.map.sync(mm, _spans(state, call), origin, fresh, moved)

    def _count_call(self, state: ImageState, call: Call, made: int) -> None:
        if self._tally is not None:
            self._tally.add(state.name, call, made)

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """Put down to no call what came without one; a call under way may claim it later."""
        image = self._image(state)
        image.line = max(image.line, line)
        self._settle(image, mm, line, [span])

    def ended(self, state: ImageState, mm: Mm) -> None:
        """What else has changed by now was no call's doing. To be called for living images too."""
        image = self._image(state)
        self._settle(image, mm, image.line)

    def _settle(self, image: _Image, mm: Mm, line: int, spans: Ranges | None = None) -> None:
        origin = self._origin(line, NO_CALL, None)
        image.map.sync(mm, spans, origin, None, None)
        image.unclaimed.append(origin)


def _claim(image: _Image, call: Call, spans: Ranges | None) -> None:
    """A call that was under way when its place changed is what changed it."""
    for origin in list(image.unclaimed):
        if not call.entry_line - 1 <= origin.line < call.line:
            continue
        for traced in image.map.known_in(spans):
            if origin is traced.born or origin is traced.low or origin is traced.high:
                origin.call, origin.line = call, call.line
                image.unclaimed.remove(origin)
                break


def _spans(state: ImageState, call: Call) -> Ranges | None:
    """Return where a call may have changed the map, in bytes; None: anywhere."""
    if call.row.number == NR_mmap and call.native and call.result >= 0:
        return [register_range(call.result, call.a1)]
    if call.row.number == NR_ioctl:
        asked = requested_range(call)
        return None if asked is None else [asked]
    return state.touched


def placed(call: Call) -> tuple[Range | None, Range | None]:
    """Return where a call put something new, and from where to where it moved something (bytes)."""
    number, result = call.row.number, call.result
    if not call.native or result < 0:
        return None, None
    if number == NR_mmap:
        return register_range(result, call.a1), None
    if number == NR_mremap and result != call.a0:
        return register_range(result, call.a2), (call.args[0], int(result))
    return None, None
