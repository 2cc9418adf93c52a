# SPDX-License-Identifier: GPL-2.0-or-later
"""What guided streams are made of: short runs of calls that were the first to reach an outcome.

A stream is told what to vary when it begins, and tells at its end what it was the first to reach.
So it depends on its seed and on the runs that were known then, and on no other stream at the time.
"""

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from vmalab.calls.call import Call

# What an outcome is: call, command, result, change of the number of VMAs, why it was refused.
Outcome = tuple[str, int, int, int, str]

# Calls of a run, the one that reached the outcome being the last.
RUN: Final = 12
# Runs that one stream varies, and outcomes that one may bring back.
RUNS: Final = 24
MOST_LEARNT: Final = 200
# Runs that are kept.
MOST_KEPT: Final = 5000


def mark(outcome: Outcome) -> int:
    """Return a number for an outcome, the same in every process."""
    return zlib.crc32(repr(outcome).encode())


@dataclass(frozen=True, slots=True)
class Guide:
    """What a stream is guided by. runs: to be varied; known: the marks of outcomes that are no
    news.
    """

    runs: tuple[tuple[Call, ...], ...] = ()
    known: frozenset[int] = frozenset()


UNGUIDED: Final = Guide()


@dataclass(frozen=True, slots=True)
class Learnt:
    """An outcome that was reached for the first time, and the calls that led there."""

    outcome: Outcome
    calls: tuple[Call, ...]


@final
class Guidance:
    """The runs that are known so far, by the outcome that each was the first to reach."""

    def __init__(self, runs: Mapping[Outcome, tuple[Call, ...]] | None = None) -> None:
        self.runs: dict[Outcome, tuple[Call, ...]] = dict(runs or {})

    def learn(self, learnt: Sequence[Learnt]) -> None:
        """Keep what a stream was the first to reach."""
        for one in learnt:
            if one.outcome not in self.runs and len(self.runs) < MOST_KEPT:
                self.runs[one.outcome] = one.calls

    def guides(self, seeds: Sequence[int], counts: Mapping[Outcome, int]) -> list[Guide]:
        """Return what each of some streams is guided by: rather by what was seldom reached."""
        outcomes = list(self.runs)
        weights = [1 / (1 + counts.get(outcome, 0)) for outcome in outcomes]
        known = frozenset(map(mark, outcomes))
        made = []
        for seed in seeds:
            chosen: list[Outcome] = []
            if outcomes:
                chosen = random.Random(f"guide/{seed}").choices(outcomes, weights, k=RUNS)
            made.append(Guide(tuple(self.runs[outcome] for outcome in chosen), known))
        return made


def learnt_from(
    guide: Guide, first: Mapping[Outcome, int], calls: Sequence[Call]
) -> tuple[Learnt, ...]:
    """Return what a stream was the first to reach. first: the index of the call that did."""
    news = [(outcome, at) for outcome, at in first.items() if mark(outcome) not in guide.known]
    return tuple(
        Learnt(outcome, tuple(calls[max(at + 1 - RUN, 0) : at + 1]))
        for outcome, at in news[:MOST_LEARNT]
    )
