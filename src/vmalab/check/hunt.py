# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks for bugs that were put into the model on purpose: how soon a check finds each, how small.

A check that finds nothing says little; one that finds each of these says what it would not miss.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from vmalab.check.campaign import Plan, Shrunk, Totals, work
from vmalab.targets.model.model import SeamMaker
from vmalab.targets.model.versions import check_version
from vmalab.targets.opening import open_target

# A difference counts as understood when it is shrunk to so many calls.
FEW: Final = 8


@dataclass(frozen=True, slots=True)
class Sought:
    """A bug to look for. seam: has it. hidden: why no kernel can show it, "" when one can."""

    name: str
    seam: SeamMaker
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


def hunt(
    plan: Plan, bugs: Iterable[Sought], tell: Callable[[str, Totals], None]
) -> Iterator[Trace]:
    """Looks for one bug after the other on one target, each with all calls of the plan.

    `tell` hears which bug it is and how far the search has come. Errors: TargetError, UsageError.
    """
    if plan.kernel is not None:
        check_version(plan.kernel)
    with open_target(plan.target) as target:
        for bug in bugs:
            if bug.hidden:
                yield Trace(bug)
                continue
            found: Shrunk | None = None
            calls = 0
            for _, value in work(replace(plan, seam=bug.seam, jobs=1, stop=True), target, 0):
                if isinstance(value, Shrunk):
                    found = value
                elif isinstance(value, Totals):
                    calls = value.calls
                    tell(bug.name, value)
            yield Trace(bug, calls, found)
            # A checking seam remembers what was locked, which leads back to it.
            gc.collect()
