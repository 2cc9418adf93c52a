# SPDX-License-Identifier: GPL-2.0-or-later
"""arch_prctl, and what personality does to mappings and to programs that start."""

import pytest

from vmalab.linux.fs.exec import SpecialMappingOps, begin_new_exec, restore_vma
from vmalab.linux.include.proc_maps import vma_perms
from vmalab.linux.include.uapi.errno import EEXIST, EFAULT, EINVAL, ENODEV, ENOSYS, EPERM
from vmalab.linux.include.uapi.personality import (
    ADDR_COMPAT_LAYOUT,
    ADDR_NO_RANDOMIZE,
    READ_IMPLIES_EXEC,
)
from vmalab.linux.include.uapi.prctl import (
    ARCH_GET_CPUID,
    ARCH_GET_FS,
    ARCH_GET_UNTAG_MASK,
    ARCH_GET_XCOMP_SUPP,
    ARCH_MAP_VDSO_64,
    ARCH_MAP_VDSO_X32,
    ARCH_REQ_XCOMP_PERM,
    ARCH_SET_CPUID,
    ARCH_SET_FS,
    ARCH_SET_GS,
    ARCH_SHSTK_ENABLE,
)
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ...noted_calls import do_syscall

MINUS_1 = 2**64 - 1
BASE = 0x50000000
UNKNOWN = (1 << 63) + 1


@pytest.mark.parametrize(
    ("option", "arg", "result"),
    [
        (ARCH_SET_FS, 0x7FFFFFFFEFFF, 0),
        (ARCH_SET_FS, 0x7FFFFFFFF000, -EPERM),
        (ARCH_SET_GS, MINUS_1, -EPERM),
        (ARCH_GET_FS, UNKNOWN, 0),
        (ARCH_GET_FS, 8, -EFAULT),
        (ARCH_GET_XCOMP_SUPP, 8, -EFAULT),
        (ARCH_GET_CPUID, 8, 1),
        (ARCH_SET_CPUID, 0, -ENODEV),
        (ARCH_MAP_VDSO_X32, 0, -EINVAL),
        (ARCH_MAP_VDSO_64, 0, 8192),
        (ARCH_REQ_XCOMP_PERM, 18, -ENOSYS),
        (ARCH_GET_UNTAG_MASK, UNKNOWN, -EINVAL),
        (ARCH_SHSTK_ENABLE, 1, -EINVAL),
        (0x3001, 0, -EINVAL),
        (0, 0, -EINVAL),
    ],
)
def test_arch_prctl(task: Task, option: int, arg: int, result: int) -> None:
    assert do_syscall(task, "arch_prctl", option, arg) == result


def test_a_second_vdso(task: Task, mm: Mm) -> None:
    restore_vma(mm, BASE, BASE + 8192, 0x75, 0, None, SpecialMappingOps("[vdso]"))
    assert do_syscall(task, "arch_prctl", ARCH_MAP_VDSO_64, 0) == -EEXIST


def test_personality_answers_the_old_one(task: Task) -> None:
    assert do_syscall(task, "personality", 0xFFFFFFFF) == 0
    assert do_syscall(task, "personality", 0x123456789) == 0
    assert do_syscall(task, "personality", 0xFFFFFFFF) == 0x23456789


def test_what_can_be_read_can_be_executed(task: Task, mm: Mm) -> None:
    do_syscall(task, "personality", READ_IMPLIES_EXEC)
    for i, prot in enumerate((0, 1, 2, 3)):
        do_syscall(task, "mmap", BASE + (i << 13), 4096, prot, 0x32, MINUS_1, 0)
    shmid = do_syscall(task, "shmget", 0, 4096, 0o600)
    do_syscall(task, "shmat", shmid, BASE + (4 << 13), 0)
    do_syscall(task, "shmctl", shmid, 0, 0)
    found = []
    for i in range(5):
        vma = find_vma(mm, BASE + (i << 13))
        assert vma is not None
        found.append(vma_perms(vma.vm_flags))
    assert found == ["---p", "r-xp", "-w-p", "rwxp", "rwxs"]


def test_programs_that_start(task: Task) -> None:
    task.randomize = True
    persona = READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT
    do_syscall(task, "personality", persona)
    assert not begin_new_exec(task).topdown
    assert task.personality == ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT
    assert not task.randomize
