# SPDX-License-Identifier: GPL-2.0-or-later
"""What else a machine does while it is measured: how evenly it runs, and neighbours put there."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# What a neighbour walks again and again: more than a core's own caches hold.
_WALKED: Final = 64 << 20
_WALK: Final = f"""
from vmalab.parent import end_with_parent
end_with_parent()
memory = bytearray({_WALKED})
print(flush=True)
while True:
    memory.count(1)
"""
_TURNS: Final = 15
_STEPS: Final = 200_000


def calibration() -> tuple[float, float]:
    """Return what fixed work takes here now, in ms: the median, and the spread of its turns.

    The spread is that of the middle half of the turns, as a part of the median: 0 on a machine
    that runs evenly.
    """
    taken: list[float] = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        sum(range(_STEPS))
        taken.append((time.perf_counter() - began) * 1000)
    low, middle, high = statistics.quantiles(taken, n=4)
    return middle, (high - low) / middle


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep so many processes walking memory of their own in the meantime."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-c", _WALK], stdout=subprocess.PIPE)
            started.append(process)
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in started:
            process.kill()
            process.communicate()


def other_cores() -> int:
    """Return how many cores there are beside the one that measures."""
    return len(os.sched_getaffinity(0)) - 1
