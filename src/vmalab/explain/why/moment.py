# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes the layout of an image of a recording at its end, at its peak, or after a line of the log.

A peak takes two replays: one to find when it was, one to get there.
"""

from dataclasses import dataclass, replace
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError
from vmalab.explain.why.boundaries import LayoutCost, layout_of_mm
from vmalab.explain.why.place import Place, place_of_mm
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

END: Final = "end"
PEAK: Final = "peak"


@dataclass(frozen=True, slots=True)
class MomentTaken:
    """A layout. image: whose. line: the last line of the log before it, 0: not known.

    place: what is at the address that was asked for.
    """

    image: str
    line: int
    layout: LayoutCost
    place: Place | None = None


@final
class PeakFinder(Observer):
    """Finds when each image had the most VMAs: `peaks` has (VMAs, line of the log) by image.

    The line is that of the call after which there were so many; 0 for the first map of an image
    that made no call.
    """

    def __init__(self) -> None:
        self.peaks: dict[str, tuple[int, int]] = {}

    def began(self, state: ImageState, mm: Mm) -> None:
        """A first map."""
        self.peaks[state.name] = (mm.map_count, 0)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """A copied map."""
        self.peaks[state.name] = (mm.map_count, 0)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """The map after a call; if the first one was larger, the peak was before the call."""
        most, line = self.peaks.get(state.name, (0, 0))
        if mm.map_count > most or (line == 0 and mm.map_count == most):
            self.peaks[state.name] = (mm.map_count, call.line)
        elif line == 0:
            self.peaks[state.name] = (most, call.line - 1)

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """The map after a change without a call."""
        if mm.map_count > self.peaks.get(state.name, (0, 0))[0]:
            self.peaks[state.name] = (mm.map_count, line)


@final
class _EndTaker(Observer):
    """Takes the layout of the image that was asked for, or of the one with the most VMAs."""

    def __init__(self, image: str | None, address: int | None) -> None:
        self._image = image
        self._address = address
        self._lines: dict[str, int] = {}
        self.taken: MomentTaken | None = None

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """The last call of an image is where it ended, as far as is known."""
        self._lines[state.name] = call.line

    def ended(self, state: ImageState, mm: Mm) -> None:
        """An image ends, or the replay does."""
        if self._image not in (None, state.name):
            return
        if self.taken is None or mm.map_count > len(self.taken.layout.lines):
            line = self._lines.get(state.name, 0)
            place = None if self._address is None else place_of_mm(mm, self._address)
            self.taken = MomentTaken(state.name, line, layout_of_mm(mm), place)


def peak_of(
    recording: RecordingFiles, options: Options, image: str | None
) -> tuple[str | None, int | str]:
    """Return the image with the most VMAs, and the moment: a line of the log, or END.

    image: the only one to look at; None: any. Errors: ReadError.
    """
    finder = PeakFinder()
    Replay(recording, replace(options, observers=(finder,))).run()
    peaks = finder.peaks if image is None else {image: finder.peaks.get(image, (0, 0))}
    image = max(peaks, key=lambda name: peaks[name][0], default=image)
    return image, END if image is None else peaks[image][1] or END


def take(
    recording: RecordingFiles,
    options: Options,
    at: int | str,
    image: str | None,
    address: int | None = None,
) -> tuple[MomentTaken, ReplayReport]:
    """Return the layout at a moment, and what the replay that led there found.

    at: END, PEAK, or a line of the log. image: by name; None: that with the most VMAs then.
    address: of a place to look at closely (bytes).
    Errors: ReadError, also when there is no such image at that moment.
    """
    if at == PEAK:
        image, at = peak_of(recording, options, image)
    taker = _EndTaker(image, address)
    observers = (*options.observers, taker)
    until = at if isinstance(at, int) else 0
    replay = Replay(recording, replace(options, observers=observers, until=until))
    report = replay.run()
    for state, mm in replay.living():
        for observer in observers:
            observer.ended(state, mm)
    check_line(recording, at, report)
    if taker.taken is None and report.calls_seen:
        raise missing(recording, at, image)
    if taker.taken is None:
        raise ReadError(recording.log_path, 0, "the log has no usable calls")
    return taker.taken, report


def check_line(recording: RecordingFiles, at: int | str, report: ReplayReport) -> None:
    """Errors: ReadError when a moment is a line that the log does not have."""
    last = report.last_line
    if isinstance(at, int) and last is not None and at > last and report.calls_seen:
        raise ReadError(recording.log_path, 0, f"no line {at}: the last event is on line {last}")


def missing(recording: RecordingFiles, at: int | str, image: str | None) -> ReadError:
    """Return the error for an image that a moment does not have."""
    what = (
        "no process image exists" if image is None else f"the image {image[:40]!r} does not exist"
    )
    when = f"after line {at}" if isinstance(at, int) else "in this recording"
    known = ", ".join(list(recording.images)[:5])
    return ReadError(recording.path, 0, f"{what} {when}" + (f" (it has {known})" if known else ""))
