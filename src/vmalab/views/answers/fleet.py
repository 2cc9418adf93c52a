# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of a fleet, for programs."""

from typing import Final, TypedDict

from vmalab.fleet.sums import CauseSums, FailureSums, FleetSums, ScenarioSums, ServiceSums


class LimitUseAnswer(TypedDict):
    """How much of a limit one recording used. most, limit: in `unit`. part: of it, 1 for all.

    calls_left: memory calls until it is used up at the rate of the end, null without a trend.
    """

    path: str
    service: str
    name: str
    unit: str
    image: str
    most: int
    limit: int
    part: float
    calls_left: int | None


class LimitSumsAnswer(TypedDict):
    """One limit over the fleet. recordings: that have it. at_least: how many used so much of it, by
    percent. most: the largest part that was used.
    """

    name: str
    recordings: int
    at_least: dict[str, int]
    most: float


class ServiceAnswer(TypedDict):
    """One service. median, most: VMAs at the peaks of its recordings. near: recordings near one.

    refused: calls that a limit refused. nearest_limit: "" for none. nearest_part: of it, 1 for all.
    nearest_path: the recording.
    """

    name: str
    recordings: int
    median: int
    most: int
    near: int
    refused: int
    nearest_limit: str
    nearest_part: float
    nearest_path: str


class FailureSumsAnswer(TypedDict):
    """Calls that one check refused. limit: whether it is one that can be raised. example: the
    recording with the most.
    """

    check: str
    call: str
    errno: str
    limit: bool
    count: int
    recordings: int
    services: list[str]
    example: str


class CauseSumsAnswer(TypedDict):
    """What made VMAs that are there at the peaks. example: the recording with the most."""

    cause: str
    vmas: int
    boundaries: int
    recordings: int
    services: list[str]
    example: str


class ChangedAnswer(TypedDict):
    """A recording that a what-if changes. peak, other_peak: the most VMAs of an image, as recorded
    and then. fails, passes: calls that fail then only, and that pass then only.
    """

    path: str
    service: str
    peak: int
    other_peak: int
    fails: int
    passes: int


class ScenarioAnswer(TypedDict):
    """One what-if over the fleet. run: recordings on which it was run; others it cannot change.

    same: recordings that stay as they are. more, fewer: those with more, or fewer, VMAs at most.
    failing, passing: recordings with calls that fail then only, or pass then only. failing_calls,
    passing_calls: those calls. peak, other_peak: sums of the most VMAs. changed: the recordings
    that change the most.
    """

    name: str
    recordings: int
    run: int
    same: int
    more: int
    fewer: int
    failing: int
    failing_calls: int
    passing: int
    passing_calls: int
    peak: int
    other_peak: int
    changed: list[ChangedAnswer]


class UnusableAnswer(TypedDict):
    """A recording of no use. why: a sentence."""

    path: str
    why: str


class FleetAnswer(TypedDict):
    """A fleet. near_percent: from which part of a limit on a recording counts as near it.

    near: recordings near a limit. refused: recordings with calls that a limit refused. differing:
    those with calls or maps that are not as recorded in a replay. vmas: sum of the most VMAs of
    each. unusable: the first ones, of unusable_count. kernels: recordings by the version that they
    were replayed as. nearest, services, failures, causes: the first ones.
    """

    recordings: int
    unusable_count: int
    unusable: list[UnusableAnswer]
    memory_calls: int
    vmas: int
    differing: int
    near_percent: float
    near: int
    refused: int
    kernels: dict[str, int]
    limits: list[LimitSumsAnswer]
    nearest: list[LimitUseAnswer]
    services: list[ServiceAnswer]
    failures: list[FailureSumsAnswer]
    causes: list[CauseSumsAnswer]
    scenarios: list[ScenarioAnswer]


# Rows of each list.
_MOST: Final = 1000


def fleet_answer(sums: FleetSums) -> FleetAnswer:
    """Return the report of a fleet."""
    return {
        "recordings": sums.recordings,
        "unusable_count": sums.unusable_count,
        "unusable": [{"path": path, "why": why} for path, why in sums.unusable],
        "memory_calls": sums.calls,
        "vmas": sums.vmas,
        "differing": sums.differing,
        "near_percent": sums.near_percent,
        "near": sums.near,
        "refused": sums.refused,
        "kernels": dict(sorted(sums.kernels.items())),
        "limits": [
            {
                "name": row.name,
                "recordings": row.known,
                "at_least": {str(step): count for step, count in row.at_least.items()},
                "most": row.most,
            }
            for row in sums.sorted_limits()
        ],
        "nearest": [
            {
                "path": row.path,
                "service": row.service,
                "name": row.use.name,
                "unit": row.use.unit,
                "image": row.use.image,
                "most": row.use.most,
                "limit": row.use.limit,
                "part": row.use.part,
                "calls_left": row.use.calls_left,
            }
            for row in sums.nearest
        ],
        "services": [_service(row) for row in sums.top_services(_MOST)],
        "failures": [_failure(row) for row in sums.top_failures(_MOST)],
        "causes": [_cause(row) for row in sums.top_causes(_MOST)],
        "scenarios": [_scenario(row) for row in sums.scenarios],
    }


def _service(row: ServiceSums) -> ServiceAnswer:
    return {
        "name": row.name,
        "recordings": row.recordings,
        "median": row.median,
        "most": row.largest,
        "near": row.near,
        "refused": row.refused,
        "nearest_limit": "" if row.worst is None else row.worst.name,
        "nearest_part": 0.0 if row.worst is None else row.worst.part,
        "nearest_path": row.worst_path,
    }


def _failure(row: FailureSums) -> FailureSumsAnswer:
    return {
        "check": row.check,
        "call": row.call,
        "errno": row.errno,
        "limit": row.limit,
        "count": row.count,
        "recordings": row.recordings,
        "services": sorted(row.services)[:_MOST],
        "example": row.example,
    }


def _cause(row: CauseSums) -> CauseSumsAnswer:
    return {
        "cause": row.cause,
        "vmas": row.vmas,
        "boundaries": row.boundaries,
        "recordings": row.recordings,
        "services": sorted(row.services)[:_MOST],
        "example": row.example,
    }


def _scenario(row: ScenarioSums) -> ScenarioAnswer:
    return {
        "name": row.scenario.name,
        "recordings": row.recordings,
        "run": row.run,
        "same": row.same,
        "more": row.more,
        "fewer": row.fewer,
        "failing": row.failing,
        "failing_calls": row.failing_calls,
        "passing": row.passing,
        "passing_calls": row.passing_calls,
        "peak": row.peak,
        "other_peak": row.other_peak,
        "changed": [
            {
                "path": one.path,
                "service": one.service,
                "peak": one.effect.peak,
                "other_peak": one.effect.other_peak,
                "fails": one.effect.fails,
                "passes": one.effect.passes,
            }
            for one in row.changed
        ],
    }
