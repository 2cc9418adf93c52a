# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user waits for: whole commands on a long log, from its text to the verdict or the page.

The live kernel's own time for the same calls stands beside.
"""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from vmalab import COMPILED
from vmalab.bench.pairs import Pairs
from vmalab.bench.recorded_stream import recorded_stream
from vmalab.bench.region_recording import write_region_recording
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.recording.format.recording import RecordingFiles

CALLS: Final = 200_000 if COMPILED else 5_000
# The region that the calls stay in: where, and how many pages.
_BASE: Final = 0x7F0000000000
_PAGES: Final = 4096
_MOST: Final = 16

_START: Final = "start"
# The commands: {log} is the log, {columns} the same in columns, {faults} a recording of it that has
# faults and the last map, {steps} one that has steps as well, {page} a file to write.
COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    _START: ("--version",),
    "replay": ("replay", "{log}"),
    "replay of columns": ("replay", "{columns}"),
    "replay of faults": ("replay", "{faults}"),
    "replay of steps": ("replay", "{steps}"),
    "blame": ("blame", "{log}"),
    "why": ("why", "{log}"),
    "enomem": ("enomem", "{log}"),
    "whatif": ("whatif", "{log}", "--no-names"),
    "page": ("replay", "{log}", "--html", "{page}"),
}
# What takes a library that may not be there.
_NEEDS: Final = {"replay of columns": "pyarrow", "page": "jinja2"}


@dataclass(slots=True)
class PipelineTimes:
    """What the commands took on a log of so many calls: s of CPU time, start included, by turn.

    live_ns: of the kernel, a call; 0.0 where it took no part. missing: commands that were left
    out, and why.
    """

    calls: int
    turns: dict[str, list[float]] = field(default_factory=dict)
    live_ns: float = 0.0
    missing: dict[str, str] = field(default_factory=dict)

    def best(self, command: str) -> float:
        """Return the shortest of a command's times: the one which other work disturbed least."""
        return min(self.turns[command])

    def ns_per_call(self, command: str) -> float:
        """Return what a call costs in a command, beyond the command's start."""
        return max(self.best(command) - self.best(_START), 0.0) * 1e9 / self.calls

    def commands(self) -> Iterator[str]:
        """Yield the commands that were measured, but for the start alone."""
        yield from (name for name in self.turns if name != _START)


def region_log(calls: int) -> Iterator[str]:
    """Yield the lines of a bare log: mprotect and fixed mmap at random places of one region."""
    numbers = random.Random("pipeline")
    kind = "MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0"
    size = _PAGES * PAGE_SIZE
    yield f"100 mmap({_BASE:#x}, {size}, PROT_READ|PROT_WRITE, {kind}) = {_BASE:#x}\n"
    for _ in range(calls - 1):
        start = _BASE + numbers.randrange(_PAGES - _MOST) * PAGE_SIZE
        length = numbers.randrange(1, _MOST) * PAGE_SIZE
        how = numbers.randrange(3)
        if how == 0:
            yield f"100 mmap({start:#x}, {length}, PROT_READ|PROT_WRITE, {kind}) = {start:#x}\n"
        else:
            prot = "PROT_READ" if how == 1 else "PROT_READ|PROT_WRITE"
            yield f"100 mprotect({start:#x}, {length}, {prot}) = 0\n"


def measure_pipeline(
    turns: int, pairs: Pairs | None, tell: Callable[[str], None], calls: int = CALLS
) -> PipelineTimes:
    """Run each command on the same log, in turn. pairs: with the live kernel, None without.

    Errors: WorkDiffers; subprocess.CalledProcessError when a command fails.
    """
    times = PipelineTimes(calls)
    for name, library in _NEEDS.items():
        if find_spec(library) is None:
            times.missing[name] = f"{library} is not installed"
    with tempfile.TemporaryDirectory(prefix="vmalab-") as folder:
        names = ("log", "columns", "faults", "steps", "page")
        places = {name: str(Path(folder, name)) for name in names}
        places["columns"] += ".parquet"
        with open(places["log"], "w", encoding="ascii") as log:
            log.writelines(region_log(calls))
        for name in ("faults", "steps"):
            write_region_recording(Path(places["log"]), Path(places[name]), steps=name == "steps")
        if "replay of columns" not in times.missing:
            _seconds(("convert", places["log"], places["columns"]))
        for _ in range(turns):
            for name, command in COMMANDS.items():
                if name not in times.missing:
                    tell(name)
                    taken = _seconds(tuple(part.format(**places) for part in command))
                    times.turns.setdefault(name, []).append(taken)
        if pairs is not None:
            tell("the same calls live")
            stream = recorded_stream(RecordingFiles(places["log"]), pairs.fresh())
            times.live_ns = pairs.measure([stream], turns).live_ns
    return times


def _seconds(arguments: tuple[str, ...]) -> float:
    """Return what a command takes of CPU time, in s."""
    command = [sys.executable, "-m", "vmalab", *arguments]
    before = os.times()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system
