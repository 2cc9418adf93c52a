# SPDX-License-Identifier: GPL-2.0-or-later
"""PROCMAP_QUERY: which VMA answers, what it answers, and each error."""

import pytest

from vmalab.linux.fs.exec import restore_vma
from vmalab.linux.fs.open import file_open
from vmalab.linux.fs.proc.procmap_query import ProcmapQuery, do_procmap_query
from vmalab.linux.include.features import Features
from vmalab.linux.include.uapi.errno import (
    E2BIG,
    EFAULT,
    EINVAL,
    ENAMETOOLONG,
    ENOENT,
    ENOSYS,
    ENOTTY,
    ESRCH,
)
from vmalab.linux.include.uapi.procfs import PROCMAP_QUERY
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.filemap import thp_fops
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall

READABLE, WRITABLE, EXECUTABLE, SHARED, OR_NEXT, FILE_BACKED = 1, 2, 4, 8, 16, 32


@pytest.fixture
def layout(machine: LinuxMachine, mm: Mm) -> Mm:
    """Anonymous rw at 0x10000, a file r-x at 0x20000, the same shared rw at 0x30000."""
    file = file_open(machine, "/lib/x\n.so", 2, "fe:01", 77)
    ops = thp_fops.vm_ops
    assert restore_vma(mm, 0x10000, 0x12000, 0x100073, 0x10, None, None) == 0
    assert restore_vma(mm, 0x20000, 0x22000, 0x75, 3, file, ops) == 0
    assert restore_vma(mm, 0x30000, 0x31000, 0xFB, 0, file, ops) == 0
    return mm


@pytest.mark.parametrize(
    ("addr", "flags", "start"),
    [
        (0x10000, 0, 0x10000),
        (0x11FFF, 0, 0x10000),
        (0x11FFF, READABLE | WRITABLE, 0x10000),
        (0x20000, EXECUTABLE, 0x20000),
        (0x30000, SHARED | FILE_BACKED, 0x30000),
        (0, OR_NEXT, 0x10000),
        (0x12000, OR_NEXT, 0x20000),
        (0x11000, OR_NEXT | FILE_BACKED, 0x20000),
        (0x10000, OR_NEXT | SHARED, 0x30000),
        (0x20000, OR_NEXT | WRITABLE, 0x30000),
    ],
)
def test_the_vma_that_answers(layout: Mm, addr: int, flags: int, start: int) -> None:
    query = ProcmapQuery(addr, flags)
    assert do_procmap_query(layout, query) == 0
    assert query.vma_start == start


@pytest.mark.parametrize(
    ("addr", "flags"),
    [
        (0, 0),
        (0x12000, 0),
        (0x10000, EXECUTABLE),
        (0x10000, FILE_BACKED),
        (0x31000, OR_NEXT),
        (0x30000, OR_NEXT | EXECUTABLE),
        (0xFFFFFFFFFF600000, 0),
        (2**64 - 1, OR_NEXT),
    ],
)
def test_no_vma_answers(layout: Mm, addr: int, flags: int) -> None:
    assert do_procmap_query(layout, ProcmapQuery(addr, flags)) == -ENOENT


def test_what_it_answers(layout: Mm) -> None:
    query = ProcmapQuery(0x20000)
    query.vma_name_size = query.vma_name_addr = 100
    query.build_id_size = query.build_id_addr = 20
    assert do_procmap_query(layout, query) == 0
    assert (query.vma_start, query.vma_end, query.vma_offset) == (0x20000, 0x22000, 0x3000)
    assert (query.vma_flags, query.vma_page_size) == (READABLE | EXECUTABLE, 4096)
    assert (query.dev_major, query.dev_minor, query.inode) == (0xFE, 1, 77)
    assert (query.vma_name, query.vma_name_size) == ("/lib/x\n.so", 11)
    assert query.build_id_size == -1


def test_an_anonymous_vma_has_no_name_and_no_build_id(layout: Mm) -> None:
    query = ProcmapQuery(0x10000)
    query.vma_name_size = query.vma_name_addr = 1
    query.build_id_size = query.build_id_addr = 1
    assert do_procmap_query(layout, query) == 0
    assert (query.vma_name, query.vma_name_size, query.build_id_size) == ("", 0, 0)
    assert (query.inode, query.dev_major, query.vma_offset) == (0, 0, 0)


def test_the_heap_has_its_name(layout: Mm) -> None:
    layout.start_brk, layout.brk = 0x10000, 0x12000
    query = ProcmapQuery(0x10000)
    query.vma_name_size = query.vma_name_addr = 7
    assert do_procmap_query(layout, query) == 0
    assert (query.vma_name, query.vma_name_size) == ("[heap]", 7)


@pytest.mark.parametrize("size", [1, 10])
def test_a_name_that_does_not_fit(layout: Mm, size: int) -> None:
    query = ProcmapQuery(0x20000)
    query.vma_name_size, query.vma_name_addr = size, 1
    assert do_procmap_query(layout, query) == -ENAMETOOLONG


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("size", 4097, -E2BIG),
        ("size", 23, -EINVAL),
        ("size", 24, 0),
        ("query_flags", 0x40, -EINVAL),
        ("query_flags", 1 << 63, -EINVAL),
        ("vma_name_size", 1, -EINVAL),
        ("vma_name_addr", 1, -EINVAL),
        ("build_id_size", 1, -EINVAL),
        ("build_id_addr", 1, -EINVAL),
    ],
)
def test_requests_that_make_no_sense(layout: Mm, field: str, value: int, error: int) -> None:
    query = ProcmapQuery(0x10000)
    setattr(query, field, value)
    assert do_procmap_query(layout, query) == error


def test_an_address_space_that_is_gone(machine: LinuxMachine, task: Task) -> None:
    child = do_fork(task, 0, 101)
    assert child is not None
    mm = child.mm
    machine.exit_task(child)
    assert do_procmap_query(mm, ProcmapQuery(0)) == -ESRCH
    assert do_procmap_query(None, ProcmapQuery(0)) == -ESRCH


def ioctl(task: Task, path: str, mem: object, request: int = PROCMAP_QUERY) -> int:
    file = file_open(task.machine, path, 0)
    fd = task.files.install(file, False, 1024)
    return do_syscall(task, "ioctl", fd, request, 0x1000, mem={2: mem})


def test_the_ioctl(task: Task, layout: Mm) -> None:
    good = {"size": 104, "query_flags": 0, "query_addr": 0x10000}
    assert ioctl(task, "/proc/self/maps", good) == 0
    assert ioctl(task, "/proc/100/maps", good) == 0
    assert ioctl(task, "/proc/self/maps", {**good, "query_addr": 0x50000}) == -ENOENT
    assert ioctl(task, "/proc/self/maps", {**good, "size": 8}) == -EINVAL
    assert ioctl(task, "/proc/self/maps", {**good, "vma_name_size": 4, "vma_name_addr": 0}) < 0


def test_ioctls_that_are_not_known_here(task: Task, layout: Mm) -> None:
    assert ioctl(task, "/proc/self/maps", None) == -ENOSYS
    assert ioctl(task, "/proc/4711/maps", {}) == -ENOSYS


def test_ioctls_that_are_none(machine: LinuxMachine, task: Task, layout: Mm) -> None:
    assert ioctl(task, "/proc/self/smaps", {}) == -ENOTTY
    assert ioctl(task, "/etc/passwd", {}) == -ENOTTY
    fd = task.files.install(file_open(machine, "/proc/self/maps", 0), False, 1024)
    assert do_syscall(task, "ioctl", fd, PROCMAP_QUERY, 0) == -EFAULT
    machine.config.features = Features((6, 1))
    assert ioctl(task, "/proc/self/maps", {}) == -ENOTTY
