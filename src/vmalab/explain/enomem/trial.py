# SPDX-License-Identifier: GPL-2.0-or-later
"""Tries a refused call again under higher limits, until it passes, and undoes it.

Behind the check that refused it others may stand, which no note tells of: brk looks at RLIMIT_DATA
twice, and what passes RLIMIT_AS may be too much for the commit limit. The call itself and its
opposite are made in the model, so what is said to pass has passed.
"""

from dataclasses import replace
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
from vmalab.linux.include.page import PAGE_SHIFT, page_align_ulong
from vmalab.linux.include.uapi.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_HUGETLB,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.linux.include.uapi.resource import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK
from vmalab.linux.mm import refusal as checks
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.targets.model.descriptors import carry_out

# Limits that are raised for one call at most.
MAX_RAISED: Final = 8
_FIXED: Final = MAP_FIXED | MAP_FIXED_NOREPLACE
# Limits of processes by the check that looks at them, and the shift from its unit to bytes.
_RLIMITS: Final = {
    checks.REFUSED_AS: (RLIMIT_AS, PAGE_SHIFT),
    checks.REFUSED_DATA: (RLIMIT_DATA, PAGE_SHIFT),
    checks.REFUSED_BRK: (RLIMIT_DATA, 0),
    checks.REFUSED_MEMLOCK: (RLIMIT_MEMLOCK, PAGE_SHIFT),
    checks.REFUSED_STACK: (RLIMIT_STACK, 0),
}


class _Limits:
    """The limits that a trial raises; `restore` puts them back."""

    def __init__(self, mm: Mm, task: Task) -> None:
        self._mm = mm
        self._task = task
        self._values = [task.signal.rlim_cur[number] for number, _ in _RLIMITS.values()]
        config = mm.config
        self._config = (config.max_map_count, config.overcommit_memory)

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

    def leave_room(self) -> None:
        """Let nothing be in the way of undoing."""
        self._mm.config.max_map_count = self._mm.map_count + 16

    def restore(self) -> None:
        """Put all limits back."""
        for (number, _), value in zip(_RLIMITS.values(), self._values, strict=True):
            self._task.signal.rlim_cur[number] = value
        self._mm.config.max_map_count, self._mm.config.overcommit_memory = self._config


def can_be_undone(mm: Mm, call: Call) -> bool:
    """Return whether a call only adds memory, which its opposite takes away again without a trace.

    Locking reads pages in, and what replaces a mapping cannot be undone by calls.
    """
    args = call.args
    if mm.def_flags:
        return False
    if call.name == "brk":
        return args[0] > mm.brk > 0
    if call.name == "mmap":
        return args[3] & MAP_ANONYMOUS != 0 and args[3] & (_FIXED | MAP_HUGETLB) == 0
    if call.name == "mremap":
        moved = args[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0
        return 0 < args[1] < args[2] and not moved
    return False


def _make(task: Task, call: Call, *args: int) -> int:
    """Make a call of the same task."""
    six = (*args, 0, 0, 0, 0, 0, 0)[:6]
    return carry_out(task, Call(call.tid, call.name if call.name != "mmap" else "munmap", six))


def _undo(task: Task, call: Call, result: int, old_brk: int) -> None:
    """Take away what a call has just added."""
    args = call.args
    if call.name == "brk":
        _make(task, call, old_brk)
    elif call.name == "mmap":
        _make(task, call, result, args[1])
    elif result == args[0]:
        kept = page_align_ulong(args[1])
        tail = (args[0] + kept, page_align_ulong(args[2]) - kept, 0, 0, 0, 0)
        carry_out(task, Call(call.tid, "munmap", tail))
    else:
        _make(task, call, result, args[2], args[1], MREMAP_MAYMOVE | MREMAP_FIXED, args[0])


def _passed(call: Call, result: int) -> bool:
    return result == call.args[0] if call.name == "brk" else result >= 0


def with_what_stands_behind(mm: Mm, call: Call, first: LimitVerdict) -> LimitVerdict:
    """Return the verdict on a call with what it takes to pass all checks, tried in the model.

    first: what the check that refused it says. Mutates: nothing, but the note of the refusal, which
    is made anew.
    """
    task = mm.owner
    if task is None or first.unit == "" or not can_be_undone(mm, call):
        return first
    limits = _Limits(mm, task)
    found = [first]
    old_brk = mm.brk
    try:
        while len(found) <= MAX_RAISED and limits.raise_one():
            result = carry_out(task, call)
            if _passed(call, result):
                limits.leave_room()
                _undo(task, call, result, old_brk)
                break
            check = CHECKS.get(mm.refusal.check)
            if check is None:
                break
            found.append(verdict_of(mm, mm.refusal, check, call))
    finally:
        limits.restore()
    carry_out(task, call)
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
    return replace(first, why=why, remedy=remedy, needed=needed)
