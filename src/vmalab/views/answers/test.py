# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of test cases, and of a sweep, for programs."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from vmalab.testing.cases.run_case import Outcome, Skipped
from vmalab.testing.sweep.sweep import SweepReport


class CaseAnswer(TypedDict):
    """One case. id: suite/name. law: what it states. path, line: where it stands. outcome:
    "passed", "failed" or "left out". problems: sentences; why it failed, or was left out.
    """

    id: str
    law: str
    path: str
    line: int
    outcome: str
    problems: list[str]
    milliseconds: float


class TestAnswer(TypedDict):
    """One run of cases. on: "model", or the kernel tree. seconds: of the whole."""

    on: str
    cases: list[CaseAnswer]
    passed: int
    failed: int
    left_out: int
    seconds: float


class SweptAnswer(TypedDict):
    """A sweep of the calls of one kind. calls: that allocate. silent: calls that do not. sites: by
    cache, the allocations that were failed. absorbed: those after which the call succeeded all the
    same. partial: those that left a documented partial state. holes: sentences.
    """

    calls: int
    silent: int
    sites: dict[str, int]
    absorbed: int
    partial: int
    holes: list[str]


class SweepAnswer(TypedDict):
    """A sweep. sweeps: of the cases, and of the call table."""

    sweeps: dict[str, SweptAnswer]


def test_answer(on: str, outcomes: Sequence[Outcome], seconds: float) -> TestAnswer:
    """Return what became of cases."""
    cases = [_case(outcome) for outcome in outcomes]
    counts = {name: sum(case["outcome"] == name for case in cases) for name in _OUTCOMES}
    return {
        "on": on,
        "cases": cases,
        "passed": counts["passed"],
        "failed": counts["failed"],
        "left_out": counts["left out"],
        "seconds": round(seconds, 3),
    }


_OUTCOMES = ("passed", "failed", "left out")


def _case(outcome: Outcome) -> CaseAnswer:
    case = outcome.case
    if isinstance(outcome, Skipped):
        what, problems, seconds = "left out", [outcome.reason], 0.0
    else:
        what = "passed" if outcome.passed else "failed"
        problems, seconds = list(outcome.problems), outcome.seconds
    return {
        "id": case.id,
        "law": case.law,
        "path": str(case.path),
        "line": case.line,
        "outcome": what,
        "problems": problems,
        "milliseconds": round(seconds * 1000, 3),
    }


def sweep_answer(reports: Mapping[str, SweepReport]) -> SweepAnswer:
    """Return what a sweep found."""
    return {
        "sweeps": {
            name: {
                "calls": report.calls,
                "silent": report.silent,
                "sites": report.sites,
                "absorbed": report.absorbed,
                "partial": report.partial,
                "holes": report.holes,
            }
            for name, report in reports.items()
        }
    }
