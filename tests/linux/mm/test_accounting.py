# SPDX-License-Identifier: GPL-2.0-or-later
"""Charges and counters: what is added can be taken off, and a refusal adds nothing."""

from vmalab.linux.include.config import OVERCOMMIT_NEVER
from vmalab.linux.include.mm_flags import (
    VM_DATA_DEFAULT_FLAGS,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_MAY_FLAGS,
    VM_READ,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.accounting import (
    security_vm_enough_memory_mm,
    vm_stat_account,
    vm_unacct_memory,
)
from vmalab.linux.types.mm_types import Mm


def test_charges_are_returned(machine: LinuxMachine, mm: Mm) -> None:
    assert security_vm_enough_memory_mm(mm, 5) == 0
    assert machine.kernel.committed_as == 5
    vm_unacct_memory(mm.kernel, 5)
    assert machine.kernel.committed_as == 0


def test_a_refusal_charges_nothing(machine: LinuxMachine, mm: Mm) -> None:
    config = machine.config
    config.overcommit_memory = OVERCOMMIT_NEVER
    config.commit_limit = config.user_reserve_pages = config.admin_reserve_pages = 0
    assert security_vm_enough_memory_mm(mm, 5) == -12
    assert machine.kernel.committed_as == 0


def test_counting_pages_back_is_the_inverse(mm: Mm) -> None:
    for flags, counted in (
        (VM_DATA_DEFAULT_FLAGS, (7, 7, 0, 0)),
        (VM_READ | VM_MAY_FLAGS, (7, 0, 0, 0)),
        (VM_DATA_DEFAULT_FLAGS | VM_GROWSDOWN, (7, 0, 0, 7)),
        (VM_READ | VM_EXEC, (7, 0, 7, 0)),
    ):
        vm_stat_account(mm, flags, 7)
        assert (mm.total_vm, mm.data_vm, mm.exec_vm, mm.stack_vm) == counted
        vm_stat_account(mm, flags, -7)
        assert (mm.total_vm, mm.data_vm, mm.exec_vm, mm.stack_vm) == (0, 0, 0, 0)
