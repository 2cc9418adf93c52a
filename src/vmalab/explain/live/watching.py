# SPDX-License-Identifier: GPL-2.0-or-later
"""Watches a live process by the kernel's events: replays its calls as they come, and tells of it.

It runs in a process of its own (`watch`), which sends home a `LiveState` now and then.
"""

import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.errors import VmalabError
from vmalab.calls.format import call_shape, format_call
from vmalab.calls.symbols import ERRNO_NAME
from vmalab.explain.blame.callsite import Callsites
from vmalab.explain.blame.culprits import SITE, blame_report
from vmalab.explain.blame.skipping import Skipping
from vmalab.explain.blame.watcher import Blame
from vmalab.explain.enomem.failed_calls import why_refused
from vmalab.explain.live.naming import LiveNames
from vmalab.explain.why.boundaries import explain, layout_of_mm
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.events.following import Following
from vmalab.recording.events.live import LiveFlight
from vmalab.recording.events.source import CannotWatch, Source
from vmalab.recording.format.frames import frame_line
from vmalab.recording.tracer.recording_writer import OutputFailed
from vmalab.replay.memory_calls import has_failed
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay

# Messages that are sent home.
STATE: Final = "state"
SAVED: Final = "saved"
OVER: Final = "over"
# Seconds between two states, and how many times as long as one took to make at least.
EVERY: Final = 0.5
_SHARE: Final = 4
# Rows of each kind that are told of.
ROWS: Final = 100
_TEXT: Final = 200
# Stacks a second that each CPU records: what comes faster is told of by the form of its calls.
_STACK_RATE: Final = 1000


@dataclass(frozen=True, slots=True)
class LiveSite:
    """Calls of one kind. vmas, boundaries: that they have made and that are there. per_second:
    VMAs that they make now. size: bytes.
    """

    cause: str
    vmas: int
    boundaries: int
    size: int
    per_second: float


@dataclass(frozen=True, slots=True)
class LiveFailure:
    """A call that failed. time: of day, in seconds. why: which check refused it."""

    time: float
    call: str
    errno: str
    why: str


@dataclass(frozen=True, slots=True)
class LiveState:
    """What is known of the process by now.

    images: how many address spaces there are. vmas: of the largest one, `image`, of which the rest
    tells too. per_second: calls. behind: seconds between its calls and this. lost: events without
    room. differ, adopted: calls that the model did not predict. apart: what keeps neighbours
    apart, at how many boundaries, and how many VMAs that costs. waiting: bytes of events that
    have come and are not decoded yet.
    """

    image: str
    images: int
    vmas: int
    calls: int
    per_second: float
    behind: float
    lost: int
    differ: int
    adopted: int
    sites: tuple[LiveSite, ...] = ()
    apart: tuple[tuple[str, int, int], ...] = ()
    failures: tuple[LiveFailure, ...] = ()
    bytes_written: int = 0
    waiting: int = 0


@dataclass(slots=True)
class _Window:
    """What has come since the last state."""

    since: float = field(default_factory=time.monotonic)
    calls: int = 0
    # VMAs that calls have made, by image, stack and form of the call; and one call of each.
    made: Counter[tuple[str, tuple[str, ...], str]] = field(default_factory=Counter)
    examples: dict[tuple[str, tuple[str, ...], str], Call] = field(default_factory=dict)


def watch(pid: int, folder: str, descriptor: int) -> Iterator[object]:
    """Watch a process until it ends or is asked to stop. Yields nothing; what goes wrong is sent
    home. folder: new, for the recording.
    """
    home = Connection(descriptor)
    teller = _Teller(home)
    why = ""
    try:
        source = Source(stacks=True, stack_rate=_STACK_RATE)
        with closing(LiveFlight(folder, source, pid)) as flight:
            following = Following(flight, teller.tick)
            options = Options(observers=(teller,), before={})
            teller.begin(following, Replay(following, options))
    except (CannotWatch, VmalabError) as error:
        why = str(error)
    except OutputFailed as error:
        why = f"{folder}: {error.why}"
    home.send((OVER, why))
    home.close()
    return iter(())


@final
class _Teller(Observer):
    """Collects what there is to tell, and sends it."""

    def __init__(self, home: Connection) -> None:
        self._home = home
        self._blame = Blame(watched=True)
        self._failures: deque[LiveFailure] = deque(maxlen=ROWS)
        self._window = _Window()
        self._calls = 0
        # When the latest call was made, in seconds of the epoch.
        self._time = 0.0
        self._due = 0.0
        self._following: Following | None = None
        self._replay: Replay | None = None
        self._names: LiveNames | None = None

    def begin(self, following: Following, replay: Replay) -> None:
        """Replay what comes, until nothing more does. Errors: those of the replay."""
        self._following = following
        self._replay = replay
        self._names = LiveNames(following.flight.output.places)
        with closing(self._names):
            replay.run()
            self._send(time.monotonic())

    # What the replay sees.

    def began(self, state: ImageState, mm: Mm) -> None:
        """An image begins."""
        self._blame.began(state, mm)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """A child begins."""
        self._blame.forked(state, mm, parent)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """A call has taken effect."""
        self._blame.after(state, mm, call, reason)
        self._calls += 1
        self._time = call.time
        self._window.calls += 1
        for olds, news in self._blame.replaced(state.name):
            made = {new.number for new in news} - {old.number for old in olds}
            if made:
                key = (state.name, tuple(call.stack or ()), call_shape(call))
                self._window.made[key] += len(made)
                self._window.examples.setdefault(key, call)
        if has_failed(call):
            self._fail(state, mm, call, reason)

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """The map has changed without a call."""
        self._blame.changed(state, mm, line, span)

    def ended(self, state: ImageState, mm: Mm) -> None:
        """An image ends."""
        self._blame.ended(state, mm)

    def _fail(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        errno = ENOMEM if call.name == "brk" else -state.answer
        verdict, argument = why_refused(mm, call, errno, reason, searching=False)
        by = f"{verdict.check} ({argument})" if argument else verdict.check
        name = ERRNO_NAME.get(errno, str(errno))
        text = format_call(call)[:_TEXT]
        self._failures.append(LiveFailure(call.time, text, name, f"{by}: {verdict.why}"))

    # Telling.

    def tick(self) -> None:
        """Send a state if one is due; do what is asked for."""
        now = time.monotonic()
        if now >= self._due and self._replay is not None and self._names is not None:
            self._names.look()
            self._send(now)
            self._due = now + max(EVERY, _SHARE * (time.monotonic() - now))
        try:
            while self._home.poll():
                self._answer(self._home.recv())
        except (EOFError, OSError):
            # Nobody listens any more.
            if self._following is not None:
                self._following.stop()

    def _answer(self, target: str) -> None:
        """Save the recording so far to a new folder."""
        assert self._following is not None
        output = self._following.flight.output
        try:
            output.flush()
            output.write_meta()
            if self._names is not None:
                found = self._names.names.items()
                output.frames(b"".join(frame_line(frame, names) for frame, names in found))
            shutil.copytree(output.folder, target)
        except (OSError, OutputFailed) as error:
            why = error.why if isinstance(error, OutputFailed) else error.strerror or str(error)
            self._home.send((SAVED, f"{target}: cannot be written: {why}"))
            return
        self._home.send((SAVED, f"saved: {os.path.abspath(target)}"))

    def _send(self, now: float) -> None:
        assert self._following is not None
        assert self._replay is not None
        living = self._replay.living()
        window, self._window = self._window, _Window()
        seconds = max(now - window.since, 1e-3)
        total = [image.figures for image in self._replay.report.images.values()]
        flight = self._following.flight
        state, mm = max(living, key=lambda pair: pair[1].map_count, default=(None, None))
        name = "" if state is None else state.name
        told = LiveState(
            name,
            len(living),
            0 if mm is None else mm.map_count,
            self._calls,
            window.calls / seconds,
            max(0.0, time.time() - self._time) if self._following.waits and self._time else 0.0,
            flight.lost,
            sum(figures.differ for figures in total),
            sum(figures.adopted for figures in total),
            self._sites(name, window, seconds) if state is not None else (),
            _apart(mm),
            tuple(self._failures),
            flight.output.size,
            flight.waiting,
        )
        try:
            self._home.send((STATE, told))
        except OSError:
            self._following.stop()

    def _sites(self, name: str, window: _Window, seconds: float) -> tuple[LiveSite, ...]:
        assert self._names is not None
        names = self._names.names
        report = blame_report(self._blame.moment(name), names=names)
        callsites = Callsites(names, Skipping())
        rates: Counter[str] = Counter()
        for key, made in window.made.items():
            if key[0] == name:
                rates[callsites.site_of(window.examples[key])] += made
        found = [
            LiveSite(
                share.cause,
                share.vmas,
                share.boundaries,
                share.size,
                rates.pop(share.cause, 0) / seconds,
            )
            for share in report.shares[SITE][:ROWS]
        ]
        # What is made and is gone again at once.
        found += [LiveSite(cause, 0, 0, 0, made / seconds) for cause, made in rates.items()]
        return tuple(found)


def _apart(mm: Mm | None) -> tuple[tuple[str, int, int], ...]:
    """Return what keeps neighbours apart."""
    if mm is None:
        return ()
    groups = explain(layout_of_mm(mm)).groups[:ROWS]
    return tuple((group.text, group.boundaries, group.saves) for group in groups)
