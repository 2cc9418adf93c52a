# SPDX-License-Identifier: GPL-2.0-or-later
"""How many VMAs each cause answers for in two recordings of one workload, at the peak and the end.

Images are not matched by their names, which hold process IDs: of each recording it is the image
with the most VMAs that is compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from vmalab.explain.blame.culprits import BlameReport, blame_report
from vmalab.explain.blame.skipping import Skipping
from vmalab.explain.blame.watcher import Blame, Moment
from vmalab.explain.why.moment import END, PEAK
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.usable import check_usable, notes_on


@dataclass(frozen=True, slots=True)
class CauseGrowth:
    """VMAs that one cause answers for. before, after: in the first and the second recording."""

    cause: str
    before: int
    after: int

    @property
    def more(self) -> int:
        """How many more there are in the second."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class MomentGrowth:
    """One moment of both recordings. at: "peak" or "end".

    before_image, after_image: which images were compared. before, after: their VMAs. causes: those
    with another number of VMAs, the one that grew the most first.
    """

    at: str
    before_image: str
    after_image: str
    before: int
    after: int
    causes: tuple[CauseGrowth, ...]

    @property
    def more(self) -> int:
        """How many more VMAs there are in the second."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class VmaGrowth:
    """Two recordings. before, after: their paths. by: what is summed by. notes: on either."""

    before: str
    after: str
    by: str
    moments: tuple[MomentGrowth, ...]
    notes: tuple[str, ...] = ()

    @property
    def more(self) -> int:
        """How many more VMAs the second has, at the moment where it is the most."""
        return max(moment.more for moment in self.moments)


def growth(
    before: RecordingFiles,
    after: RecordingFiles,
    by: str,
    options: Options,
    skipping: Skipping | None = None,
) -> VmaGrowth:
    """Replay both recordings, and compare. Errors: ReadError."""
    first, first_notes = _moments(before, options, skipping)
    second, second_notes = _moments(after, options, skipping)
    return VmaGrowth(
        before.path,
        after.path,
        by,
        tuple(grown(at, first[at], second[at], by) for at in (PEAK, END)),
        (*first_notes, *second_notes),
    )


def grown(at: str, before: BlameReport, after: BlameReport, by: str) -> MomentGrowth:
    """Compare one moment of two images."""
    counts = {share.cause: (share.vmas, 0) for share in before.shares[by]}
    for share in after.shares[by]:
        counts[share.cause] = (counts.get(share.cause, (0, 0))[0], share.vmas)
    rows = [CauseGrowth(cause, *pair) for cause, pair in counts.items() if pair[0] != pair[1]]
    rows.sort(key=lambda row: (-row.more, row.cause))
    return MomentGrowth(
        at, before.image, after.image, len(before.vmas), len(after.vmas), tuple(rows)
    )


def _moments(
    files: RecordingFiles, options: Options, skipping: Skipping | None
) -> tuple[dict[str, BlameReport], tuple[str, ...]]:
    """Replay a recording; Returns: its image with the most VMAs at both moments, and notes."""
    watcher = Blame()
    report = Replay(files, options._replace(observers=(*options.observers, watcher))).run()
    check_usable(report)
    largest = _largest(watcher.moments(peak=True))
    at_end = next(item for item in watcher.moments(peak=False) if item.image == largest.image)
    names = files.frames()
    found = {
        at: blame_report(moment, None, names, skipping)
        for at, moment in ((PEAK, largest), (END, at_end))
    }
    return found, tuple(f"{files.path}: {note}" for note in notes_on(report))


def _largest(moments: Iterable[Moment]) -> Moment:
    return max(moments, key=lambda moment: len(moment.vmas))
