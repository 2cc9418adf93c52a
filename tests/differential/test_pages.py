# SPDX-License-Identifier: GPL-2.0-or-later
"""smaps and numa_maps of this very process, after random calls, are what the model says.

The calls act on a part of the address space that nothing else uses, and touch pages one by one.
"""

import ctypes
import os
import random

import pytest

from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall
from vmalab.linux.fs.exec import begin_new_exec
from vmalab.linux.fs.proc.numa_maps import numa_maps_lines
from vmalab.linux.fs.proc.smaps import show_smap
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.memory import fault_range
from vmalab.linux.mm.page_table_check import page_table_violations
from vmalab.linux.mm.page_tables import PTE_GUARD
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import vma_lookup

BASE = 0x100000000000
SIZE = 1 << 40
NOBODY = 2**64 - 1
NR = {"mmap": 9, "munmap": 11, "mremap": 25, "madvise": 28}
OPERATIONS = ("mmap", "touch", "touch", "touch", "read", "munmap", "dontneed", "mremap", "guard")

pytestmark = pytest.mark.live


def call(name: str, *args: int) -> bool:
    """Makes a call on the kernel that runs; whether it succeeded."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(NR[name], *[ctypes.c_ulong(arg) for arg in args]) >= 0


def own_lines(name: str) -> list[str]:
    """The lines of a file of /proc/self that are about the part of the address space in use."""
    with open(f"/proc/self/{name}", encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
    lines, ours = [], False
    for line in text.splitlines():
        head = line.split()[0]
        if head[0] in "0123456789abcdef" and (name == "numa_maps" or "-" in head):
            ours = BASE <= int(head.partition("-")[0], 16) < BASE + SIZE
        if ours:
            lines.append(line)
    return lines


def touch(mm: Mm, addr: int, write: bool) -> None:
    """Reads or writes a byte of a page, where that brings no signal, in both worlds."""
    vma = vma_lookup(mm, addr)
    if vma is None:
        return
    if any(kind == PTE_GUARD for _, _, kind in mm.page_tables.ranges(addr, addr + 4096)):
        return
    if write:
        ctypes.memset(addr, 1, 1)
    else:
        ctypes.string_at(addr, 1)
    assert fault_range(vma, addr, addr + 4096, write) == 0


def step(rng: random.Random, machine: LinuxMachine, mm: Mm) -> None:
    """One random operation."""
    task = machine.tasks[100]
    name = rng.choice(OPERATIONS)
    addr = BASE + rng.randrange(32) * rng.choice([4096, 1 << 21, 1 << 30])
    size = rng.choice([1, 2, 16, 64]) * 4096
    if name in ("touch", "read"):
        for page in range(rng.choice([1, 3, 40])):
            touch(mm, addr + page * 4096, name == "touch")
        return
    args: tuple[int, ...] = (addr, size)
    if name == "mmap":
        args = (addr, size, 3, 0x32, NOBODY, 0)
    elif name == "mremap":
        args = (addr, size, size, 3, BASE + rng.randrange(32) * 4096)
    elif name in ("dontneed", "guard"):
        name, args = "madvise", (addr, size, 4 if name == "dontneed" else 102)
    words = (*args, 0, 0, 0, 0, 0, 0)[:6]
    assert (do_syscall(task, name, *words) >= 0) == call(name, *args), (name, args)


def close(shown: list[str], live: list[str]) -> bool:
    """Whether lines agree but for words that the model says it does not know."""
    if len(shown) != len(live):
        return False
    for mine, theirs in zip(shown, live, strict=True):
        known = [word for word in mine.split() if not word.endswith("=?")]
        unknown = {word[:-1] for word in mine.split() if word.endswith("=?")}
        rest = [word for word in theirs.split() if not word.startswith(tuple(unknown) or "\n")]
        if known != rest:
            return False
    return True


@pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))]
)
def test_pages_are_counted_alike(live_machine: LinuxMachine, seed: int) -> None:
    if live_machine.config.thp_enabled == "always":
        pytest.skip("huge pages are used for everything here")
    rng = random.Random(seed)
    task = live_machine.spawn(100)
    mm = begin_new_exec(task)
    try:
        for _ in range(60):
            step(rng, live_machine, mm)
            assert page_table_violations(mm) == []
            assert [line for vma in mm_vmas(mm) for line in show_smap(vma)] == own_lines("smaps")
            if os.path.exists("/proc/self/numa_maps"):
                assert close(numa_maps_lines(mm, None), own_lines("numa_maps"))
    finally:
        call("munmap", BASE, SIZE)
