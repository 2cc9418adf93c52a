# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes of files: what may change them, and which pages leave the mappings."""

import pytest

from vmalab.linux.include.uapi.errno import (
    EBADF,
    EFAULT,
    EFBIG,
    EINVAL,
    EISDIR,
    ENODEV,
    ENOENT,
    EOPNOTSUPP,
    EPERM,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.page_tables import PTE_ANON, PTE_FILE
from vmalab.linux.types.file import I_DIR, I_REG
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

READ_WRITE = 3
SHARED, PRIVATE = 1, 2
POPULATE_READ, POPULATE_WRITE = 22, 23
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO, INSERT = 1, 2, 8, 16, 32
NEGATIVE = 2**64 - 1


def memfd(task: Task, flags: int = 2, size: int = 16384) -> int:
    fd = do_syscall(task, "memfd_create", 1, flags, mem={0: "x"})
    assert do_syscall(task, "ftruncate", fd, size) == 0
    return fd


def mapped(task: Task, fd: int, flags: int, advice: int) -> int:
    addr = do_syscall(task, "mmap", 0, 16384, READ_WRITE, flags, fd, 0)
    assert do_syscall(task, "madvise", addr, 16384, advice) == 0
    return addr


def size_of(task: Task, fd: int) -> int:
    file = task.files.fget(fd)
    assert file is not None
    return file.inode.size


def test_shrinking_takes_pages_out_of_all_mappings(task: Task, mm: Mm) -> None:
    fd = memfd(task)
    shared = mapped(task, fd, SHARED, POPULATE_READ)
    private = mapped(task, fd, PRIVATE, POPULATE_WRITE)
    assert do_syscall(task, "ftruncate", fd, 4097) == 0
    assert mm.page_tables.ranges(shared, shared + 16384) == [(shared, shared + 8192, PTE_FILE)]
    assert mm.page_tables.ranges(private, private + 16384) == [(private, private + 8192, PTE_ANON)]
    vma = find_vma(mm, private)
    assert vma is not None
    assert vma.anon_vma is not None
    assert do_syscall(task, "madvise", shared, 16384, POPULATE_READ) == -EFAULT


def test_growing_changes_no_mapping_and_allows_more_pages(task: Task, mm: Mm) -> None:
    fd = memfd(task, size=4096)
    addr = do_syscall(task, "mmap", 0, 16384, READ_WRITE, SHARED, fd, 0)
    assert do_syscall(task, "madvise", addr, 16384, POPULATE_READ) == -EFAULT
    assert do_syscall(task, "ftruncate", fd, 16384) == 0
    assert do_syscall(task, "madvise", addr, 16384, POPULATE_READ) == 0
    assert mm.map_count == 1


def test_ftruncate_errors(machine: LinuxMachine, task: Task) -> None:
    machine.add_directory("/d")
    fd = do_syscall(task, "open", 1, 0, mem={0: "/f"})
    directory = do_syscall(task, "open", 1, 0, mem={0: "/d"})
    assert do_syscall(task, "ftruncate", 99, NEGATIVE) == -EINVAL
    assert do_syscall(task, "ftruncate", 99, 0) == -EBADF
    assert do_syscall(task, "ftruncate", fd, 0) == -EINVAL
    assert do_syscall(task, "ftruncate", directory, 0) == -EINVAL
    writable = do_syscall(task, "open", 1, 1, mem={0: "/f"})
    assert do_syscall(task, "ftruncate", writable, 5) == 0
    machine.inodes["/f"].append = True
    assert do_syscall(task, "ftruncate", writable, 6) == -EPERM
    assert machine.inodes["/f"].size == 5


@pytest.mark.parametrize(("seal", "size"), [(2, 4096), (4, 20480)])
def test_seals_against_shrinking_and_growing(task: Task, seal: int, size: int) -> None:
    fd = memfd(task)
    assert do_syscall(task, "fcntl", fd, 1033, seal) == 0
    assert do_syscall(task, "ftruncate", fd, size) == -EPERM
    assert do_syscall(task, "ftruncate", fd, 16384) == 0
    assert size_of(task, fd) == 16384


def test_truncate_by_path(machine: LinuxMachine, task: Task) -> None:
    machine.add_inode("/f", I_REG, "fe:00", 1, 100)
    machine.add_inode("/d", I_DIR, "fe:00", 2, -1)
    assert do_syscall(task, "truncate", 1, 50, mem={0: "/f"}) == 0
    assert machine.inodes["/f"].size == 50
    assert do_syscall(task, "truncate", 1, 50, mem={0: "/d"}) == -EISDIR
    assert do_syscall(task, "truncate", 1, NEGATIVE, mem={0: "/f"}) == -EINVAL
    assert do_syscall(task, "truncate", 0, 1) == -EFAULT
    machine.closed_world = True
    assert do_syscall(task, "truncate", 1, 50, mem={0: "/g"}) == -ENOENT


def test_fallocate_grows_a_file_unless_told_not_to(task: Task) -> None:
    fd = memfd(task)
    assert do_syscall(task, "fallocate", fd, KEEP_SIZE, 0, 1 << 20) == 0
    assert size_of(task, fd) == 16384
    assert do_syscall(task, "fallocate", fd, 0, 4096, 1 << 20) == 0
    assert size_of(task, fd) == 4096 + (1 << 20)
    assert do_syscall(task, "fallocate", fd, 0, 0, 1) == 0
    assert size_of(task, fd) == 4096 + (1 << 20)


def test_a_hole_takes_whole_pages_but_no_private_copies(task: Task, mm: Mm) -> None:
    fd = memfd(task)
    shared = mapped(task, fd, SHARED, POPULATE_READ)
    private = mapped(task, fd, PRIVATE, POPULATE_WRITE)
    assert do_syscall(task, "fallocate", fd, PUNCH_HOLE | KEEP_SIZE, 1, 12287) == 0
    assert mm.page_tables.ranges(shared, shared + 16384) == [
        (shared, shared + 4096, PTE_FILE),
        (shared + 12288, shared + 16384, PTE_FILE),
    ]
    assert mm.page_tables.ranges(private, private + 16384) == [(private, private + 16384, PTE_ANON)]
    assert size_of(task, fd) == 16384


def test_collapsing_and_inserting_move_the_end_of_a_regular_file(
    machine: LinuxMachine, task: Task
) -> None:
    machine.add_inode("/f", I_REG, "fe:00", 1, 65536)
    fd = do_syscall(task, "open", 1, 2, mem={0: "/f"})
    assert do_syscall(task, "fallocate", fd, COLLAPSE, 4096, 4096) == 0
    assert size_of(task, fd) == 61440
    assert do_syscall(task, "fallocate", fd, INSERT, 4096, 8192) == 0
    assert size_of(task, fd) == 69632
    memory = memfd(task)
    assert do_syscall(task, "fallocate", memory, COLLAPSE, 0, 4096) == -EOPNOTSUPP


def test_fallocate_errors(machine: LinuxMachine, task: Task) -> None:
    fd = memfd(task)
    zero = do_syscall(task, "open", 1, 2, mem={0: "/dev/zero"})
    read_only = do_syscall(task, "open", 1, 0, mem={0: "/f"})
    assert do_syscall(task, "fallocate", 99, 0, 0, 1) == -EBADF
    assert do_syscall(task, "fallocate", fd, 0, 0, 0) == -EINVAL
    assert do_syscall(task, "fallocate", fd, 0, NEGATIVE, 1) == -EINVAL
    assert do_syscall(task, "fallocate", fd, 1 << 20, 0, 1) == -EOPNOTSUPP
    assert do_syscall(task, "fallocate", fd, PUNCH_HOLE, 0, 1) == -EOPNOTSUPP
    assert do_syscall(task, "fallocate", fd, PUNCH_HOLE | ZERO, 0, 1) == -EOPNOTSUPP
    assert do_syscall(task, "fallocate", fd, COLLAPSE | KEEP_SIZE, 0, 1) == -EOPNOTSUPP
    assert do_syscall(task, "fallocate", read_only, 0, 0, 1) == -EBADF
    assert do_syscall(task, "fallocate", zero, 0, 0, 1) == -ENODEV
    assert do_syscall(task, "fallocate", fd, 0, (1 << 63) - 1, 1) == -EFBIG
    assert do_syscall(task, "fcntl", fd, 1033, 4 | 8) == 0
    assert do_syscall(task, "fallocate", fd, 0, 0, 1 << 20) == -EPERM
    assert do_syscall(task, "fallocate", fd, PUNCH_HOLE | KEEP_SIZE, 0, 4096) == -EPERM
