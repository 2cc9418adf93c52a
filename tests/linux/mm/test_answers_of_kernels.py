# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers that checks against real kernels have shown, each as the smallest case found."""

import pytest

from vmalab.linux.fs.file import I_CHR
from vmalab.linux.fs.open import anon_file, file_open
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.uapi.errno import EFAULT, EIO, ENODEV, ENOMEM, EPERM
from vmalab.linux.include.uapi.mempolicy import MPOL_LOCAL
from vmalab.linux.kernel.machine import Machine
from vmalab.linux.kernel.sys import do_syscall
from vmalab.linux.kernel.task import Task

MINUS_1 = 2**64 - 1
HOLE = 0x60000000


@pytest.mark.parametrize(
    ("addr", "result"),
    [(MINUS_1, -1), (MINUS_1 - 4094, -4095), (MINUS_1 - 4095, -ENOMEM)],
    ids=["-1", "-4095", "-4096"],
)
@pytest.mark.parametrize("flags", [0x32, 0x100022], ids=["fixed", "noreplace"])
def test_a_fixed_address_that_looks_like_an_errno_is_one(
    task: Task, addr: int, result: int, flags: int
) -> None:
    """So did Linux 6.18 answer when asked."""
    assert do_syscall(task, "mmap", addr, 4096, 3, flags, MINUS_1, 0) == result


@pytest.mark.parametrize(("version", "result"), [((6, 12), -ENODEV), ((6, 18), -EPERM)])
def test_an_executable_mapping_of_an_eventfd(
    machine: Machine, task: Task, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    fd = 9
    task.files.install_at(fd, anon_file(machine, "anon_inode:[eventfd]"))
    assert do_syscall(task, "mmap", 0, 4096, 1, 2, fd, 0) == -ENODEV
    assert do_syscall(task, "mmap", 0, 4096, 5, 2, fd, 0) == result


@pytest.mark.parametrize(("version", "aligned"), [((6, 12), False), ((6, 18), True)])
def test_the_place_of_a_private_mapping_of_zeros(
    machine: Machine, task: Task, version: Version, aligned: bool
) -> None:
    machine.config.features = Features(version)
    do_syscall(task, "mmap", 0, 4096, 3, 0x22, MINUS_1, 0)
    machine.add_inode("/dev/zero", I_CHR, "00:06", 5, -1)
    fd = 9
    task.files.install_at(fd, file_open(machine, "/dev/zero", 2))
    place = do_syscall(task, "mmap", 0, 2 << 20, 3, 2, fd, 0)
    assert (place & ((2 << 20) - 1) == 0) == aligned


@pytest.mark.parametrize(("version", "result"), [((6, 1), -EIO), ((6, 12), -EFAULT)])
def test_misplaced_pages_before_a_hole(
    machine: Machine, task: Task, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    do_syscall(task, "mmap", HOLE, 4096, 3, 0x8032, MINUS_1, 0)
    strict = 1
    assert do_syscall(task, "mbind", HOLE, 8192, MPOL_LOCAL, 0, 0, strict) == result
