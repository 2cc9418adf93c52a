# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks for bugs that were put into the model on purpose: how soon a check finds each, how small.

A check that finds nothing says little; one that finds each of these says what it would not miss.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from vmalab.check.campaign import Plan, Totals, run_plan
from vmalab.check.guide import Guidance
from vmalab.check.piece import Shrunk
from vmalab.crew.open_crew import nowhere, open_crew
from vmalab.crew.staff import ALONE, Staff
from vmalab.targets.model.versions import check_version

# A difference counts as understood when it is shrunk to so many calls.
FEW: Final = 8


@dataclass(frozen=True, slots=True)
class Sought:
    """A mutant to look for. hidden: why no kernel can show it, "" when one can."""

    name: str
    hidden: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """What became of one search.

    calls: compared until it was found, or until the search was given up. shrunk: the difference it
    made, None when there was none; both are empty for a bug that was not looked for.
    """

    sought: Sought
    calls: int = 0
    shrunk: Shrunk | None = None

    @property
    def size(self) -> int:
        """Calls of the shrunk difference, 0 without one."""
        return 0 if self.shrunk is None else len(self.shrunk.finding.difference.calls)

    @property
    def missed(self) -> bool:
        """Whether a bug that can be seen was not found, or not shrunk enough."""
        return not self.sought.hidden and not 0 < self.size <= FEW


def hunt(plan: Plan, bugs: Sequence[Sought], tell: Callable[[str, int], None]) -> Iterator[Trace]:
    """Look for each bug on a target of its own, with all calls of the plan.

    Yield what became of each, in their order; `tell` hears which is done, and how many are.
    Errors: TargetError, UsageError.
    """
    if plan.kernel is not None:
        check_version(plan.kernel)
    alone = replace(plan, staff=ALONE, stop=True, beside=plan.staff.jobs)
    with open_crew(nowhere, plan.staff) as crew:
        traces = crew.run(partial(search_for, alone, bug) for bug in bugs)
        for number, trace in enumerate(traces, 1):
            tell(trace.sought.name, number)
            yield trace


def search_for(plan: Plan, bug: Sought, place: None) -> Trace:
    """Look for one bug, in an engine that has it; one that cannot be seen is not looked for."""
    if bug.hidden:
        return Trace(bug)
    # What one search learns is no help to another.
    guidance = None if plan.guidance is None else Guidance(plan.guidance.runs)
    mutant = replace(plan, staff=Staff(mutant=bug.name), guidance=guidance)
    calls = 0

    def note(totals: Totals) -> None:
        nonlocal calls
        calls = totals.calls

    found = list(run_plan(mutant, note))
    return Trace(bug, calls, found[0] if found else None)
