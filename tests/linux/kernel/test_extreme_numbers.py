# SPDX-License-Identifier: GPL-2.0-or-later
"""Every call answers whatever numbers its registers hold: 64 unsigned bits, in both modes.

Compiled, the engine counts in 64 signed bits, and a number beyond them must never get that far.
"""

import random

import pytest

from vmalab.linux.arch.x86.entry.syscalls.table import SYSCALLS
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

MAPPED = 0x1000000
SIZES = [0, 1, 4095, 4096, 4097, 8192, 1 << 16, 1 << 21, 1 << 30]
FLAGS = [2, 3, 4, 8, 16, 0x22, 0x32]
ENDS = [1 << 31, 1 << 32, 0x7FFFFFFFF000, 1 << 47, 1 << 57, 1 << 62, 1 << 63, 1 << 64]
EDGES = [(end + step) & ((1 << 64) - 1) for end in ENDS for step in (-8192, -4096, -1, 0, 1, 4096)]
NUMBERS = [*SIZES, *FLAGS, *EDGES]
# A task that is gone makes no more calls.
CALLS = sorted(set(SYSCALLS) - {"exit", "exit_group"})


@pytest.mark.parametrize("seed", range(20))
def test_no_number_is_too_large(machine: LinuxMachine, task: Task, seed: int) -> None:
    numbers = random.Random(seed)
    for start in range(MAPPED, MAPPED + 0x10000, 0x4000):
        assert do_syscall(task, "mmap", start, 0x3000, 3, 0x32, (1 << 64) - 1, 0) == start
    for _ in range(500):
        arguments = [numbers.choice(NUMBERS) for _ in range(6)]
        if numbers.random() < 0.5:
            arguments[0] = MAPPED
        result = do_syscall(task, numbers.choice(CALLS), *arguments)
        assert -4096 < result < 1 << 64
    assert task.mm is not None
    assert mm_violations(task.mm) == []
