# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of a benchmark run, as a table and as JSON."""

from collections.abc import Iterator

from vmalab import COMPILED
from vmalab.bench.figures import Figures
from vmalab.bench.recorders import RECORDERS
from vmalab.views.answers.bench import all_times


def bench_lines(figures: Figures) -> Iterator[str]:
    """Yield the figures for a reader; what was not measured is not shown."""
    about = figures.machine
    mode = "compiled" if COMPILED else "interpreted"
    place = f"{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}"
    yield f"{place}, Python {about['python']}"
    if "calibration_ms" in about:
        yield (
            f"fixed work: {about['calibration_ms']} ms, spread {about['calibration_spread']}; "
            f"busy neighbours: {about.get('busy_neighbours', 0)}"
        )
    if figures.no_live:
        yield f"the live kernel took no part: {figures.no_live}"
    shown = all_times(figures)
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
    yield from _pipeline_lines(figures)
    yield from _recorder_lines(figures)


def _pipeline_lines(figures: Figures) -> Iterator[str]:
    times = figures.pipeline
    if times is None:
        return
    live = f"; the live kernel makes one in {times.live_ns:.0f} ns" if times.live_ns else ""
    yield f"whole commands on a log of {times.calls} calls{live}"
    yield f"{'command':<20}{'s of CPU':>10}{'ns a call':>11}{'calls a second':>16}"
    for name in times.commands():
        cost = times.ns_per_call(name)
        rate = f"{1e9 / cost:>16.0f}" if cost else f"{'-':>16}"
        yield f"{name:<20}{times.best(name):>10.2f}{cost:>11.0f}{rate}"
    for name, why in times.missing.items():
        yield f"{name} took no part: {why}"


def _recorder_lines(figures: Figures) -> Iterator[str]:
    if not figures.recorders:
        return
    yield "recorded programs: ms by the clock, and of CPU time, the best; and times what they take"
    yield "alone"
    yield f"{'program':<22}" + "".join(f"{name:>18}" for name in RECORDERS)
    for name, times in figures.recorders.items():
        walls, cpus = [], []
        for one in RECORDERS:
            if one in times.turns:
                best, (wall, cpu) = times.best(one), times.ratios(one)
                walls.append(f"{best.wall / 1e6:.1f} ({wall:.2f})")
                cpus.append(f"{best.cpu / 1e6:.1f} ({cpu:.2f})")
            else:
                walls.append("-")
                cpus.append("-")
        yield f"{name:<22}" + "".join(f"{cell:>18}" for cell in walls)
        yield f"{name + ', CPU':<22}" + "".join(f"{cell:>18}" for cell in cpus)
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
