# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks for bugs that were put into the model on purpose: how soon a check finds each, how small.

A check that finds nothing says little; one that finds each of these says what it would not miss.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from vmalab.apart import Apart, gather
from vmalab.check.campaign import Plan, Shrunk, Totals, part
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


def hunt(
    plan: Plan, bugs: Iterable[Sought], tell: Callable[[str, Totals], None]
) -> Iterator[Trace]:
    """Look for `plan.jobs` bugs at a time, each on a target of its own with all calls of the plan.

    Yield what became of each, in their order; `tell` hears which search has come how far.
    Errors: TargetError, UsageError.
    """
    if plan.kernel is not None:
        check_version(plan.kernel)
    waiting = deque(bugs)
    sought = [bug for bug in waiting if not bug.hidden]
    ended = {bug: Trace(bug) for bug in waiting if bug.hidden}
    searches = (Apart(partial(search_for, plan, bug), bug.name) for bug in sought)
    with closing(gather(searches, plan.jobs)) as messages:
        for index, message in messages:
            if isinstance(message, Totals):
                tell(sought[index].name, message)
                continue
            ended[sought[index]] = message
            while waiting and waiting[0] in ended:
                yield ended[waiting.popleft()]
    for bug in waiting:
        yield ended[bug]


def search_for(plan: Plan, bug: Sought) -> Iterator[Totals | Trace]:
    """Look for the bug that this process' engine has: totals as they come, the trace at last."""
    calls = 0
    found: Shrunk | None = None
    for _, value in part(replace(plan, jobs=1, stop=True), 0, plan.jobs):
        if isinstance(value, Totals):
            calls = value.calls
            yield value
        elif isinstance(value, Shrunk):
            found = value
    yield Trace(bug, calls, found)
