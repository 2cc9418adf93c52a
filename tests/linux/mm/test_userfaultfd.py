# SPDX-License-Identifier: GPL-2.0-or-later
"""userfaultfd: which mappings can be registered.

Each test is the smallest case found of what real kernels answered.
"""

from collections.abc import Callable

from vmalab.linux.include.uapi.errno import EINVAL
from vmalab.linux.include.uapi.userfaultfd import (
    UFFDIO_UNREGISTER,
)
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

HOLE = 0x60000000
PAGE = 4096


def test_a_system_v_segment_has_no_userfaultfd(
    task: Task, register: Callable[[int, int], int], uffd: int
) -> None:
    """Its VMA has operations of its own, not shmem's."""
    segment = do_syscall(task, "shmget", 0, PAGE, 0o1600)
    assert do_syscall(task, "shmat", segment, HOLE, 0) == HOLE
    assert register(HOLE, PAGE) == -EINVAL
    range_ = {"start": HOLE, "len": PAGE}
    assert do_syscall(task, "ioctl", uffd, UFFDIO_UNREGISTER, 1 << 63, mem={2: range_}) == -EINVAL
