# SPDX-License-Identifier: GPL-2.0-or-later
"""What a userfaultfd's monitor does to pages, and what it is refused."""

import pytest

from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import (
    EAGAIN,
    EBADF,
    EBUSY,
    EEXIST,
    EFAULT,
    EINVAL,
    ENOENT,
    ENOTTY,
)
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_API,
    UFFDIO_API,
    UFFDIO_COPY,
    UFFDIO_MOVE,
    UFFDIO_POISON,
    UFFDIO_REGISTER,
    UFFDIO_RWPROTECT,
    UFFDIO_SET_MODE,
    UFFDIO_UNREGISTER,
    UFFDIO_WAKE,
    UFFDIO_WRITEPROTECT,
    UFFDIO_ZEROPAGE,
    USERFAULTFD_IOC_NEW,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.page_tables import PTE_ANON, PTE_ZERO
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

MINUS_1 = 2**64 - 1
BASE, SOURCE = 0x50000000, 0x60000000
MISSING, WP = 1, 2


def ioctl(task: Task, fd: int, request: int, arg: object) -> int:
    return do_syscall(task, "ioctl", fd, request, (1 << 63) + 2, mem={2: arg})


def bounds(start: int, length: int) -> dict[str, int]:
    return {"start": start, "len": length}


@pytest.fixture
def fd(task: Task) -> int:
    """A userfaultfd that has four pages at BASE; one page to copy from is at SOURCE."""
    do_syscall(task, "mmap", BASE, 16384, 3, 0x32, MINUS_1, 0)
    do_syscall(task, "mmap", SOURCE, 4096, 3, 0x32, MINUS_1, 0)
    fd = do_syscall(task, "userfaultfd", 0)
    assert ioctl(task, fd, UFFDIO_API, {"api": UFFD_API, "features": 0}) == 0
    assert ioctl(task, fd, UFFDIO_REGISTER, {"range": bounds(BASE, 16384), "mode": MISSING}) == 0
    return fd


def copy(
    task: Task, fd: int, dst: int = BASE, src: int = SOURCE, length: int = 4096, mode: int = 0
) -> int:
    arg = {"dst": dst, "src": src, "len": length, "mode": mode, "copy": 0}
    return ioctl(task, fd, UFFDIO_COPY, arg)


def zero(task: Task, fd: int, start: int, length: int, mode: int = 0) -> int:
    return ioctl(task, fd, UFFDIO_ZEROPAGE, {"range": bounds(start, length), "mode": mode})


def test_copying(task: Task, mm: Mm, fd: int) -> None:
    vma = find_vma(mm, BASE)
    assert vma is not None
    assert copy(task, fd) == 0
    assert vma.anon_vma is not None
    assert mm.page_tables.ranges(BASE, BASE + 16384) == [(BASE, BASE + 4096, PTE_ANON)]
    assert copy(task, fd) == -EEXIST


@pytest.mark.parametrize(
    ("dst", "src", "length", "mode", "result"),
    [
        (BASE + 1, SOURCE, 4096, 0, -EINVAL),
        (BASE, SOURCE, 0, 0, -EINVAL),
        (BASE, MINUS_1, 4096, 0, -EINVAL),
        (BASE, SOURCE, 4096, 4, -EINVAL),
        (BASE, SOURCE, 4096, 2, -EINVAL),
        (BASE, SOURCE + 8192, 4096, 0, -EFAULT),
        (BASE + 12288, SOURCE, 8192, 0, -ENOENT),
        (SOURCE, BASE, 4096, 0, -ENOENT),
        (BASE + 0x10000, SOURCE, 4096, 0, -ENOENT),
    ],
)
def test_copying_refused(
    task: Task, fd: int, dst: int, src: int, length: int, mode: int, result: int
) -> None:
    assert copy(task, fd, dst, src, length, mode) == result


def test_zero_pages_up_to_one_that_is_there(task: Task, mm: Mm, fd: int) -> None:
    assert copy(task, fd, BASE + 8192) == 0
    assert zero(task, fd, BASE, 16384) == -EAGAIN
    assert mm.page_tables.ranges(BASE, BASE + 8192) == [(BASE, BASE + 8192, PTE_ZERO)]
    assert zero(task, fd, BASE, 4096) == -EEXIST
    assert zero(task, fd, BASE + 12288, 4096, 2) == -EINVAL
    assert zero(task, fd, BASE + 12288, 4096) == 0


def test_waking(task: Task, fd: int) -> None:
    assert ioctl(task, fd, UFFDIO_WAKE, bounds(BASE, 4096)) == 0
    assert ioctl(task, fd, UFFDIO_WAKE, bounds(BASE, 0)) == -EINVAL
    assert ioctl(task, fd, UFFDIO_WAKE, None) == -EFAULT


def test_protecting_from_writes(task: Task, fd: int) -> None:
    arg: dict[str, object] = {"range": bounds(BASE, 8192), "mode": 1}
    assert ioctl(task, fd, UFFDIO_WRITEPROTECT, arg) == -ENOENT
    register: dict[str, object] = {"range": bounds(BASE, 8192), "mode": MISSING | WP}
    assert ioctl(task, fd, UFFDIO_REGISTER, register) == 0
    assert ioctl(task, fd, UFFDIO_WRITEPROTECT, arg) == 0
    assert ioctl(task, fd, UFFDIO_WRITEPROTECT, {**arg, "mode": 3}) == -EINVAL
    assert ioctl(task, fd, UFFDIO_WRITEPROTECT, {**arg, "mode": 4}) == -EINVAL
    assert ioctl(task, fd, UFFDIO_WRITEPROTECT, {**arg, "range": bounds(1, 1)}) == -EINVAL
    whole: dict[str, object] = {"range": bounds(BASE, 16384), "mode": 1}
    assert ioctl(task, fd, UFFDIO_WRITEPROTECT, whole) == -ENOENT
    hole: dict[str, object] = {"range": bounds(0x70000000, 4096), "mode": 1}
    assert ioctl(task, fd, UFFDIO_WRITEPROTECT, hole) == -ENOENT


def test_requests_that_there_are_not(task: Task, fd: int) -> None:
    arg = {"range": bounds(BASE, 4096), "mode": 0}
    assert ioctl(task, fd, UFFDIO_RWPROTECT, arg) == -EINVAL
    assert ioctl(task, 99, UFFDIO_COPY, arg) == -EBADF
    pipe = do_syscall(task, "memfd_create", 1, 0, mem={0: "x"})
    assert ioctl(task, pipe, UFFDIO_COPY, arg) == -ENOTTY


def test_the_device_makes_one_too(task: Task) -> None:
    device = do_syscall(task, "open", 1, 2, mem={0: "/dev/userfaultfd"})
    assert do_syscall(task, "ioctl", device, USERFAULTFD_IOC_NEW, 4) == -EINVAL
    fd = do_syscall(task, "ioctl", device, USERFAULTFD_IOC_NEW, 0o2000000)
    assert fd > device
    assert ioctl(task, fd, UFFDIO_COPY, {}) == -EINVAL


def test_huge_pages_are_registered_whole(task: Task, fd: int) -> None:
    place = do_syscall(task, "mmap", 0, 2 << 21, 3, 0x44022, MINUS_1, 0)
    for start, length in ((place + 4096, 1 << 21), (place, 4096)):
        arg: dict[str, object] = {"range": bounds(start, length), "mode": MISSING}
        assert ioctl(task, fd, UFFDIO_REGISTER, arg) == -EINVAL
    whole: dict[str, object] = {"range": bounds(place, 1 << 21), "mode": MISSING}
    assert ioctl(task, fd, UFFDIO_REGISTER, whole) == 0
    assert copy(task, fd, place, SOURCE, 4096) == -EINVAL
    assert copy(task, fd, place, SOURCE, 1 << 21) == -EEXIST
    assert zero(task, fd, place, 1 << 21) == -EINVAL


# What kernels differ in.


@pytest.mark.parametrize(
    ("version", "features"),
    [((6, 1), 13), ((6, 12), 17), ((6, 18), 17), ((7, 2), 17), ((7, 3), 19)],
    ids=str,
)
def test_features_by_version(
    machine: LinuxMachine, task: Task, version: Version, features: int
) -> None:
    machine.config.features = Features(version)
    known = 0
    for bit in range(20):
        fd = do_syscall(task, "userfaultfd", 0)
        # The asynchronous kind of RWP needs RWP.
        asked = 1 << bit | (1 << 17 if bit == 18 else 0)
        result = ioctl(task, fd, UFFDIO_API, {"api": UFFD_API, "features": asked})
        assert result in (0, -EINVAL)
        known += result == 0
    assert known == features
    fd = do_syscall(task, "userfaultfd", 0)
    assert ioctl(task, fd, UFFDIO_API, {"api": UFFD_API, "features": 1 << 18}) == -EINVAL


@pytest.mark.parametrize(
    ("request_", "version", "result"),
    [
        (UFFDIO_MOVE, (6, 1), -EINVAL),
        (UFFDIO_MOVE, (6, 12), -EINVAL),
        (UFFDIO_POISON, (6, 1), -EINVAL),
        (UFFDIO_POISON, (6, 12), 0),
        (UFFDIO_RWPROTECT, (7, 2), -EINVAL),
        (UFFDIO_RWPROTECT, (7, 3), -ENOENT),
        (UFFDIO_SET_MODE, (7, 2), -EINVAL),
        (UFFDIO_SET_MODE, (7, 3), 0),
    ],
)
def test_requests_by_version(
    machine: LinuxMachine, task: Task, fd: int, request_: int, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    assert ioctl(task, fd, request_, {"range": bounds(BASE, 4096), "mode": 0}) == result


@pytest.mark.parametrize(
    ("version", "result"), [((6, 1), -ENOENT), ((6, 12), 0), ((7, 3), 0)], ids=str
)
def test_protecting_several_vmas(
    machine: LinuxMachine, task: Task, fd: int, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    register: dict[str, object] = {"range": bounds(BASE, 16384), "mode": MISSING | WP}
    assert ioctl(task, fd, UFFDIO_REGISTER, register) == 0
    assert do_syscall(task, "madvise", BASE + 8192, 4096, 10) == 0
    whole: dict[str, object] = {"range": bounds(BASE, 16384), "mode": 1}
    assert ioctl(task, fd, UFFDIO_WRITEPROTECT, whole) == result
    one: dict[str, object] = {"range": bounds(BASE, 8192), "mode": 1}
    assert ioctl(task, fd, UFFDIO_WRITEPROTECT, one) == 0


@pytest.mark.parametrize(
    ("version", "src", "result"),
    [
        ((6, 1), 0x7FFFFFFFF000, -EFAULT),
        ((6, 1), 1 << 63, -EFAULT),
        ((6, 1), MINUS_1 - 4095, -EINVAL),
        ((6, 12), 0x7FFFFFFFF000, -EINVAL),
        ((6, 12), 8, -EFAULT),
        ((6, 18), 8, -EFAULT),
        ((6, 19), 8, -EINVAL),
        ((7, 0), 8, -EFAULT),
        ((7, 3), 1 << 63, -EINVAL),
    ],
    ids=str,
)
def test_what_cannot_be_copied_from(
    machine: LinuxMachine, task: Task, fd: int, version: Version, src: int, result: int
) -> None:
    machine.config.features = Features(version)
    assert copy(task, fd, src=src) == result


@pytest.mark.parametrize(
    ("version", "result"),
    [((6, 12), 0), ((6, 18), 0), ((6, 19), -EINVAL), ((7, 0), 0), ((7, 3), 0)],
    ids=str,
)
def test_the_lowest_address(
    machine: LinuxMachine, task: Task, fd: int, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    assert ioctl(task, fd, UFFDIO_WAKE, bounds(0x4000, 4096)) == result


@pytest.mark.parametrize(("version", "result"), [((6, 12), 0), ((6, 18), -EINVAL)])
def test_unregistering_what_is_anothers(
    machine: LinuxMachine, task: Task, fd: int, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    other = do_syscall(task, "userfaultfd", 0)
    assert ioctl(task, other, UFFDIO_API, {"api": UFFD_API, "features": 0}) == 0
    assert ioctl(task, other, UFFDIO_UNREGISTER, bounds(BASE, 4096)) == result


RWP = 8


def rwp_uffd(task: Task, features: int) -> int:
    """A userfaultfd that asked for features, of a kernel that has RWP."""
    task.machine.config.features = Features((7, 3))
    fd = do_syscall(task, "userfaultfd", 0)
    assert ioctl(task, fd, UFFDIO_API, {"api": UFFD_API, "features": features}) == 0
    return fd


def register(task: Task, fd: int, start: int, length: int, mode: int) -> int:
    arg: dict[str, object] = {"range": bounds(start, length), "mode": mode}
    return ioctl(task, fd, UFFDIO_REGISTER, arg)


def test_protecting_from_reads_must_be_asked_for(task: Task) -> None:
    do_syscall(task, "mmap", BASE, 8192, 3, 0x32, MINUS_1, 0)
    assert register(task, rwp_uffd(task, 0), BASE, 4096, RWP) == -EINVAL
    fd = rwp_uffd(task, 1 << 17)
    assert register(task, fd, BASE, 4096, RWP | WP) == -EINVAL
    assert register(task, fd, BASE, 4096, RWP) == 0
    task.machine.config.features = Features((7, 2))
    assert register(task, fd, BASE, 4096, RWP) == -EINVAL


def test_protecting_from_reads(task: Task, mm: Mm) -> None:
    do_syscall(task, "mmap", BASE, 16384, 3, 0x32, MINUS_1, 0)
    do_syscall(task, "mmap", SOURCE, 4096, 0, 0x32, MINUS_1, 0)
    fd = rwp_uffd(task, 1 << 17)
    assert register(task, fd, BASE, 8192, RWP) == 0
    vma = find_vma(mm, BASE)
    assert vma is not None
    assert vm_flag_letters(vma.vm_flags)[-1] == "ur"
    assert register(task, fd, BASE, 8192, RWP | MISSING) == 0
    assert register(task, fd, BASE, 8192, MISSING) == -EBUSY
    assert register(task, fd, BASE, 8192, WP) == -EBUSY
    assert register(task, fd, BASE + 8192, 8192, WP) == 0
    assert register(task, fd, BASE + 8192, 8192, RWP) == -EBUSY
    assert register(task, fd, SOURCE, 4096, RWP) == -EINVAL
    assert register(task, fd, SOURCE, 4096, MISSING) == 0
