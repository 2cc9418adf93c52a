# SPDX-License-Identifier: GPL-2.0-or-later
"""The caller's memory: what can be read and written there, and what mincore tells of it."""

import pytest

from vmalab.linux.include.page import POINTER_UNKNOWN, is_pointer_unknown
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM
from vmalab.linux.include.uapi.mman import MADV_GUARD_INSTALL
from vmalab.linux.mm.usercopy import access_ok, copy_from_user, copy_to_user
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

MINUS_1 = 2**64 - 1
BASE = 0x50000000
READ, WRITE = 1, 3


@pytest.fixture
def pages(task: Task) -> int:
    """Two pages to write, one to read, one without any access, then a hole."""
    for i, prot in enumerate((WRITE, WRITE, READ, 0)):
        do_syscall(task, "mmap", BASE + (i << 12), 4096, prot, 0x32, MINUS_1, 0)
    return BASE


@pytest.mark.parametrize(
    ("start", "size", "readable", "writable"),
    [
        (BASE, 8192, True, True),
        (BASE + 8000, 500, True, False),
        (BASE + 0x3000, 1, False, False),
        (BASE + 0x4000, 1, False, False),
        (BASE + 0x4000, 0, True, True),
        (0, 1, False, False),
        (MINUS_1, 1, False, False),
        (POINTER_UNKNOWN + 5, 1 << 40, True, True),
        (POINTER_UNKNOWN + 6, 1, False, False),
    ],
)
def test_ranges(mm: Mm, pages: int, start: int, size: int, readable: bool, writable: bool) -> None:
    assert copy_from_user(mm, start, size) is readable
    assert copy_to_user(mm, start, size) is writable


def test_writing_touches(mm: Mm, pages: int) -> None:
    vma = find_vma(mm, BASE)
    assert vma is not None
    assert copy_from_user(mm, BASE, 1)
    assert vma.anon_vma is None
    assert copy_to_user(mm, BASE, 1)
    assert vma.anon_vma is not None


def test_guards_and_files_that_end(task: Task, mm: Mm, pages: int) -> None:
    do_syscall(task, "madvise", BASE + 4096, 4096, MADV_GUARD_INSTALL)
    assert not copy_from_user(mm, BASE, 8192)
    assert not copy_to_user(mm, BASE, 8192)
    fd = do_syscall(task, "memfd_create", 1, 0, mem={0: "x"})
    place = do_syscall(task, "mmap", 0, 4096, 3, 1, fd, 0)
    assert not copy_from_user(mm, place, 1)
    assert not copy_to_user(mm, place, 1)


def test_a_stack_may_have_grown(task: Task, mm: Mm) -> None:
    do_syscall(task, "mmap", BASE, 4096, 3, 0x132, MINUS_1, 0)
    assert copy_to_user(mm, BASE - 8192, 12288)


def test_a_stack_grows_where_nothing_happens_unseen(task: Task, mm: Mm) -> None:
    """What 6.18.44 and 7.3.4 did, asked by `vmalab check --profile stack`."""
    task.machine.closed_world = True
    do_syscall(task, "mmap", BASE, 4096, WRITE, 0x132, MINUS_1, 0)
    do_syscall(task, "mmap", BASE - 0x200000, 4096, WRITE, 0x32, MINUS_1, 0)
    touch = BASE - 0x3000 + 8
    assert do_syscall(task, "getrlimit", 9, touch) == 0
    vma = find_vma(mm, BASE)
    assert vma is not None
    assert (vma.vm_start, vma.vm_end) == (BASE - 0x3000, BASE + 4096)
    assert vma.anon_vma is not None
    # Into the guard gap, which has 256 pages.
    assert do_syscall(task, "getrlimit", 9, BASE - 0x200000 + 0x100000) == -EFAULT
    assert do_syscall(task, "getrlimit", 9, BASE - 0x200000 + 0x101000) == 0
    assert vma.vm_start == BASE - 0x200000 + 0x101000


def test_a_stack_grows_even_if_it_cannot_be_written(task: Task, mm: Mm) -> None:
    task.machine.closed_world = True
    do_syscall(task, "mmap", BASE, 4096, WRITE, 0x132, MINUS_1, 0)
    assert copy_to_user(mm, BASE, 8)
    do_syscall(task, "mprotect", BASE, 4096, READ)
    assert do_syscall(task, "getrlimit", 9, BASE - 4096) == -EFAULT
    vma = find_vma(mm, BASE)
    assert vma is not None
    assert vma.vm_start == BASE - 4096


def test_user_space(mm: Mm) -> None:
    assert access_ok(mm, 0x7FFFFFFFF000, 0)
    assert not access_ok(mm, 0x7FFFFFFFF000, 1)
    assert not access_ok(mm, MINUS_1, 2)
    assert not is_pointer_unknown(POINTER_UNKNOWN - 1)


@pytest.mark.parametrize(
    ("start", "length", "vec", "result"),
    [
        (BASE, 8192, BASE, 0),
        (BASE + 1, 4096, BASE, -EINVAL),
        (BASE, 4096, BASE + 0x2000, -EFAULT),
        (BASE, 0, BASE + 0x2000, 0),
        (BASE, 0x5000, BASE + 0x2000, -EFAULT),
        (BASE, 0x5000, BASE, -ENOMEM),
        (BASE + 0x4000, 4096, BASE + 0x2000, -ENOMEM),
        (BASE, 0x4000, BASE + 8190, -EFAULT),
        (BASE, 4096, 0, -EFAULT),
        (BASE, 4096, 1 << 63 | 2, 0),
        (BASE, 0, MINUS_1, -EFAULT),
        (0x7FFFFFFFF000, 0, BASE, 0),
        (0x800000000000, 0, BASE, -ENOMEM),
        (0, MINUS_1, BASE, -ENOMEM),
    ],
)
def test_mincore(task: Task, pages: int, start: int, length: int, vec: int, result: int) -> None:
    assert do_syscall(task, "mincore", start, length, vec) == result
