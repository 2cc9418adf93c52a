# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines: tasks come and go, and leave nothing behind."""

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.vma_internal import VmaInternal
from vmalab.linux.types.file import I_DIR
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.machine import FIRST_PID

from ..noted_calls import do_syscall


def test_spawn_gives_a_number_or_takes_one() -> None:
    machine = LinuxMachine(KernelConfig())
    first = machine.spawn()
    assert first.pid == first.tgid == FIRST_PID
    assert machine.spawn(5000).pid == 5000
    assert machine.spawn(4999).pid == 4999
    assert machine.spawn().pid == 5001
    assert machine.find_task(5000) is not None
    assert machine.find_task(7) is None


def test_an_expected_pid_is_used_once() -> None:
    machine = LinuxMachine(KernelConfig())
    machine.expected_pid = 77
    assert machine.take_pid() == 77
    assert machine.take_pid() != 77


def test_a_reused_pid_ends_the_task_that_had_it() -> None:
    machine = LinuxMachine(KernelConfig())
    old = machine.spawn(5)
    assert do_syscall(old, "mmap", 0, 8192, 3, 0x22, 2**64 - 1, 0) > 0
    new = machine.spawn(5)
    assert machine.find_task(5) is new
    assert old.mm is None
    machine.exit_task(new)
    assert machine.leaks() == []


def test_leaks_names_what_is_still_held() -> None:
    machine = LinuxMachine(KernelConfig())
    task = machine.spawn()
    assert do_syscall(task, "mmap", 0, 8192, 3, 0x22, 2**64 - 1, 0) > 0
    assert machine.leaks() == [
        "1 objects of vm_area_struct are in use",
        "2 pages are still charged",
    ]
    machine.exit_task(task)
    assert machine.leaks() == []


def test_machines_share_nothing_and_take_a_seam() -> None:
    config = KernelConfig()
    seam = VmaInternal(KernelState(config))
    machine, other = LinuxMachine(config, seam), LinuxMachine(config)
    assert machine.seam is seam
    assert other.seam is not seam
    machine.add_directory("/d")
    assert machine.inodes["/d"].kind == I_DIR
    assert other.inodes == {}
