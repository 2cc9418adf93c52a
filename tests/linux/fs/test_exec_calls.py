# SPDX-License-Identifier: GPL-2.0-or-later
"""execve and execveat as calls: what they start, and each of their errors."""

from collections.abc import Callable

import pytest

from vmalab.linux.arch.x86.entry.syscalls.exec import add_program
from vmalab.linux.fs.open import file_open
from vmalab.linux.fs.proc.task_mmu import mm_lines
from vmalab.linux.include.page import STACK_TOP_MAX
from vmalab.linux.include.uapi.errno import (
    E2BIG,
    EACCES,
    EBADF,
    EEXIST,
    EFAULT,
    EINVAL,
    ELIBBAD,
    ENOENT,
    ENOEXEC,
    ENOSYS,
)
from vmalab.linux.include.uapi.fcntl import AT_EMPTY_PATH, AT_EXECVE_CHECK, O_CLOEXEC
from vmalab.linux.include.uapi.personality import ADDR_NO_RANDOMIZE
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.file import I_CHR
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

MakeElf = Callable[..., bytes]
Phdr = tuple[int, int, int, int, int, int, int]
CODE: Phdr = (1, 5, 0, 0x400000, 0x1000, 0x1000, 0x1000)
DATA: Phdr = (1, 6, 0x1000, 0x402000, 0x800, 0x3000, 0x1000)
PIE: Phdr = (1, 5, 0, 0, 0x1000, 0x1000, 0x1000)
INTERP: Phdr = (3, 4, 0x800, 0, 8, 8, 1)
LD_SO = b"/ld.so\0\0"
# Pointers that lead somewhere, as a log shows them.
ARGV, ENVP = 0x7FFC0000, 0x7FFC1000
HERE = 2**64 - 100
ARGS: dict[int, object] = {1: ["prog", "-x"], 2: ["A=1"]}


def execve(task: Task, path: str, mem: dict[int, object] = ARGS) -> int:
    return do_syscall(task, "execve", 0x7FFB0000, ARGV, ENVP, mem={0: path, **mem})


def execveat(task: Task, dirfd: int, path: str, flags: int = 0) -> int:
    mem: dict[int, object] = {1: path, 2: ["prog"], 3: []}
    return do_syscall(task, "execveat", dirfd, 0x7FFB0000, ARGV, ENVP, flags, mem=mem)


def shown(task: Task) -> list[str]:
    assert task.mm is not None
    return [" ".join(line.split()) for line in mm_lines(task.mm) if "vsyscall" not in line]


@pytest.fixture
def program(machine: LinuxMachine, make_elf: MakeElf) -> str:
    """A static program."""
    add_program(machine, "/bin/prog", "fe:00", 10, make_elf([CODE, DATA]))
    return "/bin/prog"


def test_a_program_takes_the_place_of_the_caller(task: Task, program: str) -> None:
    assert do_syscall(task, "mmap", 0x10000000, 8192, 3, 0x32, 2**64 - 1, 0) == 0x10000000
    assert execve(task, program) == 0
    assert shown(task)[:3] == [
        "00400000-00401000 r-xp 00000000 fe:00 10 /bin/prog",
        "00402000-00403000 rw-p 00001000 fe:00 10 /bin/prog",
        "00403000-00405000 rw-p 00000000 00:00 0",
    ]
    assert shown(task)[-1] == "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]"
    assert do_syscall(task, "brk", 0x406000) == 0x406000


def test_descriptors_marked_for_it_are_closed(task: Task, program: str) -> None:
    kept = do_syscall(task, "openat", HERE, 0x7FFB0000, mem={1: "/etc/a"})
    gone = do_syscall(task, "openat", HERE, 0x7FFB0000, O_CLOEXEC, mem={1: "/etc/b"})
    assert execve(task, program) == 0
    assert sorted(task.files.fdt) == [kept]
    assert gone not in task.files.fdt


def test_draws_move_stack_mappings_and_heap(
    machine: LinuxMachine, task: Task, program: str
) -> None:
    assert execve(task, program) == 0
    before = shown(task)
    draws = machine.exec_draws
    draws.mmap_rnd, draws.stack_rnd, draws.brk_rnd = 0x5000, 0x7000, 0x3000
    machine.randomize_va_space = True
    assert execve(task, program) == 0
    assert task.randomize
    assert shown(task)[-1] == "7ffffffd7000-7fffffff8000 rw-p 00000000 00:00 0 [stack]"
    assert shown(task)[:3] == before[:3]
    mm = task.mm
    assert mm is not None
    assert mm.start_brk == 0x409000
    task.personality |= ADDR_NO_RANDOMIZE
    assert execve(task, program) == 0
    assert shown(task) == before
    assert not task.randomize
    task.personality = 0
    assert execve(task, "/bin/nothing") == -ENOSYS
    assert not task.randomize
    assert execve(task, program) == 0
    assert task.randomize
    assert shown(task) != before


def test_interpreter_is_looked_up(machine: LinuxMachine, task: Task, make_elf: MakeElf) -> None:
    data = make_elf([PIE, INTERP], e_type=3, interp=LD_SO, entry=0x100)
    add_program(machine, "/bin/dyn", "fe:00", 11, data)
    assert execve(task, "/bin/dyn") == -ENOSYS
    machine.closed_world = True
    machine.add_directory("/")
    assert execve(task, "/bin/dyn") == -ENOENT
    add_program(machine, "/ld.so", "fe:00", 12, b"\x7fELF" + bytes(100))
    assert execve(task, "/bin/dyn") == -ELIBBAD
    add_program(machine, "/ld.so", "fe:00", 12, make_elf([PIE], e_type=3, entry=0x100))
    assert execve(task, "/bin/dyn") == 0
    names = [line.split()[-1] for line in shown(task)]
    assert names == ["/bin/dyn", "[vvar]", "[vvar_vclock]", "[vdso]", "/ld.so", "[stack]"]


def test_what_cannot_be_started_leaves_the_caller(
    machine: LinuxMachine, task: Task, program: str
) -> None:
    before = task.mm
    machine.closed_world = True
    machine.add_directory("/")
    add_program(machine, "/bin/text", "fe:00", 12, b"#!/bin/sh\n")
    machine.add_inode("/dev/null", I_CHR, "00:06", 4, -1)
    assert execve(task, "/bin/nothing") == -ENOENT
    assert execve(task, "") == -ENOENT
    assert execve(task, "/") == -EACCES
    assert execve(task, "/dev/null") == -EACCES
    assert execve(task, "/bin/text") == -ENOEXEC
    assert execve(task, program, {1: ["x" * 131072], 2: []}) == -E2BIG
    assert do_syscall(task, "execve", 0, ARGV, ENVP) == -EFAULT
    assert do_syscall(task, "execve", 8, 0x1000, 0, mem={0: program}) == -EFAULT
    assert task.mm is before


def test_a_file_of_which_nothing_is_known_is_not_modelled(
    machine: LinuxMachine, task: Task
) -> None:
    assert execve(task, "/bin/unknown") == -ENOSYS
    file_open(machine, "/bin/unknown", 0)
    assert execve(task, "/bin/unknown") == -ENOSYS


def test_null_arrays_are_empty_ones(task: Task, program: str) -> None:
    assert do_syscall(task, "execve", 8, 0, 0, mem={0: program}) == 0
    mm = task.mm
    assert mm is not None
    # One empty argument is added.
    assert (mm.arg_end - mm.arg_start, mm.env_end - mm.env_start) == (1, 0)


def test_past_the_point_of_no_return_the_process_ends(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    high = (1, 5, 0, STACK_TOP_MAX - 0x1000, 0x1000, 0x1000, 0x1000)
    add_program(machine, "/bin/high", "fe:00", 13, make_elf([high]))
    assert execve(task, "/bin/high") == -EEXIST
    assert task.mm is None
    assert task.pid not in machine.tasks


def test_execveat_starts_what_a_descriptor_stands_for(task: Task, program: str) -> None:
    fd = do_syscall(task, "openat", HERE, 0x7FFB0000, mem={1: program})
    assert execveat(task, fd, "") == -ENOENT
    assert execveat(task, fd + 1, "", AT_EMPTY_PATH) == -EBADF
    assert execveat(task, fd + 1, "prog") == -EBADF
    assert execveat(task, HERE, program, 1) == -EINVAL
    assert execveat(task, HERE, program, AT_EXECVE_CHECK) == -ENOSYS
    assert do_syscall(task, "execveat", HERE, 0, ARGV, ENVP) == -EFAULT
    assert execveat(task, fd, "", AT_EMPTY_PATH) == 0
    assert shown(task)[0].endswith("/bin/prog")
    assert execveat(task, HERE, program) == 0


def test_names_of_programs_are_part_of_the_stack(task: Task, program: str) -> None:
    """The last string is the path, as AT_EXECFN says."""
    assert execve(task, program) == 0
    mm = task.mm
    assert mm is not None
    assert STACK_TOP_MAX - 8 - len(program) - 1 == mm.env_end
