# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of a benchmark run, for programs."""

import statistics
from typing import TypedDict

from vmalab import COMPILED
from vmalab.bench.figures import Figures
from vmalab.bench.pairs import Times
from vmalab.bench.pipeline import PipelineTimes
from vmalab.bench.recorders import RecorderTimes


class TimesAnswer(TypedDict):
    """A profile: ns a call, medians. ratio: of the model's to the live kernel's, of each turn."""

    model_ns: float
    live_ns: float
    ratio: float
    calls: float
    pairs: float


class RecorderAnswer(TypedDict):
    """One recorder. ratio: of the best time by the clock to that of the program alone. cpu_ratio:
    of the program's CPU time. turns_ns, cpu_turns_ns: of each turn.
    """

    ratio: float
    cpu_ratio: float
    turns_ns: list[int]
    cpu_turns_ns: list[int]


class RecordersAnswer(TypedDict):
    """A program under each recorder. missing: why a recorder is not among them."""

    recorders: dict[str, RecorderAnswer]
    missing: dict[str, str]


class CommandAnswer(TypedDict):
    """One command. seconds: of CPU time, its start included, of each turn. ns_per_call: beyond the
    start, of the best turn.
    """

    seconds: list[float]
    ns_per_call: float


class PipelineAnswer(TypedDict):
    """Whole commands on a log of so many calls. live_ns: of the live kernel, a call, 0 when it took
    no part. missing: why a command is not among them.
    """

    calls: int
    live_ns: float
    commands: dict[str, CommandAnswer]
    missing: dict[str, str]


class BenchAnswer(TypedDict):
    """One run. machine: where it was measured. compiled: whether the engine was.

    profiles: by name; real is the median over all recordings. recordings: by path. peers: ns a
    call, by profile and peer. growth, growth_uniform, growth_live, growth_live_uniform,
    growth_placing, growth_live_placing: ns a call, by the number of VMAs. no_live: why the live
    kernel could not take part, "" when it did.
    """

    machine: dict[str, object]
    kernel: str
    compiled: bool
    profiles: dict[str, TimesAnswer]
    recordings: dict[str, TimesAnswer]
    peers: dict[str, dict[str, float]]
    growth: dict[str, float]
    growth_uniform: dict[str, float]
    growth_live: dict[str, float]
    growth_live_uniform: dict[str, float]
    growth_placing: dict[str, float]
    growth_live_placing: dict[str, float]
    bytes_per_vma: int
    interpreted_calls_per_second: int
    strace_lines_per_second: int
    check_calls_per_second: int
    unit_suite_seconds: float
    startup_ms: float
    snapshot_65530_seconds: float
    recorders: dict[str, RecordersAnswer]
    pipeline: PipelineAnswer | None
    no_live: str


def bench_answer(figures: Figures) -> BenchAnswer:
    """Return all figures."""
    growth = figures.growth
    return {
        "machine": figures.machine,
        "kernel": str(figures.machine["kernel"]),
        "compiled": COMPILED,
        "profiles": all_times(figures),
        "recordings": {path: _times(times) for path, times in figures.recordings.items()},
        "peers": {
            name: {peer: round(cost, 1) for peer, cost in costs.items()}
            for name, costs in figures.peers.items()
        },
        "growth": _costs(growth.region),
        "growth_uniform": _costs(growth.uniform),
        "growth_live": _costs(growth.live_region),
        "growth_live_uniform": _costs(growth.live_uniform),
        "growth_placing": _costs(growth.placing),
        "growth_live_placing": _costs(growth.live_placing),
        "bytes_per_vma": round(growth.bytes_per_vma),
        "interpreted_calls_per_second": round(figures.interpreted_calls_per_second),
        "strace_lines_per_second": round(figures.strace_lines_per_second),
        "check_calls_per_second": round(figures.check_calls_per_second),
        "unit_suite_seconds": round(figures.unit_suite_seconds, 2),
        "startup_ms": round(figures.startup_ms, 1),
        "snapshot_65530_seconds": round(figures.snapshot_seconds, 3),
        "recorders": {name: _recorders(times) for name, times in figures.recorders.items()},
        "pipeline": None if figures.pipeline is None else _pipeline(figures.pipeline),
        "no_live": figures.no_live,
    }


def all_times(figures: Figures) -> dict[str, TimesAnswer]:
    """Return the times of all profiles, that of real programs among them."""
    found = {name: _times(times) for name, times in figures.profiles.items()}
    return found | _real(figures)


def _times(times: Times) -> TimesAnswer:
    return {
        "model_ns": round(times.model_ns, 1),
        "live_ns": round(times.live_ns, 1),
        "ratio": round(times.ratio, 2),
        "calls": times.calls,
        "pairs": len(times.model),
    }


def _recorders(times: RecorderTimes) -> RecordersAnswer:
    found: dict[str, RecorderAnswer] = {}
    for name, turns in times.turns.items():
        wall, cpu = times.ratios(name)
        found[name] = {
            "ratio": round(wall, 2),
            "cpu_ratio": round(cpu, 2),
            "turns_ns": [round(took.wall) for took in turns],
            "cpu_turns_ns": [round(took.cpu) for took in turns],
        }
    return {"recorders": found, "missing": dict(times.missing)}


def _pipeline(times: PipelineTimes) -> PipelineAnswer:
    return {
        "calls": times.calls,
        "live_ns": round(times.live_ns, 1),
        "commands": {
            name: {
                "seconds": [round(taken, 3) for taken in times.turns[name]],
                "ns_per_call": round(times.ns_per_call(name), 1),
            }
            for name in times.commands()
        },
        "missing": dict(times.missing),
    }


def _real(figures: Figures) -> dict[str, TimesAnswer]:
    """Return the profile of real programs: of each figure the median over all recordings."""
    found = [_times(times) for times in figures.recordings.values()]
    if not found:
        return {}
    return {
        "real": {
            "model_ns": round(statistics.median(each["model_ns"] for each in found), 2),
            "live_ns": round(statistics.median(each["live_ns"] for each in found), 2),
            "ratio": round(statistics.median(each["ratio"] for each in found), 2),
            "calls": round(statistics.median(each["calls"] for each in found), 2),
            "pairs": round(statistics.median(each["pairs"] for each in found), 2),
        }
    }


def _costs(costs: dict[int, float]) -> dict[str, float]:
    return {str(vmas): round(costs[vmas], 1) for vmas in sorted(costs)}
