# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs cases and random walks against mutants, each in a process with its engine."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from typing import Final, TypeVar

from vmalab.apart import apart
from vmalab.crew.open_crew import nowhere, open_crew
from vmalab.crew.staff import Staff
from vmalab.testing.cases.run_case import run_case
from vmalab.testing.cases.suites import cases_named, shipped_cases
from vmalab.testing.mutants.catalogue import Mutant
from vmalab.testing.walks.trail import trail
from vmalab.testing.walks.walk import search

T = TypeVar("T")
# Random walks, and steps of each, until a mutant counts as unnoticed.
WALKS: Final = 1000
STEPS: Final = 40


@dataclass(frozen=True, slots=True)
class Killing:
    """What the cases make of one mutant.

    case: the first case that failed, "" when all passed; problem: what was wrong; seconds: until
    then, of the cases alone.
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
        """Whether the case that noticed is the first that the catalogue names."""
        return self.case == self.mutant.cases[0]


@dataclass(frozen=True, slots=True)
class Walking:
    """After how many random steps a mutant is noticed, -1: never.

    twin: by an engine without the bug that takes the same steps; laws: by what holds for any
    engine; found: what the laws say of it.
    """

    twin: int
    laws: int
    found: tuple[str, ...]


def kill_all(mutants: Iterable[Mutant], staff: Staff) -> Iterator[Killing]:
    """Run the cases against each mutant until one fails."""
    with open_crew(nowhere, staff) as crew:
        yield from crew.run(partial(kill, mutant) for mutant in mutants)


def kill(mutant: Mutant, place: None = None) -> Killing:
    """Run the cases against a mutant until one fails, those that the catalogue names first."""
    case, problem, seconds = _first(apart(partial(first_failure, mutant.cases), mutant.name))
    return Killing(mutant, case, problem, seconds)


def first_failure(named: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """Yield the first case that fails here, "" for none, its problem, and the seconds it took."""
    seconds = 0.0
    # The others are read only when these pass.
    for case in chain(cases_named(named), shipped_cases()):
        verdict = run_case(case)
        seconds += verdict.seconds
        if not verdict.passed:
            yield case.id, verdict.problems[0], seconds
            return
    yield "", "", seconds


def failures(named: Sequence[str]) -> Iterator[str]:
    """Yield those of the named cases that fail in this process."""
    for case in cases_named(named):
        if not run_case(case).passed:
            yield case.id


def walk_all(mutants: Iterable[Mutant], staff: Staff) -> Iterator[Walking]:
    """Look for each mutant with random walks."""
    with open_crew(nowhere, staff) as crew:
        yield from crew.run(partial(walk, mutant) for mutant in mutants)


def walk(mutant: Mutant, place: None = None, walks: int = WALKS) -> Walking:
    """Look for a mutant with random walks."""
    laws, found = _first(apart(partial(found_by_laws, mutant.kernel, walks), mutant.name))
    return Walking(found_by_twin(mutant, walks), laws, found)


def found_by_laws(kernel: str, walks: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield after how many steps the laws are broken in this process, or -1, and how."""
    made, walk = search(range(walks), STEPS, kernel=kernel, twin=False)
    yield (-1, ()) if walk is None else (made, tuple(walk.found))


def found_by_twin(mutant: Mutant, walks: int = WALKS) -> int:
    """Count the steps until an engine without the bug answers otherwise, -1 when it never does."""
    usual = trail(range(walks), STEPS, mutant.kernel)
    with closing(apart(partial(trail, range(walks), STEPS, mutant.kernel), mutant.name)) as other:
        for number, (one, two) in enumerate(zip_longest(usual, other), 1):
            if one != two:
                return number
    return -1


def _first(items: Iterator[T]) -> T:
    """Take the only item, and let the process end."""
    (item,) = items
    return item
