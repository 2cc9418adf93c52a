# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of a check against a real kernel, and of a hunt for bugs, for programs."""

from typing import NotRequired, TypedDict

from vmalab.check.campaign import Totals
from vmalab.check.hunt import Trace
from vmalab.replay.report import ReplayReport
from vmalab.views.check import core_lines, merges


class CoverageAnswer(TypedDict):
    """What the calls reached. outcomes: kinds of call, result, why, and change of the map.
    merges: calls
    after which there were fewer VMAs although none was asked to go. errors: kinds of outcomes that
    are errors. core_lines: of the VMA core that were reached, and all; where they were watched.
    """

    outcomes: int
    merges: int
    errors: int
    core_lines: NotRequired[tuple[int, int]]


class ProgramAnswer(TypedDict):
    """What came of a program that was recorded there. programs: images that begin with an exec.

    programs_identical: those of them whose first map is as recorded. final_identical: whether all
    last maps are.
    """

    program: str
    identical: bool
    memory_calls: int
    adopted: int
    adopted_reasons: dict[str, int]
    differ: int
    programs: int
    programs_identical: int
    final_identical: bool | None


class CheckAnswer(TypedDict):
    """One target. kernel: its release. profile: the version that the model behaved as.

    streams_over_memory: streams that were left early, for want of memory. recordings_unread: those
    of a corpus that could not be read, where there were any. mutant: the bug that was put in, by
    its name; not found without differences. programs: what came of
    real programs, where some were recorded there. base: what a tree was compared with in the
    model's place.
    """

    target: str
    base: NotRequired[str]
    kernel: str
    profile: str
    seed: int
    calls: int
    compared_snapshots: int
    differences: int
    streams_over_memory: int
    recordings_unread: NotRequired[int]
    mutant: NotRequired[str]
    calls_per_second: int
    coverage: CoverageAnswer
    programs: NotRequired[list[ProgramAnswer]]


class HuntAnswer(TypedDict):
    """How soon a bug was found. calls: compared until then, or until the search was given up.

    shrunk: calls of the smallest stream that shows it, 0 for not found. stream: the number of the
    stream. last: the call that differs. hidden: why it was not looked for. missed: whether it could
    be seen but was not found, or not shrunk enough.
    """

    target: str
    mutant: str
    calls: int
    shrunk: int
    profile: str
    stream: int | None
    last: str
    hidden: str
    missed: bool


def check_answer(target: str, seed: int, totals: Totals) -> CheckAnswer:
    """Return the figures of one target."""
    reached, lines = core_lines(totals)
    speed = totals.calls / totals.seconds if totals.seconds else 0.0
    coverage: CoverageAnswer = {
        "outcomes": len(totals.outcomes),
        "merges": merges(totals),
        "errors": sum(1 for _, _, result, _, _ in totals.outcomes if result < 0),
    }
    if lines:
        coverage["core_lines"] = (reached, lines)
    return {
        "target": target,
        "kernel": totals.kernel,
        "profile": totals.version,
        "seed": seed,
        "calls": totals.calls,
        "compared_snapshots": totals.maps,
        "differences": totals.differences,
        "streams_over_memory": totals.left,
        "calls_per_second": round(speed),
        "coverage": coverage,
    }


def program_answer(name: str, report: ReplayReport) -> ProgramAnswer:
    """Return what came of one program."""
    total = report.total
    return {
        "program": name,
        "identical": report.identical,
        "memory_calls": total.memory_calls,
        "adopted": total.adopted,
        "adopted_reasons": dict(total.adopted_reasons),
        "differ": total.differ,
        "programs": total.programs,
        "programs_identical": total.programs_identical,
        "final_identical": total.final_identical,
    }


def hunt_answer(trace: Trace, target: str) -> HuntAnswer:
    """Return one search."""
    finding = None if trace.shrunk is None else trace.shrunk.finding
    return {
        "target": target,
        "mutant": trace.sought.name,
        "calls": trace.calls,
        "shrunk": trace.size,
        "profile": "" if finding is None else finding.profile,
        "stream": None if finding is None else finding.seed,
        "last": "" if finding is None else finding.difference.last.name,
        "hidden": trace.sought.hidden,
        "missed": trace.missed,
    }
