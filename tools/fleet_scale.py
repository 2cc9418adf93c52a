# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures how a fleet's report scales: with one worker and with several, in turn.

    PYTHONPATH=build/optimised python tools/fleet_scale.py [--count N] [--jobs J] [--rounds R] [DIR]

DIR is a fleet (tools/make_fleet.py); without, one is made of the examples. Wall-clock ratios hold
on a machine that does nothing else; what the processes took of the CPU also holds on a busy one: J
workers that take R times as much CPU as one are at most J / R times as fast.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from make_fleet import make_fleet

EXAMPLES: Final = Path(__file__).parent.parent / "examples"


@dataclass(frozen=True)
class Cost:
    """One report. wall, cpu: seconds, those of its workers included."""

    wall: float
    cpu: float


def cost_of(fleet: str, count: int, jobs: int) -> Cost:
    """Report on some recordings of a fleet. Errors: SystemExit when that fails."""
    command = [sys.executable, "-m", "vmalab", "fleet", "report", fleet, "--json"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [*command, "--jobs", str(jobs), "--sample", str(count)], stdout=subprocess.DEVNULL
    )
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"fleet_scale: vmalab ended with {done.returncode}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def lines_of(pairs: list[tuple[Cost, Cost]], count: int, jobs: int) -> list[str]:
    """Return what was measured, in words. pairs: with one worker, and with several."""
    each = statistics.median(alone.cpu for alone, _ in pairs) / count
    more = statistics.median(shared.cpu / alone.cpu for alone, shared in pairs)
    faster = statistics.median(alone.wall / shared.wall for alone, shared in pairs)
    most = jobs / more
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    return [
        f"{count} recordings, {len(pairs)} pairs of runs, load {load}",
        f"one worker: {each:.3f} s of CPU a recording",
        f"{jobs} workers: {more:.2f} times the CPU of one, so at most {most:.2f} times as fast",
        f"{jobs} workers: {faster:.2f} times as fast by the clock",
    ]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("fleet", nargs="?", metavar="DIR")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        fleet = asked.fleet
        if fleet is None:
            fleet = str(Path(work) / "fleet")
            make_fleet(Path(fleet), asked.count, 1, [str(EXAMPLES)])
        pairs = [
            (cost_of(fleet, asked.count, 1), cost_of(fleet, asked.count, asked.jobs))
            for _ in range(asked.rounds)
        ]
    sys.stdout.write("\n".join(lines_of(pairs, asked.count, asked.jobs)) + "\n")


if __name__ == "__main__":
    main()
