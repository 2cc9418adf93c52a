# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of a benchmark run, as a table and as JSON."""

import statistics
from collections.abc import Iterator

from vmalab import COMPILED
from vmalab.bench.figures import Figures
from vmalab.bench.pairs import Times
from vmalab.bench.recorders import RECORDERS, RecorderTimes
from vmalab.views.json import json_text


def bench_object(figures: Figures) -> dict[str, object]:
    """Return what `vmalab bench --json` prints. Times are ns a call, medians."""
    growth = figures.growth
    return {
        "machine": figures.machine,
        "kernel": figures.machine["kernel"],
        "compiled": COMPILED,
        "profiles": {
            **{name: _times(times) for name, times in figures.profiles.items()},
            **_real(figures),
        },
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
        "no_live": figures.no_live,
    }


def _times(times: Times) -> dict[str, float]:
    return {
        "model_ns": round(times.model_ns, 1),
        "live_ns": round(times.live_ns, 1),
        "ratio": round(times.ratio, 2),
        "calls": times.calls,
        "pairs": len(times.model),
    }


def _recorders(times: RecorderTimes) -> dict[str, object]:
    """Return the ratio of each recorder, and its turns in ns."""
    found: dict[str, object] = {
        name: {"ratio": round(times.ratio(name), 2), "turns_ns": [round(ns) for ns in turns]}
        for name, turns in times.turns.items()
    }
    return found | {"missing": times.missing}


def _real(figures: Figures) -> dict[str, dict[str, float]]:
    """Return the profile of real programs: of each figure the median over all recordings."""
    found = [_times(times) for times in figures.recordings.values()]
    if not found:
        return {}
    names = found[0]
    medians = {name: statistics.median(each[name] for each in found) for name in names}
    return {"real": {name: round(value, 2) for name, value in medians.items()}}


def _costs(costs: dict[int, float]) -> dict[str, float]:
    return {str(vmas): round(costs[vmas], 1) for vmas in sorted(costs)}


def bench_json(figures: Figures) -> str:
    """Return the same as one line of text."""
    return json_text(bench_object(figures))


def bench_lines(figures: Figures) -> Iterator[str]:
    """Yield the figures for a reader; what was not measured is not shown."""
    about = figures.machine
    mode = "compiled" if COMPILED else "interpreted"
    place = f"{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}"
    yield f"{place}, Python {about['python']}"
    if figures.no_live:
        yield f"the live kernel took no part: {figures.no_live}"
    shown = {name: _times(times) for name, times in figures.profiles.items()} | _real(figures)
    if shown:
        yield f"ns a call, medians of pairs; the engine is {mode}"
        yield f"{'profile':<14}{'model':>9}{'live':>9}{'ratio':>8}"
        for name, times in shown.items():
            costs = f"{times['model_ns']:>9.0f}{times['live_ns']:>9.0f}{times['ratio']:>8.2f}"
            yield f"{name:<14}{costs}"
    if figures.recordings:
        yield f"real: the median of {len(figures.recordings)} recorded programs"
    for name, peers in figures.peers.items():
        model = figures.profiles[name].model_ns
        for peer, cost in peers.items():
            yield f"{name} on {peer}: {cost:.0f} ns a call, {cost / model:.1f} times the model's"
    yield from _growth_lines(figures)
    yield from _part_lines(figures)
    yield from _recorder_lines(figures)


def _recorder_lines(figures: Figures) -> Iterator[str]:
    if not figures.recorders:
        return
    yield "recorded programs: ms by their own clock, the best; and times what they take alone"
    yield f"{'program':<16}" + "".join(f"{name:>20}" for name in RECORDERS)
    for name, times in figures.recorders.items():
        cells = [
            f"{times.best(one) / 1e6:.1f} ({times.ratio(one):.2f})" if one in times.turns else "-"
            for one in RECORDERS
        ]
        yield f"{name:<16}" + "".join(f"{cell:>20}" for cell in cells)
    missing: dict[str, str] = {}
    for times in figures.recorders.values():
        missing |= times.missing
    for one, why in missing.items():
        yield f"{one} took no part: {why}"


def _growth_lines(figures: Figures) -> Iterator[str]:
    growth = figures.growth
    if not growth.region:
        return
    yield "ns a call by the number of VMAs: calls in one region, and all over"
    yield f"{'VMAs':<14}{'model':>9}{'live':>9}{'model':>9}{'live':>9}"
    for vmas in sorted({*growth.region, *growth.live_region}):
        cells = [
            f"{costs[vmas]:>9.0f}" if vmas in costs else f"{'-':>9}"
            for costs in (growth.region, growth.live_region, growth.uniform, growth.live_uniform)
        ]
        yield f"{vmas:<14}{''.join(cells)}"
    yield "ns a call by the number of gaps, among which the kernel finds a place"
    yield f"{'gaps':<14}{'model':>9}{'live':>9}"
    for gaps, cost in sorted(growth.placing.items()):
        live = growth.live_placing.get(gaps)
        yield f"{gaps:<14}{cost:>9.0f}" + (f"{'-':>9}" if live is None else f"{live:>9.0f}")
    yield f"{growth.bytes_per_vma:.0f} bytes of resident memory a VMA, tree included"


def _part_lines(figures: Figures) -> Iterator[str]:
    if not figures.startup_ms:
        return
    interpreted = figures.interpreted_calls_per_second
    yield f"vmalab --version          {figures.startup_ms:>10.0f} ms"
    yield f"strace text               {figures.strace_lines_per_second:>10.0f} lines a second"
    yield f"snapshot of 65 530 VMAs   {figures.snapshot_seconds:>10.2f} s to read, build and print"
    yield f"engine interpreted        {interpreted:>10.0f} calls a second"
    yield f"vmalab test               {figures.unit_suite_seconds:>10.2f} s for all cases"
    yield f"vmalab check              {figures.check_calls_per_second:>10.0f} calls a second"
