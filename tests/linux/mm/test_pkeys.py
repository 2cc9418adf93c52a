# SPDX-License-Identifier: GPL-2.0-or-later
"""Protection keys: what they forbid the kernel to write for the program.

Each test is the smallest case found of what real kernels answered.
"""

from collections.abc import Callable

import pytest

from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOSPC
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

HOLE = 0x60000000
PAGE = 4096


def test_the_kernel_writes_to_no_page_whose_key_forbids_it(
    machine: LinuxMachine, task: Task, map_pages: Callable[..., None]
) -> None:
    machine.config.pkeys = True
    map_pages(HOLE)
    key = do_syscall(task, "pkey_alloc", 0, 1)
    assert do_syscall(task, "pkey_mprotect", HOLE, PAGE, 3, key) == 0
    assert do_syscall(task, "prlimit64", 0, 9, 0, HOLE) == -EFAULT
    machine.knows_pkru = False
    assert do_syscall(task, "pkey_free", key) == 0
    assert do_syscall(task, "pkey_alloc", 0, 1) == key
    assert do_syscall(task, "prlimit64", 0, 9, 0, HOLE) == 0


@pytest.mark.parametrize(
    ("version", "first"),
    [
        ((6, 1), ENOSPC),
        ((6, 12), ENOSPC),
        ((6, 16), EINVAL),
        ((6, 18), EINVAL),
        ((7, 1), EINVAL),
        ((7, 2), ENOSPC),
        ((7, 3), ENOSPC),
    ],
    ids=str,
)
def test_a_processor_without_keys(
    machine: LinuxMachine, task: Task, version: Version, first: int
) -> None:
    machine.config.features = Features(version)
    machine.config.pkeys = False
    assert do_syscall(task, "pkey_alloc", 0, 0) == -first
    assert do_syscall(task, "pkey_alloc", 0, 0) == -ENOSPC
    assert do_syscall(task, "pkey_free", 0) == -EINVAL
    assert do_syscall(task, "pkey_alloc", 0, 0) == -ENOSPC
