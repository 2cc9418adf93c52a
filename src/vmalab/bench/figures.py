# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of the benchmarks found, and the run itself: everything in turn, on one machine."""

import os
import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from vmalab import COMPILED, __version__
from vmalab.bench import parts
from vmalab.bench.growth import (
    LIVE_SIZES,
    SIZES,
    Growth,
    bytes_per_vma_apart,
    growth_stream,
    measure_growth,
)
from vmalab.bench.neighbours import calibration, neighbours, other_cores
from vmalab.bench.pairs import Pairs, Times
from vmalab.bench.peers import PEER_PROFILES, peer_costs
from vmalab.bench.pipeline import PipelineTimes, measure_pipeline
from vmalab.bench.placing import LIVE_SIZES as LIVE_GAPS
from vmalab.bench.placing import SIZES as GAPS
from vmalab.bench.placing import measure_placing, placing_stream
from vmalab.bench.recorded_stream import recorded_stream
from vmalab.bench.recorders import RecorderTimes, measure_recorders
from vmalab.bench.stream import PROFILES, make_stream
from vmalab.check.piece import version_of
from vmalab.check.trial import Trial
from vmalab.recording.opening import open_recording
from vmalab.targets.opening import open_target
from vmalab.targets.real.target_errors import TargetError

# What can be measured besides profiles.
REAL: Final = "real"
GROWTH: Final = "growth"
PEERS: Final = "peers"
PARTS: Final = "parts"
PIPELINE: Final = "pipeline"
ALL: Final = (*PROFILES, REAL, PEERS, GROWTH, PARTS, PIPELINE)
# What is measured only when it is asked for: programs are recorded.
RECORD: Final = "record"
# Calls of a stream that are timed, by mode.
CALLS: Final = 40_000 if COMPILED else 4_000
# A recording with fewer calls says nothing.
_FEW: Final = 20
_LARGEST: Final = 1_000_000 if COMPILED else 10_000


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What a user asked for. what: names of ALL. pairs: how often both sides take turns.

    recordings: paths of those that REAL makes streams of. busy: whether the other cores have
    something to do meanwhile.
    """

    what: tuple[str, ...] = ALL
    pairs: int = 5
    calls: int = CALLS
    seed: int = 1
    recordings: tuple[str, ...] = ()
    busy: bool = False


@dataclass(slots=True)
class Figures:
    """The results. no_live: why the live kernel could not take part, "" when it did.

    recordings: the times of each recorded program's calls. peers: ns a call, by profile and peer.
    recorders: what recording costs, by program. pipeline: whole commands on a long log.
    """

    machine: dict[str, object] = field(default_factory=dict)
    profiles: dict[str, Times] = field(default_factory=dict)
    recordings: dict[str, Times] = field(default_factory=dict)
    peers: dict[str, dict[str, float]] = field(default_factory=dict)
    growth: Growth = field(default_factory=Growth)
    startup_ms: float = 0.0
    strace_lines_per_second: float = 0.0
    snapshot_seconds: float = 0.0
    interpreted_calls_per_second: float = 0.0
    check_calls_per_second: float = 0.0
    unit_suite_seconds: float = 0.0
    recorders: dict[str, RecorderTimes] = field(default_factory=dict)
    pipeline: PipelineTimes | None = None
    no_live: str = ""


def machine() -> dict[str, object]:
    """Return what a reader of the figures needs to know of where they come from, and when."""
    model = ""
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            found = re.search(r"^model name\s*:\s*(.*)$", cpuinfo.read(), re.MULTILINE)
            model = found.group(1) if found else ""
    except OSError:
        pass
    middle, spread = calibration()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "calibration_ms": round(middle, 3),
        "calibration_spread": round(spread, 3),
        "cpu": model or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE") >> 20,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "compiler": platform.python_compiler(),
        "vmalab": __version__,
    }


def run_bench(plan: BenchPlan, tell: Callable[[str], None]) -> Figures:
    """Measure what a plan asks for; `tell` is given what is being measured. Errors: WorkDiffers.

    Without a live kernel to compare with, what needs one is left out.
    """
    figures = Figures(machine=machine())
    with neighbours(other_cores() if plan.busy else 0):
        figures.machine["busy_neighbours"] = other_cores() if plan.busy else 0
        _measure(plan, figures, tell)
    return figures


def _measure(plan: BenchPlan, figures: Figures, tell: Callable[[str], None]) -> None:
    profiles = [name for name in plan.what if name in PROFILES]
    if profiles or {GROWTH, REAL, PEERS, PIPELINE} & set(plan.what):
        try:
            with open_target("live") as target:
                _run_pairs(plan, profiles, Trial(target, version_of(target)), figures, tell)
        except TargetError as error:
            figures.no_live = str(error)
    if GROWTH in plan.what:
        for vmas in SIZES:
            if vmas <= _LARGEST:
                tell(f"{vmas} VMAs")
                measure_growth(figures.growth, vmas, plan.calls, plan.pairs)
        for gaps in GAPS:
            if gaps <= _LARGEST:
                tell(f"{gaps} gaps")
                measure_placing(figures.growth, gaps, plan.calls, plan.pairs)
        figures.growth.bytes_per_vma = bytes_per_vma_apart(_LARGEST)
    if PIPELINE in plan.what and figures.pipeline is None:
        figures.pipeline = measure_pipeline(plan.pairs, None, tell)
    if PARTS in plan.what:
        _run_parts(figures, tell)
    if RECORD in plan.what:
        figures.recorders = measure_recorders(plan.pairs, tell)


def _run_pairs(
    plan: BenchPlan,
    profiles: list[str],
    trial: Trial,
    figures: Figures,
    tell: Callable[[str], None],
) -> None:
    pairs = Pairs(trial)
    for name in profiles:
        tell(name)
        stream = make_stream(name, pairs.fresh(), plan.seed, plan.calls)
        figures.profiles[name] = pairs.measure([stream], plan.pairs)
    if REAL in plan.what:
        _run_recordings(plan, pairs, figures, tell)
    if PEERS in plan.what:
        _run_peers(plan, pairs, figures, tell)
    if GROWTH in plan.what:
        _run_live_growth(plan, pairs, figures, tell)
    if PIPELINE in plan.what:
        figures.pipeline = measure_pipeline(plan.pairs, pairs, tell)


def _run_recordings(
    plan: BenchPlan, pairs: Pairs, figures: Figures, tell: Callable[[str], None]
) -> None:
    """Short programs are repeated, each time from a fresh start, until there is enough to time."""
    for path in plan.recordings:
        recording = open_recording(path)
        tell(recording.name)
        stream = recorded_stream(recording, pairs.fresh())
        if len(stream.timed) < _FEW:
            continue
        repeats = max(plan.calls // 8 // len(stream.timed), 1)
        figures.recordings[recording.name] = pairs.measure([stream] * repeats, plan.pairs)


def _run_peers(
    plan: BenchPlan, pairs: Pairs, figures: Figures, tell: Callable[[str], None]
) -> None:
    for name in PEER_PROFILES:
        tell(f"{name}, peers")
        stream = make_stream(name, pairs.fresh(), plan.seed, plan.calls)
        if name not in figures.profiles:
            figures.profiles[name] = pairs.measure([stream], plan.pairs)
        figures.peers[name] = peer_costs(stream)


def _run_live_growth(
    plan: BenchPlan, pairs: Pairs, figures: Figures, tell: Callable[[str], None]
) -> None:
    for vmas in LIVE_SIZES:
        tell(f"{vmas} VMAs, with the live kernel")
        if vmas > _LARGEST:
            continue
        for region, costs in (
            (True, figures.growth.live_region),
            (False, figures.growth.live_uniform),
        ):
            times = pairs.measure([growth_stream(vmas, plan.calls, region)], plan.pairs)
            costs[vmas] = times.live_ns
    for gaps in LIVE_GAPS:
        tell(f"{gaps} gaps, with the live kernel")
        if gaps <= _LARGEST:
            stream = placing_stream(pairs.fresh().task, gaps, plan.calls)
            figures.growth.live_placing[gaps] = pairs.measure([stream], plan.pairs).live_ns


def _run_parts(figures: Figures, tell: Callable[[str], None]) -> None:
    tell("start-up")
    figures.startup_ms = parts.startup_ms()
    tell("reading logs")
    figures.strace_lines_per_second = parts.strace_lines_per_second()
    tell("snapshots")
    figures.snapshot_seconds = parts.snapshot_seconds()
    tell("the engine interpreted")
    figures.interpreted_calls_per_second = parts.interpreted_calls_per_second()
    tell("the unit suite")
    figures.unit_suite_seconds = parts.unit_suite_seconds()
    tell("check")
    try:
        figures.check_calls_per_second = parts.check_calls_per_second()
    except TargetError as error:
        figures.no_live = str(error)
