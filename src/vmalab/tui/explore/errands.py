# SPDX-License-Identifier: GPL-2.0-or-later
"""What the traveller wants to know of a moment: each an errand that a checkpoint carries out.

They are pickled, there and back, between processes of this program alone.
"""

from dataclasses import dataclass, field
from itertools import islice
from typing import Final, final

from vmalab.calls.format import format_call, format_result
from vmalab.calls.symbols import ERRNO_NAME
from vmalab.explain.blame.culprits import BY, Share, blame_report, name_of
from vmalab.explain.blame.origins import Traced
from vmalab.explain.blame.stack_frames import frames_of
from vmalab.explain.blame.watcher import Moment
from vmalab.explain.enomem.failed_calls import why_refused
from vmalab.explain.travel import index
from vmalab.explain.travel.watcher import Watcher, Waypoint
from vmalab.explain.why.place import place_of_mm
from vmalab.linux.include.proc_maps import vma_perms
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.targets.model.model import NOT_MODELLED
from vmalab.views.output import drawn
from vmalab.views.why import place_parts

# VMAs of a map that are sent on each side of the place of interest.
REACH: Final = 400
# Characters of a call in a list, and where it is shown by itself.
_SHORT: Final = 160
_WHOLE: Final = 2000
# Frames of its stack that are shown.
_FRAMES: Final = 6
# Rows of a table of causes.
_CAUSES: Final = 100

# What became of a row of the map by the event.
SAME: Final = " "
NEW: Final = "+"
ALTERED: Final = "~"
LOST: Final = "-"

_EVENTS: Final = {
    index.BEGAN: "the first map",
    index.FORKED: "copied by a fork",
    index.CHANGED: "changed without a call: a fault, or another task",
    index.ENDED: "the end of the image",
}


@dataclass(frozen=True, slots=True)
class VmaRow:
    """A VMA on the map. start, end: bytes. mark: one of SAME, NEW, ALTERED, LOST.

    number: among those of its image. born, last: origins that made it, and changed it last.
    """

    start: int
    end: int
    perms: str
    name: str
    mark: str
    number: int
    born: int
    last: int


@dataclass(frozen=True, slots=True)
class MomentView:
    """A moment. rows: VMAs; `first` of them come before those that are here, of `total`.

    focus: the address (bytes) that the eye should be drawn to. told: of the event, a line each.
    calls: how calls near it read, by moment.
    """

    at: int
    image: str
    rows: list[VmaRow]
    first: int
    total: int
    focus: int
    told: list[str]
    calls: dict[int, str] = field(default_factory=dict)


def event_text(moment: Waypoint) -> str:
    """Return how an event reads in a list."""
    call = moment.call
    if call is None:
        return f"({_EVENTS[moment.kind]})"
    return f"{format_call(call)[:_SHORT]} = {format_result(call.name, call.ret)}"


@final
class LookErrand:
    """MomentView at one moment, and at how the calls from `first` to `last` read.

    address: what to have in view (bytes), None: what the event changed.
    """

    def __init__(self, first: int, last: int, at: int, address: int | None = None) -> None:
        self.first = first
        self.last = last
        self.at = at
        self.address = address
        self.calls: dict[int, str] = {}
        self.look: MomentView | None = None

    def visit(self, moment: Waypoint, watcher: Watcher) -> None:
        """See a moment."""
        self.calls[moment.at] = event_text(moment)
        if moment.at == self.at:
            self.look = _look(moment, watcher, self.address, self.calls)

    def result(self) -> MomentView:
        """Return what was seen."""
        assert self.look is not None
        return self.look


@final
class CallsErrand:
    """See how the calls from `first` to `last` read."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self.calls: dict[int, str] = {}

    def visit(self, moment: Waypoint, watcher: Watcher) -> None:
        """See a moment."""
        self.calls[moment.at] = event_text(moment)

    def result(self) -> dict[int, str]:
        """Return the texts, by moment."""
        return self.calls


@final
class WhyErrand:
    """Ask what keeps the VMA at an address (bytes) apart from its neighbours."""

    def __init__(self, at: int, address: int, width: int) -> None:
        self.first = self.last = at
        self.address = address
        self.width = width
        self.text = ""

    def visit(self, moment: Waypoint, watcher: Watcher) -> None:
        """See the moment."""
        place = place_of_mm(moment.mm, self.address)
        self.text = drawn(place_parts(place, None), self.width)

    def result(self) -> str:
        """Return the answer, line by line."""
        return self.text


@final
class BlameErrand:
    """Ask what made the most VMAs of the image: the causes, by each of `BY`."""

    def __init__(self, at: int) -> None:
        self.first = self.last = at
        self.shares: dict[str, tuple[Share, ...]] = {}

    def visit(self, moment: Waypoint, watcher: Watcher) -> None:
        """See the moment."""
        report = blame_report(watcher.blame.moment(moment.state.name), None, watcher.frames)
        self.shares = {by: report.shares[by][:_CAUSES] for by in BY}

    def result(self) -> dict[str, tuple[Share, ...]]:
        """Return the causes, the largest first."""
        return self.shares


@final
class MapErrand:
    """Take all VMAs of the image, to be compared with those of another moment."""

    def __init__(self, at: int) -> None:
        self.first = self.last = at
        self.image = ""
        self.rows: list[VmaRow] = []

    def visit(self, moment: Waypoint, watcher: Watcher) -> None:
        """See the moment."""
        known = watcher.blame.moment(moment.state.name)
        self.image = known.image
        self.rows = [_row(traced, known, SAME) for traced in known.vmas]

    def result(self) -> tuple[str, list[VmaRow]]:
        """Return the image, and its VMAs."""
        return self.image, self.rows


def _row(traced: Traced, known: Moment, mark: str) -> VmaRow:
    return VmaRow(
        traced.start,
        traced.end,
        vma_perms(traced.flags),
        name_of(traced, known),
        mark,
        traced.number,
        traced.born.index,
        traced.since,
    )


def _look(
    moment: Waypoint, watcher: Watcher, address: int | None, calls: dict[int, str]
) -> MomentView:
    known = watcher.blame.moment(moment.state.name)
    marks, lost = _changes(moment)
    focus = _focus(moment, marks, lost, known) if address is None else address
    vmas = known.vmas
    place = next((at for at, traced in enumerate(vmas) if traced.end > focus), len(vmas))
    first = max(0, place - REACH)
    rows = [
        _row(traced, known, marks.get(traced, SAME))
        for traced in islice(vmas, first, place + REACH)
    ]
    rows += [_row(traced, known, LOST) for traced in lost[:REACH]]
    # What is gone stands before what is there in its place.
    rows.sort(key=lambda row: (row.start, row.mark != LOST))
    return MomentView(
        moment.at, moment.state.name, rows, first, len(vmas), focus, told(moment, watcher), calls
    )


def _changes(moment: Waypoint) -> tuple[dict[Traced, str], list[Traced]]:
    """Return what the event made of VMAs that are there, and those that are gone."""
    marks: dict[Traced, str] = {}
    lost: list[Traced] = []
    for olds, news in moment.replaced:
        for old in olds:
            if marks.pop(old, None) is None:
                lost.append(old)
        were = {old.number for old in olds}
        for new in news:
            marks[new] = ALTERED if new.number in were else NEW
    return marks, lost


def _focus(moment: Waypoint, marks: dict[Traced, str], lost: list[Traced], known: Moment) -> int:
    """Return the address that an event is about, in bytes."""
    changed = [traced.start for traced in marks] or [traced.start for traced in lost]
    if changed:
        return min(changed)
    touched = moment.state.touched
    if moment.call is not None and touched:
        return touched[-1][0]
    return known.vmas[0].start if known.vmas else 0


# The event in words.


def told(moment: Waypoint, watcher: Watcher) -> list[str]:
    """Return what is to be said of an event, a line each."""
    call, state = moment.call, moment.state
    if call is None:
        return [f"image {state.name}: {_EVENTS[moment.kind]}"]
    time = f", at {call.time:.6f}" if call.time else ""
    lines = [f"line {call.line}, thread {call.tid}, image {state.name}{time}"]
    lines.append(f"{format_call(call)[:_WHOLE]} = {format_result(call.name, call.ret)}")
    if state.answer != NOT_MODELLED and call.refused(state.answer):
        lines += _refusal(moment)
    if moment.reason is not None:
        lines.append(
            f"adopted: {moment.reason}" if moment.reason else "the model answers otherwise"
        )
    lines += _effects(moment)
    if place := watcher.place_of(call):
        lines.append(f"by {place}")
    for frame in frames_of((call.stack or [])[:_FRAMES], watcher.frames)[:_FRAMES]:
        lines.append(f"  {frame.library}: {frame.place}" if frame.place else f"  {frame.library}")
    if call.stack and len(call.stack) > _FRAMES:
        lines.append(f"  and {len(call.stack) - _FRAMES} more frames")
    return lines


def _refusal(moment: Waypoint) -> list[str]:
    call, state = moment.call, moment.state
    assert call is not None
    errno = ENOMEM if call.name == "brk" else -state.answer
    verdict, argument = why_refused(moment.mm, call, errno, moment.reason, searching=False)
    by = f"{verdict.check} ({argument})" if argument else verdict.check
    return [f"{ERRNO_NAME.get(errno, str(errno))} by {by}: {verdict.why}"]


def _effects(moment: Waypoint) -> list[str]:
    """Return what the event did to VMAs, in figures."""
    marks, lost = _changes(moment)
    if not marks and not lost:
        return ["the map is as it was"]
    were = {traced.number for traced in lost}
    now = {traced.number for traced in marks}
    parts = [
        f"{len(now - were)} made" if now - were else "",
        f"{len(now & were)} changed" if now & were else "",
        f"{len(were - now)} gone" if were - now else "",
    ]
    return [f"VMAs: {', '.join(filter(None, parts))}; now {moment.mm.map_count}"]
