# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a page's protection while it is not registered for it: as Linux 6.1 to 7.2.

Each case is the smallest of those that a check of a real kernel has found.
"""

import pytest

from vmalab.linux.include.features import Features
from vmalab.linux.include.uapi.errno import EFAULT
from vmalab.linux.include.uapi.mman import (
    MADV_DONTNEED,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
)
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_API,
    UFFD_FEATURE_SIGBUS,
    UFFDIO_API,
    UFFDIO_REGISTER,
    UFFDIO_REGISTER_MODE_MINOR,
    UFFDIO_REGISTER_MODE_MISSING,
    UFFDIO_REGISTER_MODE_WP,
    UFFDIO_WRITEPROTECT,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

POINTER = 1 << 63
PAGE = 4096
PLACE = 0x50000000
SHARED, PRIVATE = 0x11, 0x12
WP, MINOR = UFFDIO_REGISTER_MODE_WP, UFFDIO_REGISTER_MODE_MINOR
MISSING = UFFDIO_REGISTER_MODE_MISSING
RO, RW = 1, 3


class Monitored:
    """Two pages of a memfd, and a userfaultfd whose faults are signals."""

    def __init__(self, machine: LinuxMachine, task: Task, flags: int, prot: int = RW) -> None:
        machine.config.features = Features((6, 18))
        self.task = task
        self.uffd = do_syscall(task, "userfaultfd", 0)
        api = {"api": UFFD_API, "features": UFFD_FEATURE_SIGBUS}
        assert do_syscall(task, "ioctl", self.uffd, UFFDIO_API, POINTER, mem={2: api}) == 0
        memfd = do_syscall(task, "memfd_create", POINTER, 0, mem={0: "x"})
        assert do_syscall(task, "ftruncate", memfd, 2 * PAGE) == 0
        assert do_syscall(task, "mmap", PLACE, 2 * PAGE, prot, flags, memfd, 0) == PLACE

    def register(self, mode: int, page: int = 0, pages: int = 1) -> None:
        struct = {"range": {"start": PLACE + page * PAGE, "len": pages * PAGE}, "mode": mode}
        assert self.ioctl(UFFDIO_REGISTER, struct) == 0

    def writeprotect(self, page: int = 0) -> None:
        struct = {"range": {"start": PLACE + page * PAGE, "len": PAGE}, "mode": 1}
        assert self.ioctl(UFFDIO_WRITEPROTECT, struct) == 0

    def ioctl(self, request: int, struct: dict[str, object]) -> int:
        return do_syscall(self.task, "ioctl", self.uffd, request, POINTER, mem={2: struct})

    def advise(self, advice: int, page: int = 0, pages: int = 1) -> int:
        return do_syscall(self.task, "madvise", PLACE + page * PAGE, pages * PAGE, advice)

    def write(self, page: int = 0, pages: int = 1) -> int:
        return self.advise(MADV_POPULATE_WRITE, page, pages)

    def protect(self, prot: int) -> None:
        assert do_syscall(self.task, "mprotect", PLACE, PAGE, prot) == 0


@pytest.fixture
def shared(machine: LinuxMachine, task: Task) -> Monitored:
    return Monitored(machine, task, SHARED)


@pytest.fixture
def private(machine: LinuxMachine, task: Task) -> Monitored:
    return Monitored(machine, task, PRIVATE)


def test_a_page_that_is_writable_again_leaves_a_marker_behind(shared: Monitored) -> None:
    shared.write()
    shared.register(WP)
    shared.writeprotect()
    shared.register(MINOR)
    assert shared.write() == 0
    shared.register(WP)
    assert shared.write() == 0
    assert shared.advise(MADV_DONTNEED) == 0
    assert shared.write() == -EFAULT


def test_a_marker_goes_with_the_first_fault_even_one_that_fails(shared: Monitored) -> None:
    shared.register(WP)
    shared.writeprotect()
    shared.register(MINOR | MISSING)
    assert shared.advise(MADV_POPULATE_READ) == -EFAULT
    shared.register(WP)
    assert shared.write() == 0


def test_a_marker_stays_where_no_fault_came(shared: Monitored) -> None:
    shared.register(MISSING | WP, 1)
    shared.writeprotect(1)
    shared.register(MISSING | MINOR, 0, 2)
    assert shared.write(0, 2) == -EFAULT
    shared.register(WP, 1)
    assert shared.write(1) == -EFAULT


def test_a_fork_takes_the_write_access_back(
    machine: LinuxMachine, task: Task, private: Monitored
) -> None:
    private.write()
    private.register(WP)
    private.writeprotect()
    private.register(MINOR)
    assert private.write() == 0
    private.register(WP)
    assert private.write() == 0
    machine.exit_task(machine.tasks[do_syscall(task, "fork")])
    assert private.write() == -EFAULT


@pytest.mark.parametrize("flags", [SHARED, PRIVATE], ids=["shared", "private"])
def test_mprotect_makes_pages_writable_where_nobody_protects_them(
    machine: LinuxMachine, task: Task, flags: int
) -> None:
    pages = Monitored(machine, task, flags)
    pages.write()
    pages.register(WP)
    pages.writeprotect()
    pages.register(MINOR)
    pages.protect(RO)
    pages.protect(RW)
    pages.register(WP)
    assert pages.write() == 0
    pages.protect(RO)
    pages.protect(RW)
    assert pages.write() == -EFAULT


def test_a_private_page_of_the_file_is_not_made_writable(private: Monitored) -> None:
    assert private.advise(MADV_POPULATE_READ) == 0
    private.register(WP)
    private.writeprotect()
    private.register(MINOR)
    private.protect(RO)
    private.protect(RW)
    private.register(WP)
    assert private.write() == -EFAULT
