# SPDX-License-Identifier: GPL-2.0-or-later
"""How the cost of finding a place for a mapping grows with the number of gaps."""

from typing import Final

from vmalab.bench.growth import Growth, cost, large_machine
from vmalab.bench.stream import PAGE, Maker, Stream
from vmalab.calls.call import U64_MAX
from vmalab.linux.arch.x86.entry.syscalls.batch import Batch, do_batch
from vmalab.linux.include.uapi import unistd as nr
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS, MAP_PRIVATE, PROT_NONE, PROT_READ
from vmalab.linux.kernel.exit import exit_all
from vmalab.linux.types.task import Task

SIZES: Final = (1_000, 10_000, 30_000, 100_000, 300_000)
# Beyond these the live kernel reaches its own limit: there are twice as many mappings at first.
LIVE_SIZES: Final = (1_000, 10_000, 30_000)


def placing_stream(task: Task, gaps: int, calls: int) -> Stream:
    """Return mappings that come and go at places the kernel finds; at first there are `gaps` gaps.

    |--|~~~|-----|~|----|~~~|---|~~~~|--|     all mapped, no two neighbours alike
    |--|   |-----| |----|   |---|    |--|     every second one gone: the timing begins
    """
    maker = Maker(task, f"placing/{gaps}")
    for at in range(2 * gaps):
        size = maker.random.randint(1, 16) * PAGE
        prot = PROT_READ if at % 2 else PROT_NONE
        addr = maker.row(nr.NR_mmap, 0, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, U64_MAX, 0)
        maker.placed.append((addr, size))
    for addr, size in maker.placed[1::2]:
        maker.row(nr.NR_munmap, addr, size)
    del maker.placed[1::2]
    maker.begin_timing()
    for _ in range(calls // 2):
        maker.unmap_placed()
        maker.map_anywhere()
    return maker.stream


def measure_placing(growth: Growth, gaps: int, calls: int, repeats: int) -> None:
    """Add the model's figure for one number of gaps: the best of `repeats`."""
    drawn = large_machine()
    stream = placing_stream(drawn, gaps, calls)
    exit_all(drawn.machine)
    costs: list[float] = []
    for _ in range(repeats):
        task = large_machine()
        do_batch(task, Batch(stream.setup))
        costs.append(cost(task, Batch(stream.timed)))
        exit_all(task.machine)
    growth.placing[gaps] = min(costs)
