# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole check of one target: its streams shared out to processes, its findings shrunk, counted.

Each process has an executor, or a guest, of its own. Streams are numbered; process J of N does
every N-th one, so the same seed gives the same streams whatever N is. A model with a historic bug
always has a process of its own.
"""

import itertools
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from vmalab.apart import Apart, gather
from vmalab.calls.call import Call
from vmalab.check.finding import DIED, Divergence, Finding, Transcript
from vmalab.check.reach import Reach
from vmalab.check.shrink import shrink
from vmalab.check.streams import STREAM, check_stream
from vmalab.check.trial import Outcomes, OverBound, Trial, TrialFigures
from vmalab.targets.model.versions import check_version, nearest_version
from vmalab.targets.opening import open_beside
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.target_errors import TargetError

# Of the number of a stream, what the user's seed is worth.
SEED_STEP: Final = 1_000_000
# Streams left for want of memory that are told one by one.
MOST_NOTES: Final = 20
# Lists that may be tried to make a finding simple; few where each ends by its clock.
BUDGET: Final = 3000
HUNG_BUDGET: Final = 15
# Streams whose lines of the engine are noted, for the figure of coverage.
_REACHING: Final = 13


@dataclass(frozen=True, slots=True)
class Plan:
    """What a user asked of a check.

    target: "live" or "qemu:IMAGE". kernel: profile of the model, None for the target's own. calls:
    how many to compare. stop: at the first difference. mutant: the historic bug that the model has,
    "" for none. base: what a tree is compared with in the place of the model, "" for nothing.
    """

    target: str
    kernel: str | None
    calls: int
    seed: int
    profiles: tuple[str, ...]
    jobs: int = 1
    stop: bool = True
    mutant: str = ""
    base: str = ""


@dataclass(slots=True)
class Totals:
    """What a check has done so far, or one process of it.

    left: streams that were left at a call over the bound of memory. notes: the first of them, told.
    """

    kernel: str = ""
    version: str = ""
    calls: int = 0
    maps: int = 0
    streams: int = 0
    differences: int = 0
    seconds: float = 0.0
    outcomes: dict[tuple[str, int, int], int] = field(default_factory=dict)
    reached: dict[str, tuple[int, int]] = field(default_factory=dict)
    left: int = 0
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Refusals:
    """Streams that were left at a call over the bound of memory: how many, notes on the first."""

    count: int = 0
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """One more."""
        self.count += 1
        if len(self.notes) < MOST_NOTES:
            self.notes.append(text)


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


Message = tuple[str, object]


def run_plan(plan: Plan, tell: Callable[[Totals], None]) -> Iterator[Shrunk]:
    """Carry out a check: its findings as they come; `tell` hears of the progress.

    Errors: TargetError, UsageError.
    """
    if plan.kernel is not None:
        check_version(plan.kernel)
    parts = [partial(part, plan, job, plan.jobs) for job in range(plan.jobs)]
    return run_parts(plan, parts, tell)


def part(plan: Plan, job: int, share: int) -> Iterator[Message]:
    """Open the target, and do one process' part of the streams; see `work` and `open_beside`."""
    with open_beside(plan.target, plan.base, share) as (target, base):
        yield from work(plan, target, job, base)


def run_parts(
    plan: Plan, parts: Sequence[Callable[[], Iterator[Message]]], tell: Callable[[Totals], None]
) -> Iterator[Shrunk]:
    """Yield the findings of all parts of a check, and tell the sum of their totals.

    One part runs in this process unless the plan has a mutant, several run at a time.
    """
    messages: Generator[tuple[int, Message], None, None]
    if len(parts) == 1 and not plan.mutant:
        messages = ((0, message) for message in parts[0]())
    else:
        messages = gather(Apart(one, plan.mutant) for one in parts)
    totals: dict[int, Totals] = {}
    with closing(messages):
        for job, (kind, value) in messages:
            if kind == "found":
                assert isinstance(value, Shrunk)
                yield value
                if plan.stop and len(parts) > 1:
                    return
            else:
                assert isinstance(value, Totals)
                totals[job] = value
                tell(_sum(list(totals.values())))


def work(
    plan: Plan, target: RealTarget, job: int, base: RealTarget | None = None
) -> Iterator[Message]:
    """One process' part of the streams, on its target: findings as they come, totals after each.

    job: which process of `plan.jobs` it is. base: in the model's place. Yields ("totals", Totals)
    and ("found", Shrunk).
    """
    version = plan.kernel or version_of(target)
    trial = Trial(target, version, base)
    reach = Reach()
    budget = plan.calls // plan.jobs + (job < plan.calls % plan.jobs)
    seconds = 0.0
    known: set[tuple[object, ...]] = set()
    differences = 0
    refusals = Refusals()
    for index in itertools.count(job, plan.jobs):
        left = budget - trial.figures.calls
        if left <= 0:
            break
        profile = plan.profiles[index % len(plan.profiles)]
        seed = plan.seed * SEED_STEP + index
        reach.watch(base is None and index < _REACHING)
        began = time.monotonic()
        try:
            finding = check_stream(trial, profile, seed, min(left, STREAM))
        except OverBound as error:
            finding = None
            refusals.note(f"profile {profile}, stream {seed}: {error}")
        seconds += time.monotonic() - began
        reach.watch(False)
        if finding is not None:
            differences += 1
            signature = finding.difference.signature
            if plan.stop or signature not in known:
                known.add(signature)
                yield "found", make_simple(trial, finding)
            if plan.stop:
                yield "totals", _totals(trial, seconds, reach, differences, refusals)
                return
        yield "totals", _totals(trial, seconds, reach, differences, refusals)


def version_of(target: RealTarget) -> str:
    """Return the profile for a target's kernel."""
    numbers = target.release.split("-")[0].split("+")[0].split(".")
    try:
        return nearest_version((int(numbers[0]), int(numbers[1])))
    except (IndexError, ValueError):
        raise TargetError(f"{target.name}: a kernel called {target.release[:40]!r}") from None


def _totals(
    trial: Trial, seconds: float, reach: Reach, differences: int, refusals: Refusals
) -> Totals:
    return Totals(
        trial.target.release,
        trial.version,
        trial.figures.calls,
        trial.figures.maps,
        trial.figures.streams,
        differences,
        seconds,
        trial.outcomes.seen,
        reach.figures(),
        refusals.count,
        (*refusals.notes, *trial.target.remarks()),
    )


def make_simple(trial: Trial, finding: Finding) -> Shrunk:
    """Shrink a finding, and run what is left once more to have all its results."""
    original = len(finding.difference.calls)
    died = finding.difference.kind == DIED
    outcomes, figures = trial.outcomes, trial.figures
    trial.outcomes, trial.figures = Outcomes(), TrialFigures()

    def run(settings: Settings, calls: Sequence[Call]) -> Divergence | None:
        try:
            return trial.run(settings, calls, len(calls) - 1, flush=died)
        except OverBound:
            return None

    def answers(settings: Settings, calls: Sequence[Call]) -> Sequence[int | None]:
        return trial.transcript(settings, calls).results

    budget = HUNG_BUDGET if finding.difference.hung else BUDGET
    best, settings = shrink(run, answers, finding.difference, finding.settings, budget)
    transcript = trial.transcript(settings, best.calls)
    trial.outcomes, trial.figures = outcomes, figures
    simple = replace(finding, settings=settings, difference=best)
    release = trial.target.release
    return Shrunk(simple, transcript, trial.version, release, original, trial.base_name)


def _sum(parts: list[Totals]) -> Totals:
    total = Totals(parts[0].kernel, parts[0].version)
    for part in parts:
        total.differences += part.differences
        total.left += part.left
        total.notes = (*total.notes, *part.notes)[:MOST_NOTES]
        total.calls += part.calls
        total.maps += part.maps
        total.streams += part.streams
        total.seconds = max(total.seconds, part.seconds)
        for key, count in part.outcomes.items():
            total.outcomes[key] = total.outcomes.get(key, 0) + count
        for name, (reached, lines) in part.reached.items():
            best = max(reached, total.reached.get(name, (0, 0))[0])
            total.reached[name] = (best, lines)
    return total
