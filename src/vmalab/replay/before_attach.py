# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds out what a process had set before a recording of it began, where /proc does not tell.

Nothing shows whether a process has called mlockall(MCL_FUTURE), say, but what it does then depends
on it. So the recording is replayed as if it had, and if it fits only so, that is supposed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call
from vmalab.linux.include.uapi.mman import MCL_FUTURE, MCL_ONFAULT
from vmalab.linux.include.uapi.prctl import (
    PR_MDWE_NO_INHERIT,
    PR_MDWE_REFUSE_EXEC_GAIN,
    PR_SET_MDWE,
    PR_SET_THP_DISABLE,
    PR_THP_DISABLE_EXCEPT_ADVISED,
)
from vmalab.replay.report import ReplayReport

if TYPE_CHECKING:
    from vmalab.replay.replay import Options, Replay

# What one of them cannot have been made together with stands beside it.
_CALLS: Final = (
    (("mlockall", (MCL_FUTURE,)), ("mlockall", (MCL_FUTURE | MCL_ONFAULT,))),
    (
        ("prctl", (PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)),
        ("prctl", (PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT)),
    ),
    (
        ("prctl", (PR_SET_THP_DISABLE, 1)),
        ("prctl", (PR_SET_THP_DISABLE, 1, PR_THP_DISABLE_EXCEPT_ADVISED)),
    ),
)


def calls_before(
    tid: int,
    options: "Options",
    report: ReplayReport,
    again: Callable[["Options"], "Replay"],
) -> tuple[Call, ...]:
    """Return calls that a process is supposed to have made before its recording began.

    again: makes another replay of the recording. report: notes what is supposed.
    """
    if options.before is not None:
        return options.before
    asked = replace(options, stop=False, maps=False, story=False, progress=None)
    asked = replace(asked, observers=(), until=0)
    supposed: tuple[Call, ...] = ()
    best = _differences(again(replace(asked, before=supposed)).run())
    for alternatives in _CALLS:
        chosen = supposed
        for name, args in alternatives:
            if best == 0:
                break
            call = Call(tid, name, (*args, *(0,) * (6 - len(args))), ret=0)
            trial = (*supposed, call)
            found = _differences(again(replace(asked, before=trial)).run())
            if found < best:
                best, chosen = found, trial
        supposed = chosen
    for call in supposed:
        made = format_call(call)
        report.notes.append(f"supposed, as the recording fits only so: before it began, {made}")
    return supposed


def _differences(report: ReplayReport) -> int:
    """Return how much of a recording is not as predicted."""
    unlike = sum(image.figures.final_identical is False for image in report.images.values())
    return report.total.differ + report.map_differences + unlike
