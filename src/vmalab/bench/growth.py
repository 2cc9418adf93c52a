# SPDX-License-Identifier: GPL-2.0-or-later
"""How the cost of a call, and the memory of a VMA, grow with the number of VMAs.

Each VMA has a slot of four pages: two pages of it, and two free ones. A step splits the VMA and
makes it whole again, maps it anew, or advises it there and back, so their number stays as it is.
"""

import gc
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Final

from vmalab.bench.stream import PAGE, WINDOW, Row, Stream
from vmalab.calls.call import U64_MAX
from vmalab.linux.arch.x86.entry.syscalls.batch import Batch, do_batch
from vmalab.linux.fs.exec import begin_new_exec
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.uapi import unistd as nr
from vmalab.linux.include.uapi.mman import (
    MADV_DODUMP,
    MADV_DONTDUMP,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    PROT_NONE,
    PROT_READ,
)
from vmalab.linux.kernel.exit import exit_all
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

SIZES: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
# The live kernel's own limit is 65 530 VMAs.
LIVE_SIZES: Final = (100, 1_000, 10_000, 60_000)
# Slots that a stream which stays in one region works on.
REGION: Final = 64
_SLOT: Final = 4 * PAGE
_FLAGS: Final = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
_CHUNK: Final = 10_000


@dataclass(slots=True)
class Growth:
    """Costs by number of VMAs. region, uniform: ns a call, model; live_*: the live kernel's.

    placing, live_placing: the same by the number of gaps, where the kernel finds the place.
    bytes_per_vma: resident memory, tree included; 0 when not measured.
    """

    region: dict[int, float] = field(default_factory=dict)
    uniform: dict[int, float] = field(default_factory=dict)
    live_region: dict[int, float] = field(default_factory=dict)
    live_uniform: dict[int, float] = field(default_factory=dict)
    placing: dict[int, float] = field(default_factory=dict)
    live_placing: dict[int, float] = field(default_factory=dict)
    bytes_per_vma: float = 0.0


def slot_rows(first: int, last: int) -> list[Row]:
    """Return the calls that map the slots from `first` on and before `last`."""
    return [
        (nr.NR_mmap, WINDOW + slot * _SLOT, 2 * PAGE, PROT_READ, _FLAGS, U64_MAX, 0)
        for slot in range(first, last)
    ]


def steady_rows(vmas: int, calls: int, region: bool) -> list[Row]:
    """Return calls that leave the number of VMAs as it is, in one region or all over."""
    numbers = random.Random(f"growth/{vmas}/{region}")
    low = vmas // 2 if region else 0
    span = min(REGION, vmas - low) if region else vmas
    rows: list[Row] = []
    while len(rows) < calls:
        at = WINDOW + (low + numbers.randrange(span)) * _SLOT
        kind = numbers.random()
        if kind < 0.4:
            rows.append((nr.NR_mprotect, at, PAGE, PROT_NONE, 0, 0, 0))
            rows.append((nr.NR_mprotect, at, PAGE, PROT_READ, 0, 0, 0))
        elif kind < 0.8:
            rows.append((nr.NR_munmap, at, 2 * PAGE, 0, 0, 0, 0))
            rows.append((nr.NR_mmap, at, 2 * PAGE, PROT_READ, _FLAGS, U64_MAX, 0))
        else:
            rows.append((nr.NR_madvise, at, 2 * PAGE, MADV_DONTDUMP, 0, 0, 0))
            rows.append((nr.NR_madvise, at, 2 * PAGE, MADV_DODUMP, 0, 0, 0))
    return rows


def growth_stream(vmas: int, calls: int, region: bool) -> Stream:
    """Return the same as a stream for the live kernel too."""
    return Stream(setup=slot_rows(0, vmas), timed=steady_rows(vmas, calls, region))


def large_machine() -> Task:
    """Return a process that may have as many VMAs as there is room for."""
    config = KernelConfig()
    config.max_map_count = 1 << 40
    config.overcommit_memory = 1
    task = LinuxMachine(config).spawn(100)
    begin_new_exec(task)
    return task


def fill(task: Task, first: int, last: int) -> None:
    """Map the slots from `first` on and before `last`, few at a time."""
    for at in range(first, last, _CHUNK):
        do_batch(task, Batch(slot_rows(at, min(at + _CHUNK, last))))


def resident() -> int:
    """This process's resident memory, in bytes."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def bytes_per_vma(vmas: int) -> float:
    """Return the memory that VMAs take, each with its share of the tree.

    Precondition: a fresh process.
    """
    task = large_machine()
    gc.collect()
    before = resident()
    fill(task, 0, vmas)
    return (resident() - before) / vmas


def bytes_per_vma_apart(vmas: int) -> float:
    """The same, in a process of its own: memory that was given back would make VMAs look small."""
    code = f"from vmalab.bench import growth; print(growth.bytes_per_vma({vmas}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_growth(growth: Growth, vmas: int, calls: int, repeats: int) -> None:
    """Add the model's figures for one number of VMAs: of each stream the best of `repeats`."""
    task = large_machine()
    fill(task, 0, vmas)
    for region, costs in ((True, growth.region), (False, growth.uniform)):
        batch = Batch(steady_rows(vmas, calls, region))
        costs[vmas] = min(cost(task, batch) for _ in range(repeats))
        if min(batch.answers()) < 0:
            raise AssertionError(f"a call of the growth stream failed at {vmas} VMAs")
    exit_all(task.machine)


def cost(task: Task, batch: Batch) -> float:
    """Return what a batch costs, in ns a call; it is carried out."""
    began = time.thread_time_ns()
    do_batch(task, batch)
    return (time.thread_time_ns() - began) / batch.length
