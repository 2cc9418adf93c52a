# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes the layout of an image of a recording at its end, at its peak, or after a line of the log.

A peak may take two replays: one to find when it was, one to get there.
"""

from typing import Final, NamedTuple, final

from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError
from vmalab.explain.why.boundaries import LayoutCost, layout_of_mm
from vmalab.explain.why.peak_keeper import PeakKeeper
from vmalab.explain.why.place import Place, place_of_mm
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

END: Final = "end"
PEAK: Final = "peak"


class MomentTaken(NamedTuple):
    """A layout. image: whose. line: the last line of the log before it, 0: not known.

    place: what is at the address that was asked for.
    """

    image: str
    line: int
    layout: LayoutCost
    place: Place | None = None


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
    keeper = PeakKeeper(image, pictures=False)
    Replay(recording, options._replace(observers=(keeper,))).run()
    return _moment_of(keeper)


def _moment_of(keeper: PeakKeeper) -> tuple[str | None, int | str]:
    """Return the image with the most VMAs, and when it had them: a line of the log, or END."""
    image, peak = keeper.chosen()
    return image, END if peak is None else peak.line or END


def _peak_at_once(
    recording: RecordingFiles, options: Options, keeper: PeakKeeper
) -> tuple[MomentTaken, ReplayReport] | None:
    """Replay a recording once: the layout at its peak, and what else is told of that moment.

    None: only a replay up to there can tell. The keeper knows by then where it is.
    """
    replay = Replay(recording, options._replace(observers=(keeper,)))
    if keeper.pictures:
        replay.target.listener = keeper.ear
    known = len(replay.report.notes)
    report = replay.run()
    image, peak = keeper.chosen()
    if image is None or peak is None or peak.layout is None:
        return None
    # What was complained of later is not known of the moment.
    if report.unparsed or len(report.notes) > known or not report.identical:
        return None
    return MomentTaken(image, peak.line, peak.layout), report


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
        # A recording with images has maps, which show more than calls.
        bare = not recording.images
        keeper = PeakKeeper(image, pictures=bare and not options.observers and address is None)
        taken = _peak_at_once(recording, options, keeper)
        if taken is not None:
            return taken
        image, at = _moment_of(keeper)
    taker = _EndTaker(image, address)
    observers = (*options.observers, taker)
    until = at if isinstance(at, int) else 0
    replay = Replay(recording, options._replace(observers=observers, until=until))
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
