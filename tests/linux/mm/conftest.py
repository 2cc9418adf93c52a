# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of several calls share: memory at a fixed place, a userfaultfd of the process."""

from collections.abc import Callable

import pytest

from vmalab.linux.include.uapi.userfaultfd import UFFD_API, UFFDIO_API, UFFDIO_REGISTER
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

PAGE = 4096
MISSING = 1


@pytest.fixture
def map_pages(task: Task) -> Callable[..., None]:
    """Map anonymous memory of `task`, private and writable unless flags say otherwise."""

    def map_pages(addr: int, pages: int = 1, flags: int = 0x32) -> None:
        assert do_syscall(task, "mmap", addr, pages * PAGE, 3, flags, 2**64 - 1, 0) == addr

    return map_pages


@pytest.fixture
def uffd(task: Task) -> int:
    """A userfaultfd of `task` that does not hear of moves."""
    fd = do_syscall(task, "userfaultfd", 1)
    api = {"api": UFFD_API, "features": 0}
    assert do_syscall(task, "ioctl", fd, UFFDIO_API, 1 << 63, mem={2: api}) == 0
    return fd


@pytest.fixture
def register(task: Task, uffd: int) -> Callable[[int, int], int]:
    """Return the answer to registering a range for missing pages."""

    def register(start: int, length: int) -> int:
        range_ = {"range": {"start": start, "len": length}, "mode": MISSING}
        return do_syscall(task, "ioctl", uffd, UFFDIO_REGISTER, 1 << 63, mem={2: range_})

    return register
