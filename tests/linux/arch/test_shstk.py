# SPDX-License-Identifier: GPL-2.0-or-later
"""Shadow stacks: refusals as kernels without a processor for them answered, and the mappings."""

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.features import Features
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import (
    EEXIST,
    EINVAL,
    ENOSPC,
    ENOSYS,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
    ERANGE,
)
from vmalab.linux.include.uapi.prctl import (
    ARCH_SHSTK_DISABLE,
    ARCH_SHSTK_ENABLE,
    ARCH_SHSTK_LOCK,
    ARCH_SHSTK_SHSTK,
    ARCH_SHSTK_STATUS,
    ARCH_SHSTK_UNLOCK,
    ARCH_SHSTK_WRSS,
)
from vmalab.linux.include.uapi.resource import RLIMIT_STACK
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

MINUS_1 = 2**64 - 1
PAGE, HIGH = 4096, 1 << 33
TOKEN = 1
BOTH = ARCH_SHSTK_SHSTK | ARCH_SHSTK_WRSS


def prctl(task: Task, option: int, arg: int) -> int:
    return do_syscall(task, "arch_prctl", option, arg)


def map_stack(task: Task, addr: int, size: int, flags: int = 0) -> int:
    return do_syscall(task, "map_shadow_stack", addr, size, flags)


def test_a_kernel_without_them(machine: LinuxMachine, task: Task) -> None:
    assert map_stack(task, 0, PAGE) == -ENOSYS
    assert prctl(task, ARCH_SHSTK_ENABLE, 1) == -EINVAL
    assert prctl(task, ARCH_SHSTK_LOCK, 0) == -EINVAL
    machine.config.user_shadow_stack = True
    machine.config.features = Features((6, 1))
    assert map_stack(task, 0, PAGE) == -ENOSYS
    assert prctl(task, ARCH_SHSTK_LOCK, 0) == -EINVAL


@pytest.mark.parametrize(
    ("option", "arg", "result"),
    [
        (ARCH_SHSTK_ENABLE, 0, -EINVAL),
        (ARCH_SHSTK_ENABLE, ARCH_SHSTK_SHSTK, -EOPNOTSUPP),
        (ARCH_SHSTK_ENABLE, ARCH_SHSTK_WRSS, -EOPNOTSUPP),
        (ARCH_SHSTK_ENABLE, BOTH, -EINVAL),
        (ARCH_SHSTK_ENABLE, 4, -EINVAL),
        (ARCH_SHSTK_DISABLE, ARCH_SHSTK_SHSTK, -EOPNOTSUPP),
        (ARCH_SHSTK_DISABLE, ARCH_SHSTK_WRSS, -EOPNOTSUPP),
        (ARCH_SHSTK_UNLOCK, ARCH_SHSTK_SHSTK, -EOPNOTSUPP),
        (ARCH_SHSTK_UNLOCK, 0, -EINVAL),
        (ARCH_SHSTK_STATUS, 1 << 63, 0),
        (ARCH_SHSTK_STATUS, 8, -14),
    ],
)
def test_a_processor_without_them(
    machine: LinuxMachine, task: Task, option: int, arg: int, result: int
) -> None:
    machine.config.user_shadow_stack = True
    assert prctl(task, option, arg) == result
    assert map_stack(task, 0, PAGE, 2) == -EOPNOTSUPP
    assert prctl(task, ARCH_SHSTK_LOCK, ARCH_SHSTK_SHSTK) == 0
    assert prctl(task, ARCH_SHSTK_ENABLE, ARCH_SHSTK_SHSTK) == -EPERM
    assert prctl(task, ARCH_SHSTK_ENABLE, BOTH) == -EPERM


@pytest.fixture
def able(machine: LinuxMachine, task: Task) -> Task:
    """A process on a processor that has shadow stacks."""
    machine.config.user_shadow_stack = machine.config.cpu_shadow_stack = True
    return task


@pytest.mark.parametrize(
    ("addr", "size", "flags", "result"),
    [
        (0, PAGE, 2, -EINVAL),
        (0, 4, TOKEN, -ENOSPC),
        (PAGE, PAGE, 0, -ERANGE),
        (0, MINUS_1, 0, -EOVERFLOW),
        (0, 0, 0, -EINVAL),
        (0, 12, TOKEN, -EINVAL),
        (HIGH, PAGE, TOKEN, HIGH),
    ],
)
def test_mapping_one(able: Task, mm: Mm, addr: int, size: int, flags: int, result: int) -> None:
    assert map_stack(able, addr, size, flags) == result
    assert len(mm_vmas(mm)) == (result > 0)
    if result > 0:
        assert map_stack(able, addr, size, flags) == -EEXIST
        vma = mm_vmas(mm)[0]
        assert {"rd", "wr", "ss"} <= set(vm_flag_letters(vma.vm_flags, True))
        assert vma.anon_vma is not None


def test_turning_it_on_and_off(able: Task, mm: Mm) -> None:
    able.signal.rlim_cur[RLIMIT_STACK] = 5 * PAGE
    assert prctl(able, ARCH_SHSTK_ENABLE, ARCH_SHSTK_WRSS) == -EPERM
    assert prctl(able, ARCH_SHSTK_DISABLE, ARCH_SHSTK_SHSTK) == 0
    assert prctl(able, ARCH_SHSTK_ENABLE, ARCH_SHSTK_SHSTK) == 0
    assert prctl(able, ARCH_SHSTK_ENABLE, ARCH_SHSTK_SHSTK) == 0
    (stack,) = mm_vmas(mm)
    assert stack.vm_end - stack.vm_start == 5 * PAGE
    assert prctl(able, ARCH_SHSTK_ENABLE, ARCH_SHSTK_WRSS) == 0
    assert prctl(able, ARCH_SHSTK_DISABLE, ARCH_SHSTK_SHSTK) == 0
    assert mm_vmas(mm) == []
