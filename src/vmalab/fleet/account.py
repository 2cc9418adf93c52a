# SPDX-License-Identifier: GPL-2.0-or-later
"""One recording of a fleet in few figures: the unit of work of `vmalab fleet report`.

One replay, beside which runs the first what-if that may change something; one more for each other
what-if that may.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from vmalab.calls.errors import VmalabError
from vmalab.explain.blame.culprits import CALL, blame_report
from vmalab.explain.blame.watcher import Blame
from vmalab.explain.enomem.failed_calls import MAX_IMAGES, Enomem, RefusalKeeper
from vmalab.explain.whatif.comparison import WhatIf, what_if
from vmalab.fleet.scenarios import LIMITS, LimitUse, Scenario, decides
from vmalab.patterns import pattern
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.opening import open_recording
from vmalab.recording.shared_storage import fetched
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.replay.usable import check_usable

PROGRAM: Final = "program"
FOLDER: Final = "folder"
SERVICES: Final = (PROGRAM, FOLDER)
# Causes and refusals of a recording that count: the largest.
MOST_CAUSES: Final = 20
MOST_FAILURES: Final = 50
MOST_NAME: Final = 80
# Programs that run another one, which is the service.
_INTERPRETER: Final = pattern(r"(python|perl|ruby|node|php|bash|sh|dash)[\d.]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of each recording. by: what causes are summed by. services: PROGRAM or FOLDER.

    tops: the folders below which services are folders.
    """

    scenarios: tuple[Scenario, ...] = ()
    by: str = CALL
    services: str = PROGRAM
    tops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Calls of a name that a check refused. check, call, errno: names. limit: it can be raised."""

    check: str
    call: str
    errno: str
    limit: bool
    count: int


@dataclass(frozen=True, slots=True)
class CauseShare:
    """What made VMAs of the largest image at its peak. vmas, boundaries: how many."""

    cause: str
    vmas: int
    boundaries: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What one scenario does. run: whether it could change anything, so that it was run.

    peak, other_peak: the most VMAs of an image, as recorded and then. fails, passes: calls that
    fail then only, and that pass then only. same: every map at an end, and every answer.
    """

    run: bool
    peak: int
    other_peak: int
    fails: int = 0
    passes: int = 0
    same: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """One recording. trouble: why it is of no use, "" for none; then nothing else is known.

    kernel: that it was replayed as. calls: memory calls. peak: the most VMAs of an image.
    as_recorded: whether its replay answered every call and made every map as it was recorded.
    effects: one for each scenario.
    """

    path: str
    service: str
    trouble: str = ""
    kernel: str = ""
    calls: int = 0
    peak: int = 0
    as_recorded: bool = True
    limits: tuple[LimitUse, ...] = ()
    failures: tuple[FailureCount, ...] = ()
    causes: tuple[CauseShare, ...] = ()
    effects: tuple[Effect, ...] = ()


def take_account(path: str, asked: Asked, place: None = None) -> Account:
    """Return what a recording says. What is wrong with it is said in the account."""
    unknown = Account(path, service_of((), path, asked))
    try:
        with fetched(path) as here:
            return _account(open_recording(here), path, asked)
    except VmalabError as error:
        return replace(unknown, trouble=str(error))
    except Exception as error:
        return replace(unknown, trouble=f"a defect of vmalab: {type(error).__name__}: {error}")


def _account(recording: RecordingFiles, path: str, asked: Asked) -> Account:
    found, blame = Enomem(path, ""), Blame()
    # Refusals are counted: what would let each pass is tried for nobody.
    keeper = RefusalKeeper(found, recording.meta, most=0)
    options = Options(observers=(keeper, blame))
    report, beside = _replayed(recording, asked.scenarios, options)
    check_usable(report)
    keeper.finish()
    found.kernel = report.kernel
    limits = _limits(found)
    refused = [group.check for group in found.groups]
    used = _used(found)
    moments = blame.moments(peak=True)
    largest = max(moments, key=lambda moment: len(moment.vmas), default=None)
    peak = 0 if largest is None else len(largest.vmas)
    effects = []
    for scenario in asked.scenarios:
        if not decides(scenario, used, refused, report.kernel):
            effects.append(Effect(False, peak, peak))
        elif beside is not None and scenario is asked.scenarios[0]:
            effects.append(_effect(beside))
        else:
            effects.append(_effect(_compared(recording, scenario, Options())[0]))
    causes: list[CauseShare] = []
    if largest is not None:
        blamed = blame_report(largest, None, recording.frames(), summed_by=(asked.by,))
        causes = [
            CauseShare(share.cause[:MOST_NAME], share.vmas, share.boundaries)
            for share in blamed.shares[asked.by][:MOST_CAUSES]
        ]
    return Account(
        path,
        service_of(recording.meta.command, path, asked),
        kernel=report.kernel,
        calls=found.calls,
        peak=peak,
        as_recorded=report.identical,
        limits=limits,
        failures=_failures(found),
        causes=tuple(causes),
        effects=tuple(effects),
    )


def _replayed(
    recording: RecordingFiles, scenarios: Sequence[Scenario], options: Options
) -> tuple[ReplayReport, WhatIf | None]:
    """Replay a recording, beside the first what-if where that is of another kernel: it is run on
    nearly every recording.
    """
    if scenarios and scenarios[0].kernel:
        found, report = _compared(recording, scenarios[0], options)
        return report, found
    return Replay(recording, options).run(), None


def _compared(
    recording: RecordingFiles, scenario: Scenario, options: Options
) -> tuple[WhatIf, ReplayReport]:
    """Run a what-if; what memory costs in it is not weighed."""
    return what_if(recording, scenario.changes(), options, weighed=False)


def _limits(found: Enomem) -> tuple[LimitUse, ...]:
    """Return the limits, each of the image that came nearest to it, the nearest first."""
    nearest: dict[str, LimitUse] = {}
    for image, rows in found.headroom.items():
        for row in rows:
            if row.limit is None:
                continue
            use = LimitUse(row.name, row.unit, image, row.most, row.limit, row.calls_left)
            if row.name not in nearest or use.part > nearest[row.name].part:
                nearest[row.name] = use
    return tuple(sorted(nearest.values(), key=lambda use: (-use.part, use.name)))


def _used(found: Enomem) -> dict[str, int] | None:
    """Return the most that any image used of each limit; None where not all images are known."""
    if len(found.headroom) >= MAX_IMAGES:
        return None
    used: dict[str, int] = {}
    for rows in found.headroom.values():
        for row in rows:
            used[row.name] = max(used.get(row.name, 0), row.most)
    return used


def _failures(found: Enomem) -> tuple[FailureCount, ...]:
    return tuple(
        FailureCount(
            group.check, group.name[:MOST_NAME], group.errno, group.check in LIMITS, group.count
        )
        for group in found.groups[:MOST_FAILURES]
    )


def _effect(found: WhatIf) -> Effect:
    peak = max((image.recorded.peak for image in found.images), default=0)
    other = max((image.other.peak for image in found.images), default=0)
    same = all(image.identical for image in found.images)
    return Effect(True, peak, other, found.fails, found.passes, same)


def service_of(command: Sequence[str], path: str, asked: Asked) -> str:
    """Return which service a recording is of: its program, or the first folder below the top."""
    if asked.services == FOLDER:
        return folder_of(path, asked.tops)
    if not command:
        return os.path.basename(os.path.normpath(path))[:MOST_NAME]
    name = os.path.basename(command[0])
    if _INTERPRETER().fullmatch(name) and len(command) > 1 and not command[1].startswith("-"):
        name = f"{name} {os.path.basename(command[1])}"
    return name[:MOST_NAME]


def folder_of(path: str, tops: Sequence[str]) -> str:
    """Return the first folder of a path below one of some folders, or its own last part."""
    top = max((top for top in tops if path.startswith(top)), key=len, default="")
    inside = path[len(top) :].strip("/").partition("/")[0]
    return (inside or os.path.basename(os.path.normpath(path)))[:MOST_NAME]
