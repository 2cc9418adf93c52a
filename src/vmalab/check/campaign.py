# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole check of one target: its streams shared out to workers, its findings shrunk, counted.

Each worker has an executor, or a guest, of its own. Streams are numbered, and what is found is
told in the order of their numbers: the same seed finds the same, however many workers there are.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from vmalab.check.guide import Guidance, Guide, Outcome
from vmalab.check.piece import Shrunk, StreamPiece, Tally, make_simple, open_trial, run_piece
from vmalab.check.streams import STREAM
from vmalab.check.trial import Trial
from vmalab.crew.open_crew import open_crew
from vmalab.crew.sharing import Crew
from vmalab.crew.staff import ALONE, Staff
from vmalab.targets.model.versions import check_version

# Of the number of a stream, what the user's seed is worth.
SEED_STEP: Final = 1_000_000
# Streams left for want of memory that are told one by one.
MOST_NOTES: Final = 20
# Streams whose lines of the engine are noted, for the figure of coverage.
_REACHING: Final = 13
# Guided streams that begin with what is known at the same time.
_GENERATION: Final = 16
# Rounds of streams without a single call, after which there is no use in more.
_FRUITLESS: Final = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What a user asked of a check.

    target: "live" or "qemu:IMAGE". kernel: profile of the model, None for the target's own. calls:
    how many to compare. stop: at the first difference. staff: who does it; with the historic bug
    that the model has. base: what a tree is compared with in the place of the model, "" for
    nothing. beside: how many such checks there are at a time. guidance: what guides its streams,
    None for nothing; it learns from them. recordings: where a guest records programs before its
    streams, "" for nowhere; for a staff of one.
    """

    target: str
    kernel: str | None
    calls: int
    seed: int
    profiles: tuple[str, ...]
    staff: Staff = ALONE
    stop: bool = True
    base: str = ""
    beside: int = 1
    guidance: Guidance | None = None
    recordings: str = ""


@dataclass(slots=True)
class Totals:
    """What a check has done so far.

    seconds: of all workers together, divided by how many there are. left: streams that were left
    at a call over the bound of memory. unread: recordings that could not be read. notes: what of
    both is told.
    """

    kernel: str = ""
    version: str = ""
    calls: int = 0
    maps: int = 0
    streams: int = 0
    differences: int = 0
    seconds: float = 0.0
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    reached: dict[str, tuple[int, int]] = field(default_factory=dict)
    left: int = 0
    unread: int = 0
    notes: tuple[str, ...] = ()


class Sums:
    """Adds up what came of pieces, and keeps what differs for the first time."""

    def __init__(self, workers: int) -> None:
        self.totals = Totals()
        self._workers = workers
        self._lines: dict[str, set[int]] = {}
        self._remarks: dict[str, None] = {}
        self._notes: list[str] = []
        self._known: set[tuple[object, ...]] = set()

    def add(self, tally: Tally) -> None:
        """Add one piece."""
        totals = self.totals
        totals.kernel, totals.version = tally.kernel, tally.version
        totals.calls += tally.calls
        totals.maps += tally.maps
        totals.streams += tally.streams
        totals.differences += tally.finding is not None
        totals.seconds += tally.seconds / self._workers
        for key, count in tally.outcomes.items():
            totals.outcomes[key] = totals.outcomes.get(key, 0) + count
        for name, (lines, known) in tally.reached.items():
            reached = self._lines.setdefault(name, set())
            reached |= lines
            totals.reached[name] = (len(reached), known)
        totals.left += tally.left
        totals.unread += tally.unread
        self._notes += tally.notes
        self._remarks |= dict.fromkeys(tally.remarks)
        totals.notes = (*self._notes[:MOST_NOTES], *self._remarks)

    def is_new(self, tally: Tally) -> bool:
        """Return whether the piece differs as none before it."""
        if tally.finding is None:
            return False
        signature = tally.finding.difference.signature
        if signature in self._known:
            return False
        self._known.add(signature)
        return True


def run_plan(plan: Plan, tell: Callable[[Totals], None]) -> Iterator[Shrunk]:
    """Carry out a check: its findings as they come; `tell` hears of the progress.

    Errors: TargetError, UsageError.
    """
    with begun(plan) as crew:
        sums = Sums(crew.size)
        begin = fruitless = 0
        while fruitless < _FRUITLESS and sums.totals.calls < plan.calls:
            before = sums.totals.calls
            pieces = pieces_for(plan, begin, plan.calls - before, sums.totals.outcomes)
            begin += len(pieces)
            units = [partial(run_piece, piece) for piece in pieces]
            yield from carry_out(plan, crew, units, sums, tell)
            if plan.stop and sums.totals.differences:
                return
            fruitless = fruitless + 1 if sums.totals.calls == before else 0


def begun(plan: Plan) -> AbstractContextManager[Crew[Trial]]:
    """Return the workers of a check, to be entered. Errors: UsageError; TargetError, on entering.

    Where a place cannot be opened elsewhere, its error comes with the first piece.
    """
    if plan.kernel is not None:
        check_version(plan.kernel)
    share = max(plan.beside, os.cpu_count() or 1 if plan.staff.cluster else plan.staff.jobs)
    place = (plan.target, plan.base, plan.kernel, share, plan.recordings)
    return open_crew(partial(open_trial, *place), plan.staff)


def pieces_for(
    plan: Plan, begin: int, calls: int, outcomes: Mapping[Outcome, int]
) -> list[StreamPiece]:
    """Return the streams from number `begin` on that have so many calls, or a generation of them.

    outcomes: how often each was met so far.
    """
    if plan.guidance is not None:
        calls = min(calls, _GENERATION * STREAM)
    numbers = range(begin, begin + -(-calls // STREAM))
    seeds = [plan.seed * SEED_STEP + index for index in numbers]
    guides: Sequence[Guide | None] = [None] * len(seeds)
    if plan.guidance is not None:
        guides = plan.guidance.guides(seeds, outcomes)
    return [
        StreamPiece(
            plan.profiles[index % len(plan.profiles)],
            seed,
            min(STREAM, calls - STREAM * (index - begin)),
            index < _REACHING,
            guide,
        )
        for index, seed, guide in zip(numbers, seeds, guides, strict=True)
    ]


def carry_out(
    plan: Plan,
    crew: Crew[Trial],
    units: Iterable[Callable[[Trial], Tally]],
    sums: Sums,
    tell: Callable[[Totals], None],
) -> Iterator[Shrunk]:
    """Do pieces, and shrink what is new: up to the first difference, where the plan says so."""
    with closing(crew.run(units)) as tallies:
        for tally in tallies:
            sums.add(tally)
            if plan.guidance is not None:
                plan.guidance.learn(tally.learnt)
            if sums.is_new(tally):
                assert tally.finding is not None
                yield from crew.run([partial(make_simple, tally.finding)])
            tell(sums.totals)
            if plan.stop and tally.finding is not None:
                return
