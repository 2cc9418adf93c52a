# SPDX-License-Identifier: GPL-2.0-or-later
"""Exec: the old program goes, the stack of the new one is made, its map is restored."""

import pytest

from vmalab.linux.fs.exec import (
    SpecialMappingOps,
    begin_new_exec,
    bprm_mm_init,
    restore_vma,
    setup_arg_pages,
)
from vmalab.linux.fs.open import file_open
from vmalab.linux.fs.proc.task_mmu import mm_lines, mm_vmas
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.mm_flags import VM_SOFTDIRTY
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import EEXIST, EINVAL, ENOMEM
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.lib.slab import FailNth
from vmalab.linux.mm.filemap import thp_fops
from vmalab.linux.mm.page_tables import PTE_ANON
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

STACK_TOP = 0x7FFFFFFFF000
THREAD = 0x100 | 0x800 | 0x10000 | 0x400
RW_PRIVATE = 0x100073
SPECIAL = 0x40075


def make_stack(mm: Mm, stack_top: int, arg_size: int, executable: bool) -> int:
    """The stack of a program in an empty address space: 0 or -errno."""
    err = bprm_mm_init(mm, arg_size)
    return err if err != 0 else setup_arg_pages(mm, stack_top, arg_size, executable)


def test_exec_leaves_the_old_map_and_the_other_threads(machine: LinuxMachine, task: Task) -> None:
    assert do_syscall(task, "mmap", 0, 8192, 3, 0x22, 2**64 - 1, 0) > 0
    assert do_fork(task, THREAD, 101) is not None
    child = do_fork(task, 0, 102)
    mm = begin_new_exec(task)
    assert task.mm is mm
    assert mm.map_count == 0
    assert list(machine.tasks.values()) == [task, child]
    assert machine.kernel.vm_area_cache.nr_active == 1


def test_exec_in_a_vfork_child_leaves_the_parent_alone(machine: LinuxMachine, task: Task) -> None:
    assert do_syscall(task, "mmap", 0, 8192, 3, 0x22, 2**64 - 1, 0) > 0
    child = do_fork(task, 0x100, 101)
    assert child is not None
    begin_new_exec(child)
    assert child.mm is not task.mm
    assert task.mm is not None
    assert (task.mm.map_count, task.mm.mm_users) == (1, 1)


def test_descriptors_across_exec(task: Task) -> None:
    assert do_syscall(task, "memfd_create", 1, 1, mem={0: "goes"}) == 0
    assert do_syscall(task, "memfd_create", 1, 0, mem={0: "stays"}) == 1
    child = do_fork(task, 0x500, 101)
    assert child is not None
    begin_new_exec(child)
    assert list(child.files.fdt) == [1]
    assert sorted(task.files.fdt) == [0, 1]


def test_what_of_the_old_address_space_is_inherited(
    machine: LinuxMachine, task: Task, mm: Mm
) -> None:
    mm.mdwe, mm.thp_disable, mm.ksm_merge_any = 1, True, True
    mm.def_flags, mm.pkey_allocation_map, mm.brk = 0x40002000, 7, 0x5000
    new = begin_new_exec(task)
    assert (new.mdwe, new.thp_disable, new.ksm_merge_any) == (1, True, True)
    assert new.pkey_allocation_map == machine.new_mm().pkey_allocation_map
    assert (new.def_flags, new.brk) == (0x40000000, 0)


def test_the_stack_of_a_small_program(mm: Mm) -> None:
    assert make_stack(mm, STACK_TOP, 200, False) == 0
    lines = mm_lines(mm)
    assert lines[0].startswith("7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 ")
    assert lines[0].endswith("[stack]")
    vma = find_vma(mm, STACK_TOP - 1)
    assert vma is not None
    assert vm_flag_letters(vma.vm_flags) == ("rd", "wr", "mr", "mw", "me", "gd", "ac")
    assert vma.anon_vma is not None
    assert (mm.total_vm, mm.stack_vm, mm.map_count) == (33, 33, 1)
    assert mm.start_stack == STACK_TOP - 200
    assert mm_violations(mm) == []


def test_a_new_stack_is_not_soft_dirty() -> None:
    config = KernelConfig()
    config.soft_dirty = True
    mm = LinuxMachine(config).new_mm()
    assert make_stack(mm, STACK_TOP, 200, False) == 0
    assert [vma.vm_flags & VM_SOFTDIRTY for vma in mm_vmas(mm)] == [0]


def test_a_stack_below_the_top_and_with_many_arguments(mm: Mm) -> None:
    top = 0x7FFD12345000
    assert make_stack(mm, top, 10000, False) == 0
    vma = find_vma(mm, 0)
    assert vma is not None
    assert (vma.vm_start, vma.vm_end) == (top - 3 * 4096 - 131072, top)
    pages = mm.page_tables.ranges(0, STACK_TOP)
    assert pages == [(top - 3 * 4096, top, PTE_ANON)]
    assert mm_violations(mm) == []


def test_an_executable_stack_and_a_small_limit(task: Task, mm: Mm) -> None:
    task.signal.rlim_cur[3] = 5 * 4096 + 100
    assert make_stack(mm, STACK_TOP, 1, True) == 0
    vma = find_vma(mm, 0)
    assert vma is not None
    assert vma.vm_start == STACK_TOP - 5 * 4096
    assert "ex" in vm_flag_letters(vma.vm_flags)


def test_a_stack_that_cannot_be_made(machine: LinuxMachine, mm: Mm) -> None:
    machine.kernel.vm_area_cache.fault = FailNth(1)
    assert make_stack(mm, STACK_TOP, 1, False) == -ENOMEM
    machine.kernel.vm_area_cache.fault = None
    assert mm.map_count == 0
    assert make_stack(mm, 0x10000, 1, False) == -ENOMEM


def test_restored_vmas_count_and_are_charged(machine: LinuxMachine, mm: Mm) -> None:
    file = file_open(machine, "/x", 2, "fe:00", 5)
    ops = thp_fops.vm_ops
    assert restore_vma(mm, 0x1000, 0x3000, 0x75, 4, file, ops) == 0
    assert restore_vma(mm, 0x3000, 0x4000, RW_PRIVATE | 0x2000, 3, None, None) == 0
    assert restore_vma(mm, 0x5000, 0x6000, 0xFB, 0, file, ops) == 0
    assert (mm.map_count, mm.total_vm, mm.exec_vm, mm.data_vm, mm.locked_vm) == (3, 4, 2, 1, 1)
    assert machine.kernel.committed_as == 1
    assert file.f_count == 3
    assert file.inode.i_mapping.i_mmap_writable == 1
    assert mm_violations(mm) == []
    assert [vma.vm_pgoff for vma in mm_vmas(mm)] == [4, 3, 0]


def test_restored_vmas_have_an_anon_vma_of_their_own_on_request(mm: Mm) -> None:
    assert restore_vma(mm, 0x1000, 0x2000, RW_PRIVATE, 1, None, None, True) == 0
    assert restore_vma(mm, 0x2000, 0x3000, RW_PRIVATE, 2, None, None, True) == 0
    assert restore_vma(mm, 0x3000, 0x4000, RW_PRIVATE, 3, None, None) == 0
    owned = [vma.anon_vma for vma in mm_vmas(mm)]
    assert owned[0] is not None
    assert owned[1] is not None
    assert owned[0] is not owned[1]
    assert owned[2] is None


def test_ranges_that_cannot_be_restored(mm: Mm) -> None:
    for start, end in ((0x1000, 0x1000), (0x1001, 0x2000), (0x1000, 0x2001), (0x1000, 1 << 56)):
        assert restore_vma(mm, start, end, RW_PRIVATE, 0, None, None) == -EINVAL
    assert restore_vma(mm, 0x1000, 0x3000, RW_PRIVATE, 1, None, None) == 0
    assert restore_vma(mm, 0x2000, 0x4000, RW_PRIVATE, 2, None, None) == -EEXIST


@pytest.mark.parametrize("cache", ["vm_area_cache", "anon_vma_cache", "anon_vma_chain_cache"])
def test_restoring_without_memory_leaves_nothing(machine: LinuxMachine, mm: Mm, cache: str) -> None:
    file = file_open(machine, "/x", 2)
    getattr(machine.kernel, cache).fault = FailNth(1)
    result = restore_vma(mm, 0x1000, 0x2000, RW_PRIVATE | 0x2000, 1, file, None, True)
    getattr(machine.kernel, cache).fault = None
    assert result == -ENOMEM
    assert (mm.map_count, mm.total_vm, mm.locked_vm, file.f_count) == (0, 0, 0, 1)
    assert machine.leaks() == []


def test_special_mappings_are_one_piece(task: Task, mm: Mm) -> None:
    ops = SpecialMappingOps("[vdso]")
    assert restore_vma(mm, 0x7000000, 0x7002000, SPECIAL, 0x7000, None, ops) == 0
    assert do_syscall(task, "munmap", 0x7000000, 4096) == -EINVAL
    assert do_syscall(task, "mprotect", 0x7000000, 4096, 1) == -EINVAL
    assert do_syscall(task, "mremap", 0x7000000, 8192, 8192, 3, 0x8000000) == 0x8000000
    assert mm_lines(mm)[0].endswith("[vdso]")
    assert do_syscall(task, "munmap", 0x8000000, 8192) == 0
    assert mm.map_count == 0
