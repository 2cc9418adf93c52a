# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast the parts around the engine are: start-up, reading logs and snapshots, checking."""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from vmalab.bench.growth import fill, large_machine, steady_rows
from vmalab.bench.stream import PROFILES, Maker
from vmalab.calls.call import Call
from vmalab.check.campaign import Plan, Totals, run_plan
from vmalab.check.profiles import PROFILES as CHECK_PROFILES
from vmalab.linux.arch.x86.entry.syscalls.batch import Batch, do_batch
from vmalab.linux.fs.proc.task_mmu import mm_lines
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.recording.format.meta import parse_meta
from vmalab.recording.readers.events import read_events
from vmalab.recording.readers.line_source import LineSource
from vmalab.recording.readers.maps import parse_maps
from vmalab.recording.readers.strace import StraceReader
from vmalab.targets.model.descriptors import carry_out
from vmalab.targets.model.identity import Identities
from vmalab.targets.model.map_image import restore_snapshot
from vmalab.targets.model.model import ModelTarget

LOG_LINES: Final = 100_000
SNAPSHOT_VMAS: Final = 65_530
CHECK_CALLS: Final = 20_000

# Lines as `strace -f` writes them of a program, with places for numbers.
_LINES: Final = (
    "4711 mmap(NULL, {size}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {addr:#x}",
    "4711 mmap({addr:#x}, {size}, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, "
    "0x28000) = {addr:#x}",
    "4711 munmap({addr:#x}, {size})         = 0",
    "4711 mprotect({addr:#x}, {size}, PROT_READ) = 0",
    "4711 madvise({addr:#x}, {size}, MADV_DONTNEED) = -1 ENOMEM (Cannot allocate memory)",
    "4711 brk({addr:#x})               = {addr:#x}",
    '4711 openat(AT_FDCWD, "/usr/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 3',
    "4711 close(3)                          = 0",
)


def command_seconds(verb: str, repeats: int) -> float:
    """Return how long the command takes with one argument, its start included, in s: the median."""
    command = [sys.executable, "-m", "vmalab.cli.main", verb]
    taken: list[float] = []
    for _ in range(repeats):
        began = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


def startup_ms() -> float:
    """Return how long `vmalab --version` takes, in ms."""
    return command_seconds("--version", 7) * 1000


def unit_suite_seconds() -> float:
    """Return how long `vmalab test` takes, in s."""
    return command_seconds("test", 3)


def log_text(lines: int) -> str:
    """Return a log as strace -f writes it."""
    numbers = random.Random("log")
    text: list[str] = []
    for at in range(lines):
        form = _LINES[at % len(_LINES)]
        addr = 0x7F0000000000 + numbers.randrange(1 << 28) * PAGE_SIZE
        size = numbers.randint(1, 64) * PAGE_SIZE
        text.append(form.format(addr=addr, size=size))
    return "\n".join(text) + "\n"


def strace_lines_per_second(lines: int = LOG_LINES) -> float:
    """Return how fast the text of strace becomes calls."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log")
        path.write_text(log_text(lines))
        began = time.thread_time()
        reader = StraceReader()
        calls = 0
        for event in read_events(LineSource(str(path), follow=False), reader):
            calls += isinstance(event, Call)
        taken = time.thread_time() - began
    assert calls == lines, f"{reader.unparsed} of {lines} lines were not understood"
    return lines / taken


def snapshot_text(vmas: int) -> str:
    """Return a maps file of that many VMAs, as a program that maps page by page has it."""
    return "".join(
        f"{start:012x}-{start + PAGE_SIZE:012x} {'rw-p' if at % 2 else 'r--p'} 00000000 00:00 0 \n"
        for at, start in enumerate(
            range(0x7F0000000000, 0x7F0000000000 + vmas * PAGE_SIZE, PAGE_SIZE)
        )
    )


def snapshot_seconds(vmas: int = SNAPSHOT_VMAS) -> float:
    """Return how long a snapshot takes to be read, built and printed back."""
    text = snapshot_text(vmas)
    meta = parse_meta(b"{}", "bench")
    target = ModelTarget(meta, "6.18")
    began = time.thread_time()
    lines = parse_maps(text)
    mm = target.machine.new_mm()
    wrong = restore_snapshot(target.machine, Identities(), mm, lines, None)
    # The gate page of vsyscall, which comes last, is in every map.
    printed = "\n".join(mm_lines(mm)[:-1])
    taken = time.thread_time() - began
    assert not wrong, wrong
    assert printed.split() == text.split(), "the snapshot was not printed as it was read"
    return taken


def check_calls_per_second(calls: int = CHECK_CALLS) -> float:
    """Return how many random calls `vmalab check --target live` compares in a second."""
    latest = Totals()

    def note(totals: Totals) -> None:
        nonlocal latest
        latest = totals

    profiles = tuple(name for name in CHECK_PROFILES if name in ("dense", "place", "mremap", "mix"))
    for _ in run_plan(Plan("live", None, calls, 1, profiles, stop=False), note):
        # What differs is no matter of speed; `vmalab check` tells.
        pass
    return latest.calls / latest.seconds if latest.seconds else 0.0


def interpreted_calls_per_second(calls: int = 20_000) -> float:
    """Return how many calls a second the engine carries out when it runs from its sources."""
    code = f"from vmalab.bench.parts import dense_rate\nprint(dense_rate({calls}))"
    environment = {**os.environ, "VMALAB_INTERPRETED": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def dense_rate(calls: int) -> float:
    """Return calls a second of a stream in a small region, in this process's mode."""
    task = large_machine()
    fill(task, 0, 64)
    batch = Batch(steady_rows(64, calls, True))
    began = time.thread_time()
    do_batch(task, batch)
    return calls / (time.thread_time() - began)


def carry_out_stream(profile: str, calls: int, drawn: int, seed: int = 1) -> None:
    """Carry out the first `calls` calls of a profile's stream of `drawn` calls, in this process.

    All else takes as long for any `calls`, so that two runs differ by what calls cost.
    """
    maker = Maker(large_machine(), f"{profile}/{seed}")
    PROFILES[profile](maker, drawn)
    task = large_machine()
    for call in maker.stream.opening:
        carry_out(task, call)
    do_batch(task, Batch(maker.stream.setup))
    rows = maker.stream.timed
    batch, _ = Batch(rows[:calls]), Batch(rows[calls:drawn])
    do_batch(task, batch)
