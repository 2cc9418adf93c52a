# SPDX-License-Identifier: GPL-2.0-or-later
"""Running the tests against each mutant, until one fails."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vmalab.linux.include.config import KernelConfig
from vmalab.testing.cases.case import Case
from vmalab.testing.cases.run import run_case
from vmalab.testing.mutants.catalogue import Mutant
from vmalab.testing.seams.checking import CheckingInternal


@dataclass(frozen=True, slots=True)
class Killing:
    """What the tests make of one mutant.

    case: the first case that failed, "" when all passed; problem: what was wrong; seconds: until
    then; named: whether it is the case that the catalogue names.
    """

    mutant: Mutant
    case: str
    problem: str
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether a case noticed."""
        return bool(self.case)

    @property
    def named(self) -> bool:
        """Whether the case that must notice did."""
        return self.case == self.mutant.case


def mutated(mutant: Mutant) -> type[CheckingInternal]:
    """A seam with the bug in it, for any test that takes a seam."""

    class Mutated(mutant.seam):  # type: ignore[misc,name-defined]
        """The seam of a mutant."""

        config: KernelConfig

        def adjust(self) -> None:
            """Put the bug into the configuration."""
            if mutant.change is not None:
                mutant.change(self.config)

    return Mutated


def kill(mutant: Mutant, cases: Sequence[Case]) -> Killing:
    """Run cases against a mutant, the one that the catalogue names first."""
    seam = mutated(mutant)
    begin = time.perf_counter()
    for case in sorted(cases, key=lambda case: case.id != mutant.case):
        verdict = run_case(case, seam)
        if not verdict.passed:
            return Killing(mutant, case.id, verdict.problems[0], time.perf_counter() - begin)
    return Killing(mutant, "", "", time.perf_counter() - begin)


def kill_all(mutants: Iterable[Mutant], cases: Sequence[Case]) -> list[Killing]:
    """Run cases against each mutant."""
    return [kill(mutant, cases) for mutant in mutants]
