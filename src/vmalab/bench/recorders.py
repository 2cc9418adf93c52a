# SPDX-License-Identifier: GPL-2.0-or-later
"""What recording costs the recorded: the same programs alone and under each recorder, in turn.

Two times count: the wall's, in which the recorder works too, where there is no CPU to spare; and
the CPU time of the program, which other work on the machine disturbs least.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Final

from vmalab.bench.recorded_programs import Measured, NotMeasured, Took, measured_programs

ALONE: Final = "alone"
# What stands before a program's command; {} is a new folder, or a new file.
RECORDERS: Final[dict[str, tuple[str, ...]]] = {
    ALONE: (),
    "events": (sys.executable, "-m", "vmalab", "record", "--tracer", "events", "-o", "{}", "--"),
    "perf events": (sys.executable, "-m", "vmalab", "record", "--tracer", "perf", "-o", "{}", "--"),
    "ptrace": (sys.executable, "-m", "vmalab", "record", "--tracer", "ptrace", "-o", "{}", "--"),
    "strace -f": ("strace", "-f", "-o", "{}"),
    "perf trace": ("perf", "trace", "-o", "{}"),
}


@dataclass(slots=True)
class RecorderTimes:
    """What one program took, by recorder, for each turn; missing: recorders that are not there, or
    could not record, and why.
    """

    turns: dict[str, list[Took]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def best(self, recorder: str) -> Took:
        """Return the shortest of a recorder's times: those which other work disturbed least."""
        turns = self.turns[recorder]
        return Took(min(took.wall for took in turns), min(took.cpu for took in turns))

    def ratios(self, recorder: str) -> tuple[float, float]:
        """Return how many times its own wall's, and CPU, time the program takes, by the best."""
        best, alone = self.best(recorder), self.best(ALONE)
        return best.wall / alone.wall, best.cpu / alone.cpu


def measure_recorders(
    turns: int,
    tell: Callable[[str], None],
    recorders: Iterable[str] = tuple(RECORDERS),
    names: Container[str] | None = None,
) -> dict[str, RecorderTimes]:
    """Run every program under every recorder, in turn. names: of the programs, None for all.

    Errors: UsageError without a C compiler.
    """
    with tempfile.TemporaryDirectory(prefix="vmalab-") as folder:
        built = {
            name: build()
            for name, build in measured_programs(folder).items()
            if names is None or name in names
        }
        programs = {name: program for name, program in built.items() if program is not None}
        found = {name: RecorderTimes() for name in programs}
        for turn in range(turns):
            for name, program in programs.items():
                for recorder in recorders:
                    tell(f"{name}, {recorder}")
                    _run(found[name], recorder, program, os.path.join(folder, f"r{turn}"))
    return found


def _run(times: RecorderTimes, recorder: str, program: Measured, place: str) -> None:
    """Run one program under one recorder. What that writes is thrown away."""
    if recorder in times.missing:
        return
    before = [part.replace("{}", place) for part in RECORDERS[recorder]]
    if before and shutil.which(before[0]) is None:
        times.missing[recorder] = "it is not installed"
        return
    try:
        took = program(before)
        times.turns.setdefault(recorder, []).append(took)
    except NotMeasured as error:
        times.missing[recorder] = str(error)
    shutil.rmtree(place, ignore_errors=True)
    if os.path.lexists(place):
        os.unlink(place)
