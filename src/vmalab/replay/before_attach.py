# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds out what a process had done before a recording of it began, where /proc does not tell.

Nothing shows whether a process has called mlockall(MCL_FUTURE), say, but what it does then depends
on it. So the recording is replayed as if it had, and if it fits only so, that is supposed.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call
from vmalab.calls.snapshot import Snapshot
from vmalab.linux.include.uapi.mman import MCL_FUTURE, MCL_ONFAULT
from vmalab.linux.include.uapi.prctl import (
    PR_MDWE_NO_INHERIT,
    PR_MDWE_REFUSE_EXEC_GAIN,
    PR_SET_MDWE,
    PR_SET_THP_DISABLE,
    PR_THP_DISABLE_EXCEPT_ADVISED,
)
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_FEATURE_EVENT_FORK,
    UFFD_FEATURE_EVENT_REMAP,
)
from vmalab.recording.format.recording import Image, RecordingFiles
from vmalab.replay.report import ReplayReport
from vmalab.targets.model.attached import AttachedPast

if TYPE_CHECKING:
    from vmalab.replay.replay import Options, Replay

_CALLS: Final = (
    ("mlockall", (MCL_FUTURE,)),
    ("mlockall", (MCL_FUTURE | MCL_ONFAULT,)),
    ("prctl", (PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)),
    ("prctl", (PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT)),
    ("prctl", (PR_SET_THP_DISABLE, 1)),
    ("prctl", (PR_SET_THP_DISABLE, 1, PR_THP_DISABLE_EXCEPT_ADVISED)),
)
# VmFlags of what a userfaultfd watches, and what it may have been asked for.
_WATCHED: Final = frozenset(("um", "uw", "ui"))
_EVENT_NAMES: Final = (
    ("UFFD_FEATURE_EVENT_REMAP", UFFD_FEATURE_EVENT_REMAP),
    ("UFFD_FEATURE_EVENT_FORK", UFFD_FEATURE_EVENT_FORK),
)
_EVENTS: Final = tuple(bit for _, bit in _EVENT_NAMES)
# How many things are supposed of one process at most, and how many calls are replayed for it.
_MOST: Final = 8
_MOST_CALLS: Final = 400_000


def find_past(
    recording: RecordingFiles,
    image: Image,
    options: "Options",
    report: ReplayReport,
    again: Callable[["Options"], "Replay"],
) -> AttachedPast:
    """Return what a process is supposed to have done before its recording began.

    Nothing where the recording began with more than one process: each could be the reason.

    again: makes another replay of the recording. report: notes what is supposed.

    Errors: ReadError.
    """
    if options.before is not None:
        return options.before
    if sum(event.event == "attach" for event in recording.meta.events) != 1:
        return AttachedPast()
    first = image.initial() or []
    asked = replace(options, stop=False, maps=False, story=False, progress=None)
    asked = replace(asked, observers=(), until=0)
    past = AttachedPast()
    found = again(replace(asked, before=past)).run()
    calls = found.calls_seen
    for _ in range(_MOST):
        better = None
        for trial in _further(past, first, found):
            if calls > _MOST_CALLS:
                break
            report_of = again(replace(asked, before=trial)).run()
            calls += report_of.calls_seen
            if _differences(report_of) < _differences(better or found):
                past, better = trial, report_of
                if _differences(better) == 0:
                    break
        if better is None:
            break
        found = better
    report.supposed += _described(past)
    report.total.supposed = len(report.supposed)
    for what in report.supposed:
        report.notes.append(f"supposed, as the recording fits only so: before it began, {what}")
    return past


def _further(past: AttachedPast, first: Snapshot, found: ReplayReport) -> Iterator[AttachedPast]:
    """Go through what may be supposed beside the rest, given what differs still."""
    if _differences(found) == 0:
        return
    for call in _CALLS:
        others = tuple(made for made in past.calls if _setting(made) != _setting(call))
        if call not in past.calls:
            yield replace(past, calls=(*others, call))
    if not past.forked:
        yield replace(past, forked=True)
    if any(_WATCHED & {*(line.flags or ())} for line in first):
        for events in _EVENTS:
            if past.events & events != events:
                yield replace(past, events=past.events | events)
    at = next((different.at for different in found.differences if different.at >= 0), -1)
    near = frozenset(_near(first, at))
    for start in sorted(near - past.written):
        yield replace(past, written=past.written | {start})
    for start in sorted(near - past.apart):
        yield replace(past, apart=past.apart | {start})
    for start in sorted(near - past.moved):
        yield replace(past, moved=past.moved | {start})


def _setting(call: tuple[str, tuple[int, ...]]) -> tuple[str, int]:
    """Return what a call sets: of two that set the same, the later counts."""
    name, args = call
    return (name, args[0] if name == "prctl" else 0)


def _near(first: Snapshot, at: int) -> list[int]:
    """Return the starts of the VMAs around an address (bytes) of which something is not known."""
    around = [line for line in first if line.start <= at <= line.end]
    return [line.start for line in around if line.perms[3] == "p"]


def _described(past: AttachedPast) -> Iterator[str]:
    for name, args in past.calls:
        yield format_call(Call(0, name, (*args, *(0,) * (6 - len(args))), ret=0))
    if past.events:
        words = [name for name, bit in _EVENT_NAMES if past.events & bit]
        yield f"its userfaultfd was asked for {' and '.join(words)}"
    if past.forked:
        yield "a fork, whose parent still has these pages"
    for start in sorted(past.written):
        yield f"a write to the VMA at {start:#x}, of which no page is left"
    for start in sorted(past.moved):
        yield f"an mremap to the VMA at {start:#x}"
    for start in sorted(past.apart):
        yield f"a write to the VMA at {start:#x}, apart from what is below"


def _differences(report: ReplayReport) -> int:
    """Return how much of a recording is not as predicted."""
    unlike = sum(image.figures.final_identical is False for image in report.images.values())
    return report.total.differ + report.map_differences + unlike
