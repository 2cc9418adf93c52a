# SPDX-License-Identifier: GPL-2.0-or-later
"""mbind: which error a range has where pages are misplaced and others are missing.

Each test is the smallest case found of what real kernels answered.
"""

from vmalab.linux.include.uapi.errno import EFAULT, EIO
from vmalab.linux.include.uapi.mempolicy import MPOL_LOCAL
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

MINUS_1 = 2**64 - 1
HOLE = 0x60000000
PAGE = 4096
FIXED_ANON = 0x32


def test_misplaced_pages_before_a_hole(task: Task) -> None:
    """A hole is seen when the VMA before it is looked at."""
    do_syscall(task, "mmap", HOLE, 4096, 3, 0x8032, MINUS_1, 0)
    strict = 1
    assert do_syscall(task, "mbind", HOLE, 8192, MPOL_LOCAL, 0, 0, strict) == -EFAULT
    do_syscall(task, "mmap", HOLE + PAGE, 4096, 1, FIXED_ANON, MINUS_1, 0)
    assert do_syscall(task, "mbind", HOLE, 3 * PAGE, MPOL_LOCAL, 0, 0, strict) == -EIO
