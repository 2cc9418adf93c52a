# SPDX-License-Identifier: GPL-2.0-or-later
"""Pieces of a check, each a unit of work: one stream, one recording, one finding to be shrunk.

What a piece finds depends on nothing that another one has found.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from vmalab.calls.call import Call
from vmalab.check.finding import DIED, Divergence, Finding, Transcript
from vmalab.check.guide import UNGUIDED, Guide, Learnt, Outcome, learnt_from
from vmalab.check.reach import Reach
from vmalab.check.shrink import shrink
from vmalab.check.streams import check_stream
from vmalab.check.trial import Outcomes, OverBound, Trial, TrialFigures
from vmalab.recording.format.meta import Meta
from vmalab.recording.format.release import kernel_version
from vmalab.targets.model.versions import version_for
from vmalab.targets.opening import open_beside
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.target_errors import ConfinementError, TargetError

# Lists that may be tried to make a finding simple; few where each ends by its clock.
BUDGET: Final = 3000
HUNG_BUDGET: Final = 15


@dataclass(frozen=True, slots=True)
class StreamPiece:
    """One stream that is to be checked. seed: its number. calls: how many it has. reaching: whether
    the lines of the engine that it reaches are noted. guide: what it is guided by, None for
    nothing.
    """

    profile: str
    seed: int
    calls: int
    reaching: bool = False
    guide: Guide | None = None


@dataclass(slots=True)
class Tally:
    """What came of a piece. kernel: the target's release; version: of the model.

    finding: the first difference. unread: whether its recording could not be read. reached: lines
    of a file of the core that it has reached, and how many there are. left: whether it was left at
    a call over the bound of memory. notes: what the user is to hear. learnt: what a guided stream
    was the first to reach.
    """

    kernel: str
    version: str
    calls: int = 0
    maps: int = 0
    streams: int = 0
    seconds: float = 0.0
    finding: Finding | None = None
    left: bool = False
    unread: bool = False
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    reached: dict[str, tuple[frozenset[int], int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    learnt: tuple[Learnt, ...] = ()


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A finding made simple, and how the simple one goes on the real kernel.

    version: of the model. original: how many calls it had. base: what the target was compared with
    in the place of the model, "" for the model.
    """

    finding: Finding
    transcript: Transcript
    version: str
    release: str
    original: int
    base: str = ""

    @property
    def beside(self) -> str:
        """What the target differs from, in words."""
        return f"its base, {self.base}" if self.base else f"the model of {self.version}"


@contextmanager
def open_trial(
    target: str, base: str, kernel: str | None, share: int, recordings: str = ""
) -> Iterator[Trial]:
    """Yield a target beside the model, or its base, where the pieces of a check are done.

    kernel: profile of the model, None for the target's own. share: how many are open at a time.
    recordings: where a guest records programs first, "" for nowhere. Errors: TargetError.
    """
    with open_beside(target, base, share, recordings) as (opened, other):
        yield Trial(opened, kernel or version_of(opened), other)


@contextmanager
def _blamed(trial: Trial, profile: str, number: int) -> Iterator[None]:
    """Name the stream during which a target ended, or did not answer, and its last words."""
    try:
        yield
    except ConfinementError:
        raise
    except TargetError as error:
        said = trial.target.last_words()
        why = f"{error}: {said}" if said else str(error)
        raise TargetError(f"profile {profile}, stream {number}: {why}") from None


def run_piece(piece: StreamPiece, trial: Trial) -> Tally:
    """Check one stream. Errors: TargetError, which names it: the target is gone, or hangs."""
    reach = Reach()
    trial.outcomes, trial.figures = Outcomes(), TrialFigures()
    reach.watch(piece.reaching and not trial.base_name)
    began = time.monotonic()
    finding: Finding | None = None
    notes: tuple[str, ...] = ()
    try:
        guide = piece.guide or UNGUIDED
        with _blamed(trial, piece.profile, piece.seed):
            finding = check_stream(trial, piece.profile, piece.seed, piece.calls, guide=guide)
    except OverBound as error:
        notes = (f"profile {piece.profile}, stream {piece.seed}: {error}",)
    seconds = time.monotonic() - began
    reach.watch(False)
    tally = tally_of(trial, seconds, finding)
    tally.left, tally.notes = bool(notes), notes
    tally.outcomes = trial.outcomes.seen
    tally.reached = reach.lines()
    if piece.guide is not None:
        tally.learnt = learnt_from(piece.guide, trial.outcomes.first, trial.made)
    return tally


def tally_of(trial: Trial, seconds: float, finding: Finding | None) -> Tally:
    """Return what a trial has done since its figures were set back."""
    figures = trial.figures
    return Tally(
        trial.target.release,
        trial.version,
        figures.calls,
        figures.maps,
        figures.streams,
        seconds,
        finding,
        remarks=trial.target.remarks(),
    )


def version_of(target: RealTarget) -> str:
    """Return the profile for a target's kernel."""
    version = kernel_version(target.release)
    if version is None:
        raise TargetError(f"{target.name}: a kernel called {target.release[:40]!r}")
    return version_for(Meta(kernel=version), None)


def make_simple(finding: Finding, trial: Trial) -> Shrunk:
    """Shrink a finding, and run what is left once more to have all its results."""
    original = len(finding.difference.calls)
    died = finding.difference.kind == DIED

    def run(settings: Settings, calls: Sequence[Call]) -> Divergence | None:
        try:
            return trial.run(settings, calls, len(calls) - 1, flush=died)
        except OverBound:
            return None

    def answers(settings: Settings, calls: Sequence[Call]) -> Sequence[int | None]:
        return trial.transcript(settings, calls).results

    budget = HUNG_BUDGET if finding.difference.hung else BUDGET
    with _blamed(trial, finding.profile, finding.seed):
        best, settings = shrink(run, answers, finding.difference, finding.settings, budget)
        transcript = trial.transcript(settings, best.calls)
    simple = replace(finding, settings=settings, difference=best)
    release = trial.target.release
    return Shrunk(simple, transcript, trial.version, release, original, trial.base_name)
