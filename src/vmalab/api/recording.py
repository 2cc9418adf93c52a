# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording to ask: does the model predict it, why are there so many VMAs, why do calls fail."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, final

from vmalab.api.maps import Maps
from vmalab.api.numbers import rlimits as limits_of
from vmalab.api.numbers import sysctls, text
from vmalab.explain.blame.culprits import BY, SITE, blame_report
from vmalab.explain.blame.skipping import Skipping
from vmalab.explain.blame.tally import StackTally
from vmalab.explain.blame.watcher import Blame, Moment
from vmalab.explain.why.boundaries import explain
from vmalab.explain.why.moment import END, PEAK, check_line, missing, peak_of, take
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.search import one_recording
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.replay.usable import notes_on
from vmalab.views.blame import BlameFindings
from vmalab.views.why import WhyFindings

# Most who ask a question ask no other: what answers one is imported with the question.
if TYPE_CHECKING:
    from vmalab.api.space import AddressSpace
    from vmalab.api.timeline import VmaTimeline
    from vmalab.explain.diff.growth import VmaGrowth
    from vmalab.explain.enomem.failed_calls import Enomem
    from vmalab.explain.history.series import Sample
    from vmalab.explain.whatif.comparison import WhatIf

# Beyond the last line of any log: a replay up to it leaves what lives then alive.
_LAST: Final = 1 << 62


@final
class Recording:
    """One recording, or a bare log of strace or the like.

    Each question is answered by a replay of its own. Moments are "end", "peak" (the most VMAs), or
    a line of the log; images are named as `images` names them, None: the one with the most VMAs.
    Errors of all methods: ReadError (what is wrong with the recording, and where), UsageError for
    a kernel without a model, TypeError or ValueError that names an argument of the wrong kind.
    """

    __slots__ = ("_options", "files")

    def __init__(self, files: RecordingFiles, options: Options | None = None) -> None:
        self.files = files
        self._options = Options() if options is None else options

    @classmethod
    def open(cls, path: str) -> "Recording":
        """Open a recording's folder, or a log. Errors: ReadError."""
        return cls(one_recording(path))

    @property
    def path(self) -> str:
        """Where it is."""
        return self.files.path

    @property
    def images(self) -> tuple[str, ...]:
        """The names of its process images: "PID.N", N the execs before."""
        return tuple(self.files.images)

    def replay(self, kernel: str | None = None) -> ReplayReport:
        """Replay it, and tell what the model predicted. kernel: "6.12"; None: the recording's."""
        return Replay(self.files, self._with(kernel)).run()

    def why(
        self,
        address: int | None = None,
        *,
        at: int | str = PEAK,
        image: str | None = None,
        kernel: str | None = None,
    ) -> WhyFindings:
        """Tell what keeps neighbouring VMAs apart, and what each cause costs.

        address: bytes; of a VMA to look at closely, with its history.
        """
        _check_moment(at)
        watcher = Blame(lives=True) if address is not None else None
        options = self._with(kernel, () if watcher is None else (watcher,))
        taken, report = take(self.files, options, at, image, address)
        made = None
        if watcher is not None:
            moments = [item for item in watcher.moments(peak=False) if item.image == taken.image]
            made = blame_report(moments[0], address, self.files.frames())
        return WhyFindings(
            self.path,
            f"line {at}" if isinstance(at, int) else at,
            taken.image,
            taken.line,
            report.kernel,
            explain(taken.layout),
            notes_on(report),
            taken.place,
            made,
            taken.layout,
        )

    def blame(
        self,
        address: int | None = None,
        *,
        at: int | str = PEAK,
        image: str | None = None,
        kernel: str | None = None,
        observers: Iterable[Observer] = (),
        skipping: Skipping | None = None,
        tally: StackTally | None = None,
    ) -> BlameFindings:
        """Tell which call made each VMA and each boundary.

        address: bytes; of the VMA whose history is wanted. skipping: which frames of stacks are
        passed over. tally: counts what calls made.
        """
        _check_moment(at)
        watcher = Blame(lives=address is not None, tally=tally)
        until = at if isinstance(at, int) else 0
        options = self._with(kernel, (watcher, *observers))._replace(until=until)
        replay = Replay(self.files, options)
        report = replay.run()
        notes = notes_on(report)
        check_line(self.files, at, report)
        moments = watcher.moments(peak=at == PEAK)
        if isinstance(at, int):
            living = {state.name for state, _ in replay.living()}
            for state, mm in replay.living():
                watcher.ended(state, mm)
            moments = [item for item in watcher.moments(peak=False) if item.image in living]
        ranked = sorted(moments, key=_size, reverse=True)
        chosen = next((item for item in ranked if image in (None, item.image)), None)
        if chosen is None:
            raise missing(self.files, at, image)
        return BlameFindings(
            self.path,
            f"line {at}" if isinstance(at, int) else at,
            report.kernel,
            blame_report(chosen, address, self.files.frames(), skipping),
            notes,
            tuple((item.image, len(item.vmas)) for item in ranked if item is not chosen),
            chosen,
        )

    def enomem(self, kernel: str | None = None) -> "Enomem":
        """Tell which check refused each call that failed, and what is left of each limit."""
        from vmalab.explain.enomem import failed_calls

        return failed_calls.enomem(self.files, self._with(kernel))[0]

    def whatif(
        self,
        *,
        drop: Iterable[str] = (),
        sysctl: Mapping[str, int] | None = None,
        rlimits: Mapping[str, int] | None = None,
        kernel: str | None = None,
        guard_regions: bool = False,
        thp: str | None = None,
        no_names: bool = False,
    ) -> "WhatIf":
        """Run it as it was and with changes, and compare.

        drop: calls left out, as "madvise(MADV_NOHUGEPAGE)". sysctl: {"vm.max_map_count": 262144}.
        rlimits: {"AS": bytes}. thp: "always", "madvise", "never".
        """
        from vmalab.explain.whatif.changes import Changes, parse_pattern
        from vmalab.explain.whatif.comparison import what_if

        changes = Changes(
            drops=tuple(parse_pattern(text) for text in drop),
            sysctl=sysctls(sysctl),
            rlimits=limits_of(rlimits),
            kernel=kernel,
            guards=guard_regions,
            thp=thp,
            no_names=no_names,
        )
        return what_if(self.files, changes, self._options)[0]

    def diff(self, other: "Recording", *, by: str = SITE) -> "VmaGrowth":
        """Tell what has more VMAs in another recording of the same workload.

        by: "site", "function", "file", "mapping", "library", "thread" or "call".
        """
        from vmalab.explain.diff.growth import growth

        if by not in BY:
            raise ValueError(f"by: one of {', '.join(BY)}, not {by!r}")
        _check_other(other)
        return growth(self.files, other.files, by, self._options)

    def address_space(
        self, *, at: int | str = END, image: str | None = None, kernel: str | None = None
    ) -> "AddressSpace":
        """Replay it up to a moment; Returns: an address space as it is then, to go on with.

        The end of a program that has ended is what it had after its last memory call.
        """
        from vmalab.api.machine import Machine

        _check_moment(at)
        options = self._with(kernel)
        if at == PEAK:
            image, at = peak_of(self.files, options, image)
        replay, living = self._living(at, image, options)
        if not living and at == END:
            taken, _ = take(self.files, options, END, image)
            replay, living = self._living(taken.line, taken.image, options)
        if not living:
            raise missing(self.files, at, image)
        _, mm = max(living, key=lambda item: item[1].map_count)
        pid = next(task.pid for task in replay.target.machine.tasks.values() if task.mm is mm)
        return Machine.of(replay.target, replay.report.kernel).adopt(pid)

    def _living(
        self, at: int | str, image: str | None, options: Options
    ) -> tuple[Replay, list[tuple[ImageState, Mm]]]:
        """Replay up to a moment; return the images that live then, all or the one of a name."""
        until = at if isinstance(at, int) and at else _LAST
        replay = Replay(self.files, options._replace(until=until))
        check_line(self.files, at, replay.run())
        found = replay.living()
        return replay, [(state, mm) for state, mm in found if image in (None, state.name)]

    def timeline(self, *, image: str | None = None, kernel: str | None = None) -> "VmaTimeline":
        """Return how many VMAs an image had after which call; a curve in a notebook."""
        from vmalab.api.timeline import VmaTimeline
        from vmalab.explain.history.history import History

        history = History()
        Replay(self.files, self._with(kernel, (history,))).run()
        found = [item for item in history.images.values() if image in (None, item.name)]
        if not found:
            raise missing(self.files, END, image)
        chosen = max(found, key=lambda item: _peak(item.series.all()))
        return VmaTimeline(chosen.name, chosen.series.all())

    def vmas(
        self, *, at: int | str = END, image: str | None = None, kernel: str | None = None
    ) -> Maps:
        """Return the map of an image at a moment, as the model has it."""
        _check_moment(at)
        taken, _ = take(self.files, self._with(kernel), at, image)
        return Maps(taken.layout.lines)

    def __repr__(self) -> str:
        release = self.files.meta.release or "an unknown kernel"
        return f"<Recording {self.path!r} of {release}: {len(self.files.images)} images>"

    def _with(self, kernel: str | None, observers: Iterable[Observer] = ()) -> Options:
        if kernel is not None:
            text("kernel", kernel)
        watching = (*self._options.observers, *observers)
        return self._options._replace(kernel=kernel, observers=watching)


def _check_other(other: object) -> None:
    """Errors: TypeError for what is no Recording."""
    if not isinstance(other, Recording):
        what = f"other must be a Recording, not {type(other).__name__}"
        raise TypeError(f"{what}: Recording.open(path) makes one")


def _check_moment(at: object) -> None:
    """Errors: TypeError and ValueError for what is neither "end" nor "peak" nor a line."""
    if isinstance(at, bool) or not isinstance(at, int | str):
        raise TypeError(f"at must be a line, 'end' or 'peak', not {type(at).__name__}")
    if at not in (END, PEAK) and (isinstance(at, str) or at < 1):
        raise ValueError(f"at must be a line, 'end' or 'peak', not {str(at)[:40]!r}")


def _peak(samples: "list[Sample]") -> int:
    return max((sample.vmas for sample in samples), default=0)


def _size(moment: Moment) -> int:
    return len(moment.vmas)
