# SPDX-License-Identifier: GPL-2.0-or-later
"""The sweep of exec: each allocation of starting a program fails once.

Before the point of no return the caller goes on as it was, and the same call then succeeds.  Past
it, the process ends.  In either case nothing is left in the end.
"""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall
from vmalab.linux.fs.elf import ElfFile, ElfPhdr
from vmalab.linux.fs.exec import begin_new_exec
from vmalab.linux.fs.proc.task_mmu import mm_lines
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.uapi.elf import (
    EM_X86_64,
    ET_DYN,
    ET_EXEC,
    PF_R,
    PF_W,
    PF_X,
    PT_INTERP,
    PT_LOAD,
)
from vmalab.linux.include.uapi.resource import RLIMIT_STACK
from vmalab.linux.kernel.exit import exit_task
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.lib.slab import FailNth
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.types.file import I_REG
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.task import Task
from vmalab.testing.cases.run_case import engine_failed
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.seams.failing import NoteAllocations
from vmalab.testing.sweep.calltable import ARGUMENTS, Arguments

SeamMaker = Callable[[KernelState], CheckingInternal]

EXECS: Final = ("execve", "execveat")
# How a program calls the interpreter that there is.
LOADER: Final = "/lib/ld.so"
PID: Final = 100
# What the caller has mapped: two VMAs, one of them written to.
CALLER: Final = ((0x10000000, 0x4000, 3, 0x8032), (0x10004000, 0x2000, 1, 0x32))


def program(e_type: int, base: int, interp: bytes | None) -> ElfFile:
    """Return a program with code, data that zeros follow, and perhaps an interpreter."""
    phdrs = [
        ElfPhdr(PT_LOAD, PF_R | PF_X, 0, base, 0x3000, 0x3000, 0x1000),
        ElfPhdr(PT_LOAD, PF_R | PF_W, 0x3000, base + 0x4000, 0x800, 0x4000, 0x1000),
    ]
    if interp is not None:
        phdrs.append(ElfPhdr(PT_INTERP, PF_R, 0x800, 0, len(interp), len(interp), 1))
    elf = ElfFile(e_type, EM_X86_64, base + 0x100, 64, phdrs)
    elf.interp = interp
    return elf


def caller(seam: SeamMaker) -> Task:
    """Return a process with a map of its own, on a machine with programs."""
    config = KernelConfig()
    machine = LinuxMachine(config, seam(KernelState(config)))
    for path, elf in (
        ("/bin/static", program(ET_EXEC, 0x400000, None)),
        ("/bin/dynamic", program(ET_DYN, 0, LOADER.encode())),
        (LOADER, program(ET_DYN, 0, None)),
    ):
        inode = machine.add_inode(path, I_REG, "fe:00", len(machine.inodes) + 1, 0x4000)
        inode.program = inode.interp = elf
    task = machine.spawn(PID)
    task.signal.rlim_cur[RLIMIT_STACK] = 8 << 20
    begin_new_exec(task)
    for start, length, prot, flags in CALLER:
        assert do_syscall(task, "mmap", start, length, prot, flags, 2**64 - 1, 0) == start
    return task


def attempt(task: Task, name: str, arguments: Arguments, notes: NoteAllocations) -> int:
    """Make the call with a failure arranged: its result."""
    kernel = task.machine.kernel
    kernel.set_fault(notes)
    try:
        a0, a1, a2, a3, a4 = (*arguments.args, 0, 0, 0, 0)[:5]
        return do_syscall(task, name, a0, a1, a2, a3, a4, 0, dict(arguments.mem))
    finally:
        kernel.set_fault(None)


def sweep_exec(
    name: str, arguments: Arguments, seam: SeamMaker = CheckingInternal
) -> tuple[list[str], list[str]]:
    """Sweep one exec: the caches of its allocations, and what is wrong, as sentences."""
    notes = NoteAllocations()
    task = caller(seam)
    found = []
    if attempt(task, name, arguments, notes) != 0:
        found.append("it does not succeed")
    found += end(task)
    for nth, cache in enumerate(notes.asked, 1):
        try:
            wrong = fail_one(name, arguments, seam, nth)
        except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError) as error:
            wrong = [engine_failed(error)]
        found += [f"allocation {nth}, {cache}: {problem}" for problem in wrong]
    return notes.asked, [f"{name}{arguments.args}: {problem}" for problem in found]


def fail_one(name: str, arguments: Arguments, seam: SeamMaker, nth: int) -> list[str]:
    """Fail one allocation: what is wrong then."""
    task = caller(seam)
    mm = task.mm
    assert mm is not None
    before = mm_lines(mm)
    found: list[str] = []
    result = attempt(task, name, arguments, NoteAllocations(FailNth(nth)))
    if result < 0 and task.pid in task.machine.tasks:
        if task.mm is not mm or mm_lines(mm) != before:
            found.append(f"it answers {result}, and the caller's map has changed")
        found += mm_violations(mm)
        again = attempt(task, name, arguments, NoteAllocations())
        if again != 0:
            found.append(f"once more it answers {again}")
    return found + end(task)


def end(task: Task) -> list[str]:
    """End every process: what is wrong with its map, or left afterwards."""
    machine = task.machine
    found = []
    for other in list(machine.tasks.values()):
        if other.mm is not None:
            found += mm_violations(other.mm)
        exit_task(other)
    return found + machine.leaks()


def all_execs() -> list[tuple[str, Arguments]]:
    """Return every exec with its arguments."""
    return [(name, one) for name in EXECS for one in ARGUMENTS[name]]
