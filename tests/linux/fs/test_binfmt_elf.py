# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs made for a test: where each segment goes, what bounds the heap, and each error."""

from collections.abc import Callable

import pytest

from vmalab.linux.fs.binfmt_elf import load_elf_binary
from vmalab.linux.fs.binfmts import LinuxBinprm
from vmalab.linux.fs.elf import read_elf, read_elf_interp
from vmalab.linux.fs.open import file_open, unmappable_fops
from vmalab.linux.fs.proc.task_mmu import mm_lines, mm_vmas
from vmalab.linux.include.features import Features
from vmalab.linux.include.uapi.errno import (
    E2BIG,
    EEXIST,
    EFAULT,
    EINVAL,
    ELIBBAD,
    ENOENT,
    ENOEXEC,
    ENOMEM,
    EPERM,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.page_table_check import page_table_violations
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup

MakeElf = Callable[..., bytes]
Phdr = tuple[int, int, int, int, int, int, int]
CODE: Phdr = (1, 5, 0, 0x400000, 0x1000, 0x1000, 0x1000)
DATA: Phdr = (1, 6, 0x1000, 0x402000, 0x800, 0x3000, 0x1000)
PIE_CODE: Phdr = (1, 5, 0, 0, 0x1000, 0x1000, 0x1000)
PIE_DATA: Phdr = (1, 6, 0x1000, 0x2000, 0x800, 0x800, 0x1000)
INTERP: Phdr = (3, 4, 0x800, 0, 8, 8, 1)
STACK_X: Phdr = (0x6474E551, 7, 0, 0, 0, 0, 16)
STACK_NX: Phdr = (0x6474E551, 6, 0, 0, 0, 0, 16)
PIE_BASE = 0x555555554000
LD_SO = b"/ld.so\0\0"


def opened(machine: LinuxMachine, path: str, data: bytes) -> File:
    file = file_open(machine, path, 0, "fe:00", len(machine.inodes) + 10)
    file.inode.size = len(data)
    return file


def program(machine: LinuxMachine, data: bytes, interp: bytes | None = None) -> LinuxBinprm:
    bprm = LinuxBinprm(opened(machine, "/prog", data), read_elf(data))
    bprm.set_arguments(b"/prog", [b"prog", b"-x"], [b"A=1"])
    if interp is not None:
        bprm.interpreter = opened(machine, "/ld.so", interp)
        bprm.interp_elf = read_elf_interp(interp, bprm.elf.is_compat())
    return bprm


def lines(task: Task) -> list[str]:
    assert task.mm is not None
    assert page_table_violations(task.mm) == []
    return [" ".join(line.split()) for line in mm_lines(task.mm) if "vsyscall" not in line]


def mm_of(task: Task) -> Mm:
    assert task.mm is not None
    return task.mm


def test_a_static_program(machine: LinuxMachine, task: Task, make_elf: MakeElf) -> None:
    bprm = program(machine, make_elf([CODE, DATA]))
    assert load_elf_binary(task, bprm) == 0
    assert lines(task) == [
        "00400000-00401000 r-xp 00000000 fe:00 10 /prog",
        "00402000-00403000 rw-p 00001000 fe:00 10 /prog",
        "00403000-00405000 rw-p 00000000 00:00 0",
        "7ffff7ff7000-7ffff7ffb000 r--p 00000000 00:00 0 [vvar]",
        "7ffff7ffb000-7ffff7ffd000 r--p 00000000 00:00 0 [vvar_vclock]",
        "7ffff7ffd000-7ffff7fff000 r-xp 00000000 00:00 0 [vdso]",
        "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]",
    ]
    mm = mm_of(task)
    assert (mm.start_code, mm.end_code) == (0x400000, 0x401000)
    assert (mm.start_data, mm.end_data) == (0x402000, 0x402800)
    assert mm.start_brk == mm.brk == 0x405000
    assert mm.arg_end - mm.arg_start == len("prog\0-x\0")
    assert (mm.env_start, mm.env_end) == (mm.arg_end, mm.arg_end + 4)
    assert mm.start_stack % 16 == 0
    assert mm.arg_start > mm.start_stack


def test_clearing_the_end_of_a_page_touches_it(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    assert load_elf_binary(task, program(machine, make_elf([CODE, DATA]))) == 0
    mm = mm_of(task)
    for vma in mm_vmas(mm):
        touched = vma.vm_start in (0x402000, 0x7FFFFFFDE000)
        assert (vma.anon_vma is not None) == touched
    assert mm.page_tables.nr_anon == 2


def test_what_cannot_be_written_is_not_cleared(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    rest = (1, 4, 0x1000, 0x402000, 0x800, 0x3000, 0x1000)
    assert load_elf_binary(task, program(machine, make_elf([CODE, rest]))) == 0
    vma = vma_lookup(mm_of(task), 0x402000)
    assert vma is not None
    assert vma.anon_vma is None
    assert lines(task)[2].startswith("00403000-00405000 rw-p")


def test_a_position_independent_program_and_its_interpreter(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    data = make_elf([PIE_CODE, PIE_DATA, INTERP], e_type=3, entry=0x100, interp=LD_SO)
    interp = make_elf([PIE_CODE, PIE_DATA], e_type=3, entry=0x100)
    assert load_elf_binary(task, program(machine, data, interp)) == 0
    assert [line for line in lines(task) if "/" in line] == [
        f"{PIE_BASE:x}-{PIE_BASE + 0x1000:x} r-xp 00000000 fe:00 10 /prog",
        f"{PIE_BASE + 0x2000:x}-{PIE_BASE + 0x3000:x} rw-p 00001000 fe:00 10 /prog",
        "7ffff7ffc000-7ffff7ffd000 r-xp 00000000 fe:00 11 /ld.so",
        "7ffff7ffe000-7ffff7fff000 rw-p 00001000 fe:00 11 /ld.so",
    ]
    assert mm_of(task).start_brk == PIE_BASE + 0x3000


def test_the_draws_of_a_randomised_program(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    data = make_elf([PIE_CODE, PIE_DATA, INTERP], e_type=3, entry=0x100, interp=LD_SO)
    bprm = program(machine, data, make_elf([PIE_CODE], e_type=3, entry=0x100))
    task.randomize = True
    bprm.mmap_rnd, bprm.stack_rnd, bprm.exec_rnd = 0x5000, 0x7000, 0x9000
    bprm.brk_rnd, bprm.sp_rnd = 0xB000, 100
    assert load_elf_binary(task, bprm) == 0
    mm = mm_of(task)
    assert mm.mmap_base == 0x7FFFFFFFF000 - (8 << 20) - (0x3FFFFF << 12) - (1 << 20) - 0x5000
    assert lines(task)[0].startswith(f"{PIE_BASE + 0x9000:x}-")
    assert lines(task)[-1].split()[0].endswith(f"-{0x7FFFFFFFF000 - 0x7000:x}")
    assert mm.start_brk == PIE_BASE + 0x9000 + 0x3000 + 0x1000 + 0xB000


def test_the_draws_do_not_matter_to_a_program_that_is_not_randomised(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    bprm = program(machine, make_elf([CODE]))
    assert load_elf_binary(task, bprm) == 0
    before = lines(task), mm_of(task).start_stack
    task.randomize, task.personality = True, 0x0040000
    bprm = LinuxBinprm(bprm.file, bprm.elf)
    bprm.set_arguments(b"/prog", [b"prog", b"-x"], [b"A=1"])
    bprm.mmap_rnd = bprm.stack_rnd = bprm.brk_rnd = 0x5000
    bprm.sp_rnd = 100
    assert load_elf_binary(task, bprm) == 0
    assert (lines(task), mm_of(task).start_stack) == before


def test_a_loader_goes_where_mappings_go_and_its_heap_where_programs_go(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    data = make_elf([PIE_CODE, PIE_DATA], e_type=3, entry=0x100)
    assert load_elf_binary(task, program(machine, data)) == 0
    assert "7ffff7ffc000-7ffff7ffd000 r-xp 00000000 fe:00 10 /prog" in lines(task)
    assert mm_of(task).start_brk == PIE_BASE + 0x1000


def test_a_large_alignment_is_kept(machine: LinuxMachine, task: Task, make_elf: MakeElf) -> None:
    code = (1, 5, 0, 0, 0x1000, 0x1000, 0x200000)
    assert load_elf_binary(task, program(machine, make_elf([code], e_type=3, entry=0))) == 0
    assert lines(task)[0].startswith("7ffff7e00000-7ffff7e01000 r-xp")


@pytest.mark.parametrize(
    ("stack", "machine_number", "perms", "implied"),
    [
        (None, 62, "rw-p", False),
        (STACK_NX, 62, "rw-p", False),
        (STACK_X, 62, "rwxp", False),
        (None, 3, "rwxp", True),
        (STACK_NX, 3, "rw-p", False),
        (STACK_X, 3, "rwxp", False),
    ],
)
def test_who_may_execute_the_stack(
    machine: LinuxMachine,
    task: Task,
    make_elf: MakeElf,
    stack: Phdr | None,
    machine_number: int,
    perms: str,
    implied: bool,
) -> None:
    phdrs = [CODE, DATA] if stack is None else [CODE, DATA, stack]
    task.personality |= 0x0400000 if machine_number == 62 else 0
    bprm = program(machine, make_elf(phdrs, machine=machine_number))
    assert load_elf_binary(task, bprm) == 0
    shown = lines(task)
    assert shown[-1].split()[1] == perms
    assert (task.personality & 0x0400000 != 0) == implied
    assert shown[1].split()[1] == ("rwxp" if implied else "rw-p")
    assert shown[2].split()[1] == ("rwxp" if implied else "rw-p")


def test_a_32_bit_program(machine: LinuxMachine, task: Task, make_elf: MakeElf) -> None:
    data = make_elf([PIE_CODE, INTERP, STACK_NX], e_type=3, machine=3, entry=0x100, interp=LD_SO)
    interp = make_elf([PIE_CODE], e_type=3, machine=3, entry=0x100)
    assert load_elf_binary(task, program(machine, data, interp)) == 0
    assert task.compat
    shown = lines(task)
    assert shown[0].startswith("56555000-56556000 r-xp")
    assert shown[-2].startswith("f7ffd000-f7ffe000 r-xp")
    assert shown[-1].startswith("fffdd000-ffffe000 rw-p")
    assert [line for line in mm_lines(mm_of(task)) if "vsyscall" in line] == []


def test_older_kernels_keep_the_pages_of_clocks_together(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    machine.config.features = Features((6, 12))
    assert load_elf_binary(task, program(machine, make_elf([CODE]))) == 0
    assert [line.split()[-1] for line in lines(task)] == ["/prog", "[vvar]", "[vdso]", "[stack]"]


def test_without_a_vdso(machine: LinuxMachine, task: Task, make_elf: MakeElf) -> None:
    machine.config.vdso64_size = 0
    assert load_elf_binary(task, program(machine, make_elf([CODE]))) == 0
    assert [line.split()[-1] for line in lines(task)] == ["/prog", "[stack]"]


def test_page_zero_is_mapped_and_sealed_for_old_programs(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    task.personality = 0x0100000
    assert load_elf_binary(task, program(machine, make_elf([CODE]))) == 0
    assert lines(task)[0] == "00000000-00001000 r-xp 00000000 00:00 0"
    vma = vma_lookup(mm_of(task), 0)
    assert vma is not None
    assert vma.vm_flags & 0x40000000000 != 0


def test_many_arguments_make_the_stack_longer(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    bprm = program(machine, make_elf([CODE]))
    bprm.set_arguments(b"/prog", [b"x" * 999] * 500, [])
    assert load_elf_binary(task, bprm) == 0
    mm = mm_of(task)
    assert mm.arg_end - mm.arg_start == 500_000
    # The strings, what is put above and below them, and 128 KiB to grow into.
    assert mm.stack_vm == 500_000 // 4096 + 1 + 32
    assert mm.page_tables.nr_anon >= 500_000 // 4096


def test_no_argument_counts_as_an_empty_one(make_elf: MakeElf, machine: LinuxMachine) -> None:
    bprm = program(machine, make_elf([CODE]))
    bprm.set_arguments(b"/prog", [], [])
    assert (bprm.argc, bprm.arg_size) == (1, 1)


@pytest.mark.parametrize(
    ("data_of", "error"),
    [
        (lambda make: b"#!/bin/sh\n", -ENOEXEC),
        (lambda make: make([CODE, INTERP], interp=LD_SO), -ENOENT),
    ],
    ids=["a script", "no interpreter"],
)
def test_an_early_error_leaves_the_old_program(
    machine: LinuxMachine,
    task: Task,
    make_elf: MakeElf,
    data_of: Callable[[MakeElf], bytes],
    error: int,
) -> None:
    before = task.mm
    bprm = program(machine, data_of(make_elf))
    assert load_elf_binary(task, bprm) == error
    assert task.mm is before
    assert not bprm.point_of_no_return


def test_a_file_that_cannot_be_mapped_is_no_program(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    bprm = program(machine, make_elf([CODE]))
    bprm.file.f_op = unmappable_fops
    assert load_elf_binary(task, bprm) == -ENOEXEC


def test_an_interpreter_of_the_other_width_is_elibbad(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    data = make_elf([CODE, INTERP], interp=LD_SO)
    bprm = program(machine, data, make_elf([CODE], machine=3))
    assert load_elf_binary(task, bprm) == -ELIBBAD
    bprm = program(machine, data, b"\x7fELF" + bytes(100))
    assert load_elf_binary(task, bprm) == -ELIBBAD


def test_older_kernels_want_a_page_of_program_headers_at_most(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    machine.config.features = Features((6, 12))
    idle = (0x60000000, 0, 0, 0, 0, 0, 0)
    assert load_elf_binary(task, program(machine, make_elf([CODE] + [idle] * 73))) == -ENOEXEC
    assert load_elf_binary(task, program(machine, make_elf([CODE] + [idle] * 72))) == 0


@pytest.mark.parametrize(
    ("argv", "limit"),
    [([b"x" * 131072], -1), ([b"x" * 9999] * 700, -1), ([b"x"] * 9000, 65536)],
    ids=["a long string", "too much", "too many for a small stack"],
)
def test_arguments_that_do_not_fit(
    machine: LinuxMachine, task: Task, make_elf: MakeElf, argv: list[bytes], limit: int
) -> None:
    if limit >= 0:
        task.signal.rlim_cur[3] = limit
    before = task.mm
    bprm = program(machine, make_elf([CODE]))
    bprm.set_arguments(b"/prog", argv, [b"y" * 100] * 1300)
    assert load_elf_binary(task, bprm) == -E2BIG
    assert task.mm is before


def test_arguments_beyond_the_stack_limit(
    machine: LinuxMachine, task: Task, make_elf: MakeElf
) -> None:
    task.signal.rlim_cur[3] = 8192
    bprm = program(machine, make_elf([CODE]))
    bprm.set_arguments(b"/prog", [b"x" * 30000], [])
    assert load_elf_binary(task, bprm) == -E2BIG
    assert not bprm.point_of_no_return


@pytest.mark.parametrize(
    ("phdrs", "options", "error"),
    [
        ([(1, 5, 0, 0x7FFFFFFDE000, 0x1000, 0x1000, 0x1000)], {}, -EEXIST),
        ([(1, 5, 0, 1 << 47, 0x1000, 0x1000, 0x1000)], {}, -ENOMEM),
        ([(1, 5, 0, 0x400000, 0x1000, 0x800, 0x1000)], {}, -EINVAL),
        ([(1, 5, 0, 0x400000, 0x1000, 1 << 47, 0x1000)], {}, -ENOMEM),
        ([(1, 5, 0x123, 0x400000, 0x1000, 0x1000, 0x1000)], {}, -EINVAL),
        ([CODE], {"entry": 1 << 47}, -EINVAL),
        ([(1, 6, 0x3800, 0x400800, 0x1000, 0x2000, 0x1000)], {}, -EFAULT),
    ],
    ids=[
        "in the stack",
        "beyond the end",
        "larger in the file",
        "larger than anything",
        "offset and address disagree",
        "entry beyond the end",
        "to be cleared beyond the file",
    ],
)
def test_a_late_error_is_after_the_old_program_is_gone(
    machine: LinuxMachine,
    task: Task,
    make_elf: MakeElf,
    phdrs: list[Phdr],
    options: dict[str, int],
    error: int,
) -> None:
    before = task.mm
    bprm = program(machine, make_elf(phdrs, **options))
    assert load_elf_binary(task, bprm) == error
    assert bprm.point_of_no_return
    assert task.mm is not before


@pytest.mark.parametrize(
    ("phdrs", "e_type", "error"),
    [
        ([PIE_CODE], 1, -EPERM),
        ([STACK_X], 3, -EINVAL),
        ([(1, 5, 0, 0, 0x1000, 0x800, 0x1000)], 3, -ENOMEM),
        ([(1, 5, 0, 1 << 47, 0x1000, 0x1000, 0x1000)], 2, -ENOMEM),
    ],
    ids=["an object file", "nothing to load", "larger in the file", "beyond the end"],
)
def test_an_interpreter_that_cannot_be_loaded(
    machine: LinuxMachine, task: Task, make_elf: MakeElf, phdrs: list[Phdr], e_type: int, error: int
) -> None:
    data = make_elf([CODE, INTERP], interp=LD_SO)
    bprm = program(machine, data, make_elf(phdrs, e_type=e_type, entry=0))
    assert load_elf_binary(task, bprm) == error
    assert bprm.point_of_no_return


def test_no_room_for_the_vdso(machine: LinuxMachine, task: Task, make_elf: MakeElf) -> None:
    task.signal.rlim_cur[9] = 34 * 4096
    bprm = program(machine, make_elf([CODE]))
    assert load_elf_binary(task, bprm) == 0
    task.signal.rlim_cur[9] = 33 * 4096
    assert load_elf_binary(task, program(machine, make_elf([CODE]))) == -ENOMEM
