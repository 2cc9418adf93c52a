# SPDX-License-Identifier: GPL-2.0-or-later
"""All that a chart of a replay needs: per image its series, its painted map, what caused growth."""

from dataclasses import dataclass
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.ranges import EVERYWHERE, Ranges
from vmalab.calls.snapshot import Snapshot
from vmalab.calls.symbols import ERRNO_NAME
from vmalab.calls.table import FORKS
from vmalab.explain.blame.callsite import kind_of
from vmalab.explain.history.areas import Areas
from vmalab.explain.history.pieces import Boundary, Piece
from vmalab.explain.history.series import COPIED, FIRST, Series, call_text
from vmalab.linux.include.page import PAGE_SHIFT, TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.linux.include.uapi.resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
)
from vmalab.linux.types.mm_types import Mm
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState

# Images that are told of in full; of more, those with the most memory calls.
MAX_IMAGES: Final = 16
# Kinds of calls that are told apart, beyond their names.
MAX_CAUSES: Final = 1000
# Failed calls of an image that are kept.
MAX_FAILED: Final = 200
# Changes of limits that are kept.
MAX_LIMITS: Final = 100


@dataclass(slots=True)
class GrowthCause:
    """What the calls of one kind did to the number of VMAs.

    grew, shrank: VMAs more and fewer, summed over the calls that made them more, or fewer. most:
    the most that one call made, line and text: that call.
    """

    name: str
    calls: int = 0
    grew: int = 0
    shrank: int = 0
    failed: int = 0
    most: int = 0
    line: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that failed. index: among the image's memory calls, from 1. errno: its name."""

    index: int
    line: int
    time: float
    text: str
    errno: str
    call: Call


@dataclass(frozen=True, slots=True)
class SpaceLimits:
    """The limits of an address space. map_count: VMAs; the rest: bytes, None for none."""

    map_count: int
    address_space: int | None
    data: int | None
    locked: int | None


@final
class ImageHistory:
    """One image. pieces, boundaries: set when the painted map is finished.

    resident: (index of the call, bytes) of the recording's snapshots that tell the resident size.
    limits: (index of the call, limits from it on), one for each change.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.series = Series()
        self.areas = Areas()
        self.causes: dict[str, GrowthCause] = {}
        self.failed: list[Failed] = []
        self.pieces: list[Piece] = []
        self.boundaries: list[Boundary] = []
        self.finished = False
        self.resident: list[tuple[int, int]] = []
        self.limits: list[tuple[int, SpaceLimits]] = []
        self._known_limits: tuple[int, int, int, int] | None = None
        # Lines of the log after which there is a snapshot, last first.
        self.checkpoints: list[int] = []

    def note_resident(self, snapshot: Snapshot | None) -> None:
        """Add up what a snapshot says is resident, if it does."""
        sizes = [line.rss for line in snapshot or [] if line.rss is not None]
        if sizes:
            self.resident.append((self.series.calls, sum(sizes)))

    def note_limits(self, mm: Mm) -> None:
        """Note the limits, where they are others than before."""
        now = _limits(mm)
        if now != self._known_limits and len(self.limits) < MAX_LIMITS:
            self._known_limits = now
            sizes = [None if size == RLIM_INFINITY else size for size in now[1:]]
            self.limits.append((self.series.calls, SpaceLimits(now[0], *sizes)))

    def finish(self) -> None:
        """Finish the painted map, if it is not finished yet."""
        if not self.finished:
            self.finished = True
            self.pieces, self.boundaries = self.areas.finish(self.series.calls)


@final
class History(Observer):
    """Keeps the history of every image of a replay; `images` has those that are told of in full.

    left_out: the number of images that had fewer memory calls than those.
    """

    def __init__(self, limit: int = MAX_IMAGES) -> None:
        self.images: dict[str, ImageHistory] = {}
        self.left_out = 0
        self._limit = limit
        # Where the call at hand may change the map, and how many VMAs there were before it.
        self._ranges: Ranges | None = []
        self._vmas = 0

    def began(self, state: ImageState, mm: Mm) -> None:
        """Paint the first map."""
        self._begin(state, mm, FIRST)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """Paint the copy."""
        self._begin(state, mm, COPIED)

    def _begin(self, state: ImageState, mm: Mm, text: str) -> None:
        image = self.images[state.name] = ImageHistory(state.name)
        image.areas.look_at(mm, 0, TASK_SIZE_5LEVEL, 0, None)
        image.series.begin(mm, text, _reachable(image, mm))
        image.note_limits(mm)
        image.areas.density.note(0)
        if state.source is not None:
            image.checkpoints = sorted(state.source.checkpoints, reverse=True)
            image.note_resident(state.source.initial())

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        """Keep where the call will work."""
        pending = self.images[state.name].checkpoints
        while pending and pending[-1] < call.line and state.source is not None:
            snapshot = state.source.checkpoint(pending.pop())
            self.images[state.name].note_resident(snapshot)
        self._ranges = windows_of(state, call)
        self._vmas = mm.map_count

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """Paint what the call changed, and count."""
        image = self.images[state.name]
        index = image.series.calls + 1
        ranges = self._ranges
        # After a difference the replay goes on from the recorded map, wherever that differs.
        everywhere = ranges is None or (reason is not None and state.recorded is not None)
        for start, end in EVERYWHERE if ranges is None or everywhere else ranges:
            if start < end:
                image.areas.look_at(mm, start, end, index, call)
        image.series.add(mm, call, _reachable(image, mm))
        image.note_limits(mm)
        image.areas.density.note(index)
        _count(image, call, index, mm.map_count - self._vmas)

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """Paint what changed."""
        image = self.images[state.name]
        image.areas.look_at(mm, span[0], span[1], image.series.calls, None)
        image.series.change(mm, line, _reachable(image, mm))

    def ended(self, state: ImageState, mm: Mm) -> None:
        """Finish the image; of too many, the one with the fewest calls goes."""
        image = self.images[state.name]
        image.finish()
        if state.source is not None:
            image.note_resident(state.source.final())
        if len(self.images) > self._limit:
            done = [found for found in self.images.values() if found.finished]
            del self.images[min(done, key=_calls).name]
            self.left_out += 1

    def finish(self) -> None:
        """Finish the images that live still, after a replay that was stopped on its way."""
        for image in self.images.values():
            image.finish()


def windows_of(state: ImageState, call: Call) -> Ranges | None:
    """Return where the call at hand may change how the map looks, in bytes; None: anywhere."""
    if call.row.family & FORKS:
        return []
    ranges = state.touched
    return None if ranges is None else list(ranges)


def _limits(mm: Mm) -> tuple[int, int, int, int]:
    """Return vm.max_map_count, and RLIMIT_AS, DATA and MEMLOCK in bytes."""
    count = mm.config.max_map_count
    if mm.owner is None:
        return count, RLIM_INFINITY, RLIM_INFINITY, RLIM_INFINITY
    limits = mm.owner.signal.rlim_cur
    locked = RLIM_INFINITY if mm.owner.capable(CAP_IPC_LOCK) else limits[RLIMIT_MEMLOCK]
    return count, limits[RLIMIT_AS], limits[RLIMIT_DATA], locked


def _reachable(image: ImageHistory, mm: Mm) -> int:
    """Return pages that the program may access."""
    return mm.total_vm - int(image.areas.no_access >> PAGE_SHIFT)


def _calls(image: ImageHistory) -> int:
    return image.series.calls


def _count(image: ImageHistory, call: Call, index: int, grown: int) -> None:
    name = kind_of(call) if len(image.causes) < MAX_CAUSES else call.spelling
    cause = image.causes.get(name)
    if cause is None:
        cause = image.causes[name] = GrowthCause(name)
    cause.calls += 1
    if grown > 0:
        cause.grew += grown
    else:
        cause.shrank -= grown
    if grown > cause.most:
        cause.most, cause.line, cause.text = grown, call.line, call_text(call)
    if call.ret is None or call.ret >= 0:
        return
    cause.failed += 1
    if len(image.failed) < MAX_FAILED:
        errno = ERRNO_NAME.get(-call.ret, str(-call.ret))
        image.failed.append(Failed(index, call.line, call.time, call_text(call), errno, call))
