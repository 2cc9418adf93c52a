# SPDX-License-Identifier: GPL-2.0-or-later
"""Assertions: they look where they are asked to, forward to the seam, and bring a dump."""

import pytest

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.debug import DUMP_VMAS, VM_WARN_ON_VMA, dump_mm, dump_vma
from vmalab.linux.mm.vma.dump import VM_WARN_ON_VMG, dump_vmg
from vmalab.linux.mm.vma.merge import vmg_vma_state
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi, vma_lookup
from vmalab.testing.seams.checking import CheckingInternal, VmaBug

from ..noted_calls import do_syscall

BASE = 0x10000000


@pytest.fixture
def vma(machine: LinuxMachine, task: Task, mm: Mm) -> Vma:
    """A VMA of four pages."""
    assert do_syscall(task, "mmap", BASE, 0x4000, 3, 0x32, 2**64 - 1, 0) == BASE
    found = vma_lookup(mm, BASE)
    assert found is not None
    return found


def test_nothing_is_looked_at_unless_asked_for(mm: Mm, vma: Vma) -> None:
    assert VM_WARN_ON_VMA(True, vma, "x")
    assert (mm.kernel.nr_warnings, mm.kernel.last_warning) == (0, "")


def test_a_warning_is_counted_with_its_dump(mm: Mm, vma: Vma) -> None:
    mm.kernel.debug_vm = True
    assert not VM_WARN_ON_VMA(False, vma, "fine")
    assert VM_WARN_ON_VMA(True, vma, "a VMA is odd")
    mm.kernel.debug_vm = False
    assert mm.kernel.nr_warnings == 1
    lines = mm.kernel.last_warning.splitlines()
    assert lines[0] == "a VMA is odd"
    assert lines[1] == "vma 10000000-10004000 pgoff 10000 flags 0x100073 (rd wr mr mw me ac)"
    assert lines[2].startswith("mm map_count 1 total_vm 4 ")


def test_a_merge_is_dumped_with_its_neighbours(mm: Mm, vma: Vma) -> None:
    vmg = vmg_vma_state(Vmi(mm, BASE), None, vma, BASE, BASE + 0x1000)
    vmg.give_up_on_oom = True
    mm.kernel.debug_vm = True
    VM_WARN_ON_VMG(True, vmg, "vmg: odd")
    mm.kernel.debug_vm = False
    text = dump_vmg(vmg)
    assert "state start give_up_on_oom" in text
    assert "  middle 10000000-10004000 " in text
    assert "  prev   none" in text
    assert text in mm.kernel.last_warning


def test_a_checking_seam_ends_it() -> None:
    config = KernelConfig()
    task = LinuxMachine(config, CheckingInternal(KernelState(config))).spawn()
    assert do_syscall(task, "mmap", BASE, 0x4000, 3, 0x32, 2**64 - 1, 0) == BASE
    assert task.mm is not None
    vma = vma_lookup(task.mm, BASE)
    assert vma is not None
    with pytest.raises(VmaBug, match="gone wrong\nvma 10000000"):
        VM_WARN_ON_VMA(True, vma, "gone wrong")


def test_a_long_map_is_cut(task: Task, mm: Mm) -> None:
    for number in range(DUMP_VMAS + 4):
        addr = BASE + number * 0x2000
        assert do_syscall(task, "mmap", addr, 0x1000, 3, 0x32, 2**64 - 1, 0) == addr
    lines = dump_mm(mm).splitlines()
    assert len(lines) == 2 + DUMP_VMAS + 1
    assert lines[-1] == "  ..."
    assert dump_vma(None) == "none"
