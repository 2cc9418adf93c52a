# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines of maps, and VmFlags."""

import pytest

from vmalab.calls.snapshot import VmaLine
from vmalab.linux.fs.exec import SpecialMappingOps, restore_vma
from vmalab.linux.fs.open import file_open
from vmalab.linux.fs.proc.task_mmu import (
    VSYSCALL_LETTERS,
    VSYSCALL_LINE,
    mm_lines,
    mm_vmas,
    show_map_vma,
    vma_name,
)
from vmalab.linux.include.mm_flags import VM_FLAG_LETTERS
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.filemap import thp_fops
from vmalab.linux.mm.shmem import shmem_vm_ops
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Mm, Vma, VmOps

RW_PRIVATE = 0x100073


def one(
    mm: Mm,
    start: int,
    end: int,
    flags: int = RW_PRIVATE,
    file: File | None = None,
    ops: VmOps | None = None,
    pgoff: int = 0,
) -> Vma:
    assert restore_vma(mm, start, end, flags, pgoff, file, ops) == 0
    return next(vma for vma in mm_vmas(mm) if vma.vm_start == start)


@pytest.mark.parametrize(
    ("start", "end"),
    [(0x1000, 0x2000), (0x400000, 0x401000), (0x555555554000, 0x555555555000)],
)
def test_a_line_is_what_the_snapshot_reader_prints(
    machine: LinuxMachine, mm: Mm, start: int, end: int
) -> None:
    for path in ("/lib/x.so", ""):
        file = file_open(machine, path, 0, "fe:00", 1234567) if path else None
        ops = thp_fops.vm_ops if path else None
        vma = one(mm, start, end, 0x75, file, ops, 3)
        line = VmaLine(
            start,
            end,
            "r-xp",
            0x3000 if path else 0,
            "fe:00" if path else "00:00",
            1234567 if path else 0,
            path,
        )
        assert show_map_vma(vma) == line.text
        start, end = end, end + 0x1000


def test_a_newline_in_a_path_is_escaped(machine: LinuxMachine, mm: Mm) -> None:
    file = file_open(machine, "/tmp/a\nb c", 0)
    vma = one(mm, 0x1000, 0x2000, 0x71, file, thp_fops.vm_ops)
    assert vma_name(vma) == "/tmp/a\\012b c"


def test_an_inode_of_unknown_number_shows_as_0(machine: LinuxMachine, mm: Mm) -> None:
    file = file_open(machine, "/dev/shm/x", 0)
    vma = one(mm, 0x1000, 0x2000, 0x71, file, shmem_vm_ops)
    assert show_map_vma(vma).split()[3:] == ["00:20", "0", "/dev/shm/x"]


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        (0x500000, 0x501000, ""),
        (0x501000, 0x502000, "[heap]"),
        (0x500000, 0x502000, "[heap]"),
        (0x503000, 0x505000, "[heap]"),
        (0x504000, 0x505000, ""),
    ],
    ids=["ends at start_brk", "begins there", "around it", "around brk", "begins at brk"],
)
def test_heap_is_what_overlaps_the_brk_area(mm: Mm, start: int, end: int, name: str) -> None:
    mm.start_brk, mm.brk = 0x501000, 0x504000
    assert vma_name(one(mm, start, end)) == name


def test_an_empty_brk_area_inside_a_vma_makes_it_the_heap(mm: Mm) -> None:
    mm.start_brk = mm.brk = 0x501000
    assert vma_name(one(mm, 0x500000, 0x502000)) == "[heap]"


def test_file_and_shared_vmas_are_never_heap_or_stack(machine: LinuxMachine, mm: Mm) -> None:
    mm.start_brk, mm.brk, mm.start_stack = 0x501000, 0x504000, 0x501000
    file = file_open(machine, "/x", 0)
    assert vma_name(one(mm, 0x501000, 0x502000, 0x71, file, thp_fops.vm_ops)) == "/x"


def test_stack_is_what_holds_its_start_or_ends_there(mm: Mm) -> None:
    mm.start_stack = 0x602000
    assert vma_name(one(mm, 0x600000, 0x602000)) == "[stack]"
    assert vma_name(one(mm, 0x602000, 0x603000)) == "[stack]"
    assert vma_name(one(mm, 0x604000, 0x605000)) == ""


def test_names_given_by_prctl(machine: LinuxMachine, mm: Mm) -> None:
    private = one(mm, 0x1000, 0x2000)
    private.anon_name = "heap a"
    assert vma_name(private) == "[anon:heap a]"
    file = file_open(machine, "/dev/shm/x", 2)
    shared = one(mm, 0x2000, 0x3000, 0xFB, file, shmem_vm_ops)
    shared.anon_name = "y"
    assert vma_name(shared) == "[anon_shmem:y]"


def test_special_mappings_have_the_name_of_their_operations(mm: Mm) -> None:
    vma = one(mm, 0x7000, 0x9000, 0x40075, None, SpecialMappingOps("[vdso]"), 7)
    assert show_map_vma(vma) == (
        "00007000-00009000 r-xp 00000000 00:00 0                                  [vdso]"
    )


@pytest.mark.parametrize(("flags", "perms"), [(0x0, "---p"), (0xFF, "rwxs"), (0x91, "r--s")])
def test_permissions_show_whether_it_may_be_shared(mm: Mm, flags: int, perms: str) -> None:
    assert show_map_vma(one(mm, 0x1000, 0x2000, flags & ~8)).split()[1] == perms


def test_flag_letters_are_in_the_order_of_their_bits() -> None:
    assert vm_flag_letters(0x100073) == ("rd", "wr", "mr", "mw", "me", "ac")
    assert vm_flag_letters(0) == ()
    assert vm_flag_letters(sum(VM_FLAG_LETTERS)) == tuple(VM_FLAG_LETTERS.values())


def test_a_flag_without_letters_and_protection_keys() -> None:
    assert vm_flag_letters(1 << 45 | 1) == ("rd", "??")
    assert vm_flag_letters(5 << 32 | 1) == ("rd",)


def test_a_map_ends_with_the_vsyscall_page(mm: Mm) -> None:
    one(mm, 0x1000, 0x2000)
    lines = mm_lines(mm)
    assert len(lines) == 2
    assert lines[1] == VSYSCALL_LINE
    page = VmaLine(
        0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000, "--xp", 0, "00:00", 0, "[vsyscall]", ("ex",)
    )
    assert page.text == VSYSCALL_LINE
    assert page.flags == VSYSCALL_LETTERS
