# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds out what a process had done before a recording of it began, where /proc does not tell.

Nothing shows whether a process has called mlockall(MCL_FUTURE), say, but what it does then depends
on it. So the recording is replayed as if it had, and if it fits only so, that is supposed.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, final

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
from vmalab.recording.format.recording import RecordingFiles
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


@final
class Pasts:
    """What processes are supposed to have done before their recording began: sought when the first
    of them begins.
    """

    def __init__(
        self,
        recording: RecordingFiles,
        options: "Options",
        report: ReplayReport,
        again: Callable[["Options"], "Replay"],
    ) -> None:
        """again: makes another replay of the recording. report: notes what is supposed."""
        self._seek = partial(_find_pasts, recording, options, report, again)
        self._found: Mapping[str, AttachedPast] | None = None

    def of(self, image: str) -> AttachedPast:
        """Return what is supposed of an image's process. Errors: ReadError."""
        if self._found is None:
            self._found = self._seek()
        return self._found.get(image, AttachedPast())


def _find_pasts(
    recording: RecordingFiles,
    options: "Options",
    report: ReplayReport,
    again: Callable[["Options"], "Replay"],
) -> Mapping[str, AttachedPast]:
    """Return what is supposed, by image.

    Nothing where the recording began with more than one process: each could be the reason. Where
    events were lost each process begins anew; there the image that differs is the one in question.

    Errors: ReadError.
    """
    if options.before is not None:
        return options.before
    begun = [event for event in recording.meta.events if event.event == "attach"]
    first = begun[0].after_line if begun else 0
    if len({event.pid for event in begun if event.after_line == first}) != 1:
        return {}
    asked = options._replace(stop=False, maps=False, story=False, progress=None)
    asked = asked._replace(observers=(), until=0)
    pasts: dict[str, AttachedPast] = {}
    names = [event.image for event in begun]
    found = again(asked._replace(before=pasts)).run()
    calls = found.calls_seen
    for _ in range(_MOST * len(names)):
        better = None
        name = _in_question(found, names)
        image = recording.images.get(name)
        if image is None:
            break
        past = pasts.get(name, AttachedPast())
        for trial in _further(past, image.initial() or [], found):
            if calls > _MOST_CALLS:
                break
            report_of = again(asked._replace(before=pasts | {name: trial})).run()
            calls += report_of.calls_seen
            if _left(report_of) < _left(better or found):
                past, better = trial, report_of
                if _differences(better) == 0:
                    break
        if better is None:
            break
        found = better
        pasts[name] = past
    for name, past in pasts.items():
        whose = f"{name}: " if len(names) > 1 else ""
        report.supposed += [whose + what for what in _described(past)]
    report.total.supposed = len(report.supposed)
    for what in report.supposed:
        report.notes.append(f"supposed, as the recording fits only so: before it began, {what}")
    return pasts


def _left(report: ReplayReport) -> tuple[int, int, int]:
    """Return how much is not as predicted; of the same, less where the first comes later."""
    line, at = next(((one.line, one.at) for one in report.differences), (0, 0))
    return _differences(report), -line, -at


def _in_question(found: ReplayReport, names: list[str]) -> str:
    """Return the image whose past may explain the first difference, "" for none."""
    if len(names) == 1:
        return names[0]
    return next((one.image for one in found.differences if one.image in names), "")


def _further(past: AttachedPast, first: Snapshot, found: ReplayReport) -> Iterator[AttachedPast]:
    """Go through what may be supposed beside the rest, given what differs still."""
    if _differences(found) == 0:
        return
    for call in _CALLS:
        others = tuple(made for made in past.calls if _setting(made) != _setting(call))
        if call not in past.calls:
            yield past._replace(calls=(*others, call))
    if not past.forked:
        yield past._replace(forked=True)
    if any(_WATCHED & {*(line.flags or ())} for line in first):
        for events in _EVENTS:
            if past.events & events != events:
                yield past._replace(events=past.events | events)
    at = next((different.at for different in found.differences if different.at >= 0), -1)
    near = frozenset(_near(first, at))
    for start in sorted(near - past.written):
        yield past._replace(written=past.written | {start})
    for start in sorted(near - past.apart):
        yield past._replace(apart=past.apart | {start})
    for start in sorted(near - past.moved):
        yield past._replace(moved=past.moved | {start})
    for start in sorted(near - past.joined):
        yield past._replace(joined=past.joined | {start})


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
    for start in sorted(past.joined):
        yield f"a write to the VMA at {start:#x}, when it was one with the next below"


def _differences(report: ReplayReport) -> int:
    """Return how much of a recording is not as predicted."""
    unlike = sum(image.figures.final_identical is False for image in report.images.values())
    return report.total.differ + report.map_differences + unlike
