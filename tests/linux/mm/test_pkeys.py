# SPDX-License-Identifier: GPL-2.0-or-later
"""Protection keys: what they forbid the kernel to write for the program.

Each test is the smallest case found of what real kernels answered.
"""

from collections.abc import Callable

from vmalab.linux.include.uapi.errno import EFAULT
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
