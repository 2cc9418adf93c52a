# SPDX-License-Identifier: GPL-2.0-or-later
"""Tries a refused call again under higher limits, until it passes, in a copy of this process.

Behind the check that refused it others may stand, which no note tells of: brk looks at RLIMIT_DATA
twice, what passes RLIMIT_AS may be too much for the commit limit, and what is cut out of a VMA
needs two VMAs more. The call itself is made in the model, so what is said to pass has passed.
"""

from functools import partial
from typing import Final

from vmalab.calls.call import Call
from vmalab.explain.enomem.limit_checks import (
    BYTES,
    CHECKS,
    PAGES,
    LimitVerdict,
    verdict_of,
)
from vmalab.linux.include.config import OVERCOMMIT_ALWAYS
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.uapi.resource import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK
from vmalab.linux.mm import refusal as checks
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.replay.copied_process import in_a_copy
from vmalab.targets.model.descriptors import carry_out

# Limits that are raised for one call at most.
MAX_RAISED: Final = 8
# Limits of processes by the check that looks at them, and the shift from its unit to bytes.
_RLIMITS: Final = {
    checks.REFUSED_AS: (RLIMIT_AS, PAGE_SHIFT),
    checks.REFUSED_DATA: (RLIMIT_DATA, PAGE_SHIFT),
    checks.REFUSED_BRK: (RLIMIT_DATA, 0),
    checks.REFUSED_MEMLOCK: (RLIMIT_MEMLOCK, PAGE_SHIFT),
    checks.REFUSED_STACK: (RLIMIT_STACK, 0),
}


class _Limits:
    """The limits that a trial raises."""

    def __init__(self, mm: Mm, task: Task) -> None:
        self._mm = mm
        self._task = task

    def raise_one(self) -> bool:
        """Raise the limit that has just refused a call to what it would need; False: no limit."""
        refusal, config = self._mm.refusal, self._mm.config
        limit = _RLIMITS.get(refusal.check)
        if limit is not None:
            number, shift = limit
            self._task.signal.rlim_cur[number] = refusal.needed << shift
        elif refusal.check == checks.REFUSED_MAP_COUNT:
            config.max_map_count = refusal.needed
        elif refusal.check in (checks.REFUSED_GUESS, checks.REFUSED_COMMIT):
            config.overcommit_memory = OVERCOMMIT_ALWAYS
        else:
            return False
        return True


def _passed(call: Call, result: int) -> bool:
    return result == call.args[0] if call.name == "brk" else result >= 0


def with_what_stands_behind(mm: Mm, call: Call, first: LimitVerdict) -> LimitVerdict:
    """Return the verdict on a call with what it takes to pass all checks, tried in the model.

    first: what the check that refused it says. Mutates: nothing; the trial is another process's.
    """
    task = mm.owner
    if task is None or first.unit == "":
        return first
    return in_a_copy(partial(_tried, mm, task, call, first)) or first


def _tried(mm: Mm, task: Task, call: Call, first: LimitVerdict) -> LimitVerdict:
    """Make the call under ever higher limits until it passes.

    Mutates: all that the call does. A limit whose least value is not what its check says is put
    right: what cuts a VMA twice needs one VMA more than the check knows.
    """
    limits = _Limits(mm, task)
    found = [first]
    while len(found) <= MAX_RAISED and limits.raise_one():
        if _passed(call, carry_out(task, call)):
            break
        check = CHECKS.get(mm.refusal.check)
        if check is None:
            break
        found.append(verdict_of(mm, mm.refusal, check, call))
    return _joined(found)


def _bytes(verdict: LimitVerdict) -> int:
    """Return what a limit would have to be in bytes, or in its own unit where that is no size."""
    return (verdict.needed or 0) << (PAGE_SHIFT if verdict.unit == PAGES else 0)


def _joined(found: list[LimitVerdict]) -> LimitVerdict:
    """Return the first verdict with the remedies of all, the larger one of two on one limit."""
    first = found[0]
    by_limit: dict[str, LimitVerdict] = {}
    why = first.why
    for verdict in found:
        known = by_limit.get(verdict.check)
        if known is None or _bytes(verdict) > _bytes(known):
            by_limit[verdict.check] = verdict
        if verdict is not first:
            looked_at = verdict.why.partition(", RLIMIT_")[0]
            why += f"; behind that, {verdict.check}: {looked_at}"
    remedy = ", and ".join(verdict.remedy for verdict in by_limit.values())
    needed = first.needed
    least = by_limit[first.check]
    if least is not first and first.unit in (PAGES, BYTES):
        needed = _bytes(least) >> (PAGE_SHIFT if first.unit == PAGES else 0)
    return first._replace(why=why, remedy=remedy, needed=needed)
