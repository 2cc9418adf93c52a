# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's own mappings in a program, and what is left when they do not fit."""

import pytest

from vmalab.linux.arch.x86.entry.vdso import map_vdso
from vmalab.linux.fs.proc.task_mmu import mm_vmas, vma_name
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import EINVAL, ENOMEM
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.lib.slab import FailNth
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

TOP = 0x7FFFF7FFF000


def test_three_mappings_below_one_another(mm: Mm) -> None:
    assert map_vdso(mm, 8192, 0) == 0
    shown = [(vma_name(vma), vma.vm_start, vm_flag_letters(vma.vm_flags)) for vma in mm_vmas(mm)]
    pages = ("rd", "mr", "pf", "io", "de", "dd")
    assert shown == [
        ("[vvar]", TOP - 0x8000, pages),
        ("[vvar_vclock]", TOP - 0x4000, pages),
        ("[vdso]", TOP - 0x2000, ("rd", "ex", "mr", "mw", "me", "de")),
    ]
    assert (mm.total_vm, mm.exec_vm, mm.map_count) == (8, 2, 3)


@pytest.mark.parametrize(
    ("version", "letters"),
    [
        ((7, 0), "rd mr pf io de dd"),
        ((7, 2), "rd mr io de dd mm"),
        ((7, 3), "rd mr de dd mm"),
    ],
)
def test_only_vvar_ceased_to_be_a_map_of_frames(version: Version, letters: str) -> None:
    config = KernelConfig()
    config.features = Features(version)
    mm = LinuxMachine(config).new_mm()
    assert map_vdso(mm, 8192, 0) == 0
    shown = [" ".join(vm_flag_letters(vma.vm_flags)) for vma in mm_vmas(mm)]
    assert shown[:2] == [letters, "rd mr pf io de dd"]


def test_a_hint_is_taken_where_it_fits(mm: Mm) -> None:
    assert map_vdso(mm, 8192, 0x500000000) == 0
    assert mm_vmas(mm)[0].vm_start == 0x500000000
    assert map_vdso(mm, 8192, TOP << 8) == 0
    assert mm_vmas(mm)[-1].vm_end == TOP


def test_it_cannot_be_split(task: Task, mm: Mm) -> None:
    assert map_vdso(mm, 8192, 0) == 0
    assert do_syscall(task, "munmap", TOP - 0x1000, 0x1000) == -EINVAL
    assert do_syscall(task, "munmap", TOP - 0x8000, 0x8000) == 0
    assert mm.map_count == 0


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_failure_leaves_nothing(machine: LinuxMachine, mm: Mm, nth: int) -> None:
    machine.kernel.vm_area_cache.fault = FailNth(nth)
    assert map_vdso(mm, 8192, 0) == -ENOMEM
    machine.kernel.vm_area_cache.fault = None
    assert mm.map_count == 0
    assert mm.total_vm == 0


def test_no_room(mm: Mm) -> None:
    assert map_vdso(mm, 1 << 47, 0) == -ENOMEM
