# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages that a userfaultfd's monitor maps, moves, declares lost and protects, as kernels answered.

Random streams of these calls agree with seven kernels; here is one case for each rule they taught.
"""

import pytest

from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.uapi.errno import (
    EAGAIN,
    EBUSY,
    EEXIST,
    EFAULT,
    EHWPOISON,
    EINVAL,
    ENOENT,
    ENOMEM,
)
from vmalab.linux.include.uapi.mman import (
    MADV_DONTNEED,
    MADV_GUARD_INSTALL,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
)
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_API,
    UFFD_FEATURE_RWP,
    UFFD_FEATURE_RWP_ASYNC,
    UFFD_FEATURE_SIGBUS,
    UFFD_FEATURE_WP_ASYNC,
    UFFD_FEATURE_WP_UNPOPULATED,
    UFFDIO_API,
    UFFDIO_CONTINUE,
    UFFDIO_COPY,
    UFFDIO_MOVE,
    UFFDIO_POISON,
    UFFDIO_REGISTER,
    UFFDIO_RWPROTECT,
    UFFDIO_SET_MODE,
    UFFDIO_UNREGISTER,
    UFFDIO_WRITEPROTECT,
    UFFDIO_ZEROPAGE,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

MINUS_1 = 2**64 - 1
PAGE = 4096
HERE, THERE = 0x50000000, 0x60000000
PRIVATE, SHARED, SHARED_FILE = 0x32, 0x31, 0x11
MISSING, WP, MINOR, RWP = 1, 2, 4, 8
HOLES = 2


def uffd(task: Task, features: int = 0) -> int:
    """A userfaultfd whose faults end in a signal."""
    fd = do_syscall(task, "userfaultfd", 1)
    api = {"api": UFFD_API, "features": UFFD_FEATURE_SIGBUS | features}
    assert do_syscall(task, "ioctl", fd, UFFDIO_API, 1 << 63, mem={2: api}) == 0
    return fd


def on(task: Task, fd: int, request: int, start: int, pages: int = 1, mode: int = 0) -> int:
    """An ioctl of a range."""
    arg = {"range": {"start": start, "len": pages * PAGE}, "mode": mode}
    return do_syscall(task, "ioctl", fd, request, 1 << 63, mem={2: arg})


def to(task: Task, fd: int, request: int, dst: int, src: int, pages: int = 1, mode: int = 0) -> int:
    """An ioctl from one range to another."""
    arg = {"dst": dst, "src": src, "len": pages * PAGE, "mode": mode}
    return do_syscall(task, "ioctl", fd, request, 1 << 63, mem={2: arg})


def map_pages(task: Task, start: int, pages: int = 1, flags: int = PRIVATE, prot: int = 3) -> None:
    assert do_syscall(task, "mmap", start, pages * PAGE, prot, flags, MINUS_1, 0) == start


def write(task: Task, start: int, pages: int = 1) -> int:
    return do_syscall(task, "madvise", start, pages * PAGE, MADV_POPULATE_WRITE)


def read(task: Task, start: int, pages: int = 1) -> int:
    return do_syscall(task, "madvise", start, pages * PAGE, MADV_POPULATE_READ)


def ready(task: Task, pages: int, mode: int, features: int = 0, flags: int = PRIVATE) -> int:
    """A userfaultfd with some pages at HERE registered."""
    map_pages(task, HERE, pages, flags)
    fd = uffd(task, features)
    assert on(task, fd, UFFDIO_REGISTER, HERE, pages, mode) == 0
    return fd


# Pages that a file has.


def test_continuing_maps_what_the_file_has(task: Task) -> None:
    fd = ready(task, 3, MINOR, flags=SHARED)
    assert on(task, fd, UFFDIO_CONTINUE, HERE) == -EFAULT
    assert write(task, HERE) == 0
    assert on(task, fd, UFFDIO_CONTINUE, HERE) == -EEXIST
    assert do_syscall(task, "madvise", HERE, PAGE, MADV_DONTNEED) == 0
    assert read(task, HERE) == -EFAULT
    assert on(task, fd, UFFDIO_CONTINUE, HERE, 2) == -EAGAIN
    assert read(task, HERE) == 0
    map_pages(task, THERE)
    assert on(task, fd, UFFDIO_REGISTER, THERE, 1, MISSING) == 0
    assert on(task, fd, UFFDIO_CONTINUE, THERE) == -EINVAL
    assert on(task, fd, UFFDIO_CONTINUE, HERE, 1, 8) == -EINVAL


@pytest.mark.parametrize(
    ("version", "copied", "continued"),
    [((6, 1), -EFAULT, -EINVAL), ((7, 0), -EFAULT, -EINVAL), ((7, 2), -ENOMEM, -EFAULT)],
    ids=str,
)
def test_beyond_the_end_of_a_file(
    machine: LinuxMachine, task: Task, version: Version, copied: int, continued: int
) -> None:
    machine.config.features = Features(version)
    memfd = do_syscall(task, "memfd_create", 1 << 63, 0, mem={0: "x"})
    do_syscall(task, "mmap", HERE, 2 * PAGE, 3, SHARED_FILE, memfd, 0)
    map_pages(task, THERE)
    fd = uffd(task)
    assert on(task, fd, UFFDIO_REGISTER, HERE, 2, MISSING) == 0
    assert to(task, fd, UFFDIO_COPY, HERE, THERE) == copied
    assert on(task, fd, UFFDIO_CONTINUE, HERE) == continued


def test_reading_maps_what_is_cached_near_by(task: Task) -> None:
    fd = ready(task, 4, MISSING, flags=SHARED)
    assert to(task, fd, UFFDIO_COPY, HERE + PAGE, THERE) == -EFAULT
    assert on(task, fd, UFFDIO_ZEROPAGE, HERE, 2) == 0
    assert do_syscall(task, "madvise", HERE, 2 * PAGE, MADV_DONTNEED) == 0
    assert read(task, HERE) == 0
    assert on(task, fd, UFFDIO_CONTINUE, HERE + PAGE) == -EEXIST


# Pages that are lost.


def test_a_poisoned_page(machine: LinuxMachine, task: Task) -> None:
    fd = ready(task, 2, MISSING)
    assert on(task, fd, UFFDIO_POISON, HERE) == 0
    assert on(task, fd, UFFDIO_POISON, HERE) == -EEXIST
    assert on(task, fd, UFFDIO_ZEROPAGE, HERE) == -EEXIST
    assert read(task, HERE) == -EHWPOISON
    assert do_syscall(task, "mlock", HERE, PAGE) == -ENOMEM
    child = machine.tasks[do_syscall(task, "fork")]
    assert read(child, HERE) == -EHWPOISON
    map_pages(task, THERE)
    assert to(task, fd, UFFDIO_COPY, HERE, THERE) == 0
    assert read(task, HERE) == 0


@pytest.mark.parametrize(("version", "result"), [((6, 18), 0), ((6, 19), -EEXIST)], ids=str)
def test_copying_over_a_guard(
    machine: LinuxMachine, task: Task, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    fd = ready(task, 1, MISSING)
    map_pages(task, THERE)
    assert do_syscall(task, "madvise", HERE, PAGE, MADV_GUARD_INSTALL) == 0
    assert on(task, fd, UFFDIO_ZEROPAGE, HERE) == -EEXIST
    assert to(task, fd, UFFDIO_COPY, HERE, THERE) == result


# Pages that move.


def test_moving(task: Task, mm: Mm) -> None:
    fd = ready(task, 2, MISSING)
    map_pages(task, THERE, 2)
    assert to(task, fd, UFFDIO_MOVE, HERE, THERE) == -ENOENT
    assert write(task, THERE) == 0
    assert to(task, fd, UFFDIO_MOVE, HERE, THERE, 2) == -EAGAIN
    assert mm.page_tables.ranges(THERE, THERE + 2 * PAGE) == []
    assert to(task, fd, UFFDIO_MOVE, HERE, THERE) == -EEXIST
    assert to(task, fd, UFFDIO_MOVE, HERE + PAGE, THERE + PAGE, 1, HOLES) == 0
    vma = find_vma(mm, HERE)
    assert vma is not None
    assert vma.anon_vma is not None


def test_moving_refused(machine: LinuxMachine, task: Task) -> None:
    fd = ready(task, 1, MISSING)
    map_pages(task, THERE, 1, PRIVATE, 1)
    assert to(task, fd, UFFDIO_MOVE, HERE, THERE) == -EINVAL
    map_pages(task, THERE, 1, SHARED)
    assert to(task, fd, UFFDIO_MOVE, HERE, THERE) == -EINVAL
    map_pages(task, THERE)
    assert to(task, fd, UFFDIO_MOVE, THERE, HERE) == -EINVAL
    assert to(task, fd, UFFDIO_MOVE, HERE, THERE, 1, 4) == -EINVAL
    assert to(task, fd, UFFDIO_MOVE, HERE, 0x70000000) == -ENOENT
    assert write(task, THERE) == 0
    child = machine.tasks[do_syscall(task, "fork")]
    assert to(task, fd, UFFDIO_MOVE, HERE, THERE) == -EBUSY
    assert to(child, fd, UFFDIO_MOVE, HERE, THERE) == -EINVAL
    assert write(task, THERE) == 0
    assert to(task, fd, UFFDIO_MOVE, HERE, THERE) == 0


@pytest.mark.parametrize(("version", "prepared"), [((6, 1), False), ((6, 12), True)], ids=str)
def test_what_is_filled_in_vain_has_an_anon_vma(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, prepared: bool
) -> None:
    machine.config.features = Features(version)
    map_pages(task, HERE)
    map_pages(task, THERE)
    assert to(task, uffd(task), UFFDIO_COPY, HERE, THERE) == -ENOENT
    vma = find_vma(mm, HERE)
    assert vma is not None
    assert (vma.anon_vma is not None) == prepared


# Pages that are protected.


def test_writing_to_a_protected_page(task: Task) -> None:
    fd = ready(task, 2, WP)
    assert write(task, HERE) == 0
    assert on(task, fd, UFFDIO_WRITEPROTECT, HERE, 2, 1) == 0
    assert write(task, HERE) == -EFAULT
    assert read(task, HERE) == 0
    assert write(task, HERE + PAGE) == 0
    assert on(task, fd, UFFDIO_WRITEPROTECT, HERE) == 0
    assert write(task, HERE) == 0


@pytest.mark.parametrize("how", ["unregister", "close", "unmap"])
def test_protection_ends(task: Task, how: str) -> None:
    fd = ready(task, 1, WP)
    assert write(task, HERE) == 0
    assert on(task, fd, UFFDIO_WRITEPROTECT, HERE, 1, 1) == 0
    if how == "unregister":
        range_ = {"start": HERE, "len": PAGE}
        assert do_syscall(task, "ioctl", fd, UFFDIO_UNREGISTER, 1 << 63, mem={2: range_}) == 0
    elif how == "close":
        assert do_syscall(task, "close", fd) == 0
    else:
        map_pages(task, HERE)
    assert write(task, HERE) == 0


@pytest.mark.parametrize(("flags", "result"), [(PRIVATE, 0), (SHARED, -EFAULT)])
def test_what_is_not_there_is_protected_by_a_marker(task: Task, flags: int, result: int) -> None:
    """In a file; and of anonymous memory when that was asked for."""
    fd = ready(task, 1, WP, flags=flags)
    assert on(task, fd, UFFDIO_WRITEPROTECT, HERE, 1, 1) == 0
    assert write(task, HERE) == result
    map_pages(task, THERE)
    other = uffd(task, UFFD_FEATURE_WP_UNPOPULATED)
    assert on(task, other, UFFDIO_REGISTER, THERE, 1, WP) == 0
    assert on(task, other, UFFDIO_WRITEPROTECT, THERE, 1, 1) == 0
    assert on(task, other, UFFDIO_POISON, THERE) == -EEXIST
    assert write(task, THERE) == -EFAULT


def test_asynchronous_protection_resolves_itself(task: Task) -> None:
    fd = ready(task, 1, WP, UFFD_FEATURE_WP_ASYNC)
    assert write(task, HERE) == 0
    assert on(task, fd, UFFDIO_WRITEPROTECT, HERE, 1, 1) == 0
    assert write(task, HERE) == 0


def test_protecting_from_any_access(machine: LinuxMachine, task: Task) -> None:
    machine.config.features = Features((7, 3))
    fd = ready(task, 2, RWP, UFFD_FEATURE_RWP)
    assert write(task, HERE) == 0
    assert on(task, fd, UFFDIO_RWPROTECT, HERE, 2, 1) == 0
    assert on(task, fd, UFFDIO_RWPROTECT, HERE, 2, 3) == -EINVAL
    assert on(task, fd, UFFDIO_RWPROTECT, HERE, 3, 1) == 0
    assert read(task, HERE) == -EFAULT
    assert read(task, HERE + PAGE) == 0
    both = {"enable": UFFD_FEATURE_RWP_ASYNC, "disable": UFFD_FEATURE_RWP_ASYNC}
    assert do_syscall(task, "ioctl", fd, UFFDIO_SET_MODE, 1 << 63, mem={2: both}) == -EINVAL
    on_ = {"enable": UFFD_FEATURE_RWP_ASYNC, "disable": 0}
    assert do_syscall(task, "ioctl", fd, UFFDIO_SET_MODE, 1 << 63, mem={2: on_}) == 0
    assert read(task, HERE) == 0
    map_pages(task, THERE)
    assert on(task, fd, UFFDIO_RWPROTECT, THERE, 1, 1) == -ENOENT
    wrong = {"enable": UFFD_FEATURE_WP_ASYNC, "disable": 0}
    assert do_syscall(task, "ioctl", fd, UFFDIO_SET_MODE, 1 << 63, mem={2: wrong}) == -EINVAL


def test_what_moves_into_protection_is_protected(machine: LinuxMachine, task: Task) -> None:
    machine.config.features = Features((7, 3))
    fd = ready(task, 1, RWP, UFFD_FEATURE_RWP)
    map_pages(task, THERE)
    assert write(task, THERE) == 0
    assert to(task, fd, UFFDIO_MOVE, HERE, THERE) == 0
    assert read(task, HERE) == -EFAULT


def test_a_marker_outlives_its_registration(task: Task) -> None:
    fd = ready(task, 1, WP, flags=SHARED)
    assert on(task, fd, UFFDIO_WRITEPROTECT, HERE, 1, 1) == 0
    assert on(task, fd, UFFDIO_REGISTER, HERE, 1, MINOR) == 0
    assert do_syscall(task, "madvise", HERE, PAGE, MADV_DONTNEED) == 0
    assert on(task, fd, UFFDIO_REGISTER, HERE, 1, WP) == 0
    assert write(task, HERE) == -EFAULT
