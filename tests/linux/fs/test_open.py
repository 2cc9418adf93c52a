# SPDX-License-Identifier: GPL-2.0-or-later
"""Opening paths: identity of inodes, modes, kinds of files, and how each kind is mapped."""

import pytest

from vmalab.linux.fs.open import absolute_path, anon_file, file_open
from vmalab.linux.fs.proc.task_mmu import mm_lines
from vmalab.linux.include.features import Features
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EBADF,
    EEXIST,
    EFAULT,
    EISDIR,
    ENODEV,
    ENOENT,
    ENOTDIR,
    ENXIO,
    EOVERFLOW,
    EPERM,
)
from vmalab.linux.include.uapi.fcntl import (
    AT_FDCWD,
    O_APPEND,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_TRUNC,
    O_WRONLY,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.shmem import shmem_fops
from vmalab.linux.types.file import (
    FMODE_PATH,
    FMODE_READ,
    FMODE_WRITE,
    I_CHR,
    I_DIR,
    I_REG,
    PLACE_THP,
)
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.super_block import TMPFS, SuperBlock
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

CWD = AT_FDCWD & 0xFFFFFFFFFFFFFFFF
READ, READ_WRITE = 1, 3
SHARED, PRIVATE = 1, 2


def open_at(task: Task, path: str, flags: int, dirfd: int = CWD) -> int:
    return do_syscall(task, "openat", dirfd, 1, flags, mem={1: path})


def test_the_same_path_is_the_same_inode(machine: LinuxMachine) -> None:
    first = file_open(machine, "/lib/x.so", O_RDONLY, "fe:00", 7)
    second = file_open(machine, "/lib/x.so", O_RDONLY)
    assert first is not second
    assert first.inode is second.inode
    assert (second.inode.dev, second.inode.ino) == ("fe:00", 7)


def test_a_path_with_another_inode_number_is_another_file(machine: LinuxMachine) -> None:
    first = file_open(machine, "/tmp/x", O_RDONLY, "fe:00", 7)
    second = file_open(machine, "/tmp/x", O_RDONLY, "fe:00", 8)
    assert first.inode is not second.inode
    assert machine.inodes["/tmp/x"] is second.inode


def test_an_inode_learns_its_number_later(machine: LinuxMachine) -> None:
    first = file_open(machine, "/tmp/x", O_RDONLY)
    assert first.inode.ino == -1
    second = file_open(machine, "/tmp/x", O_RDONLY, "fe:00", 8)
    assert first.inode is second.inode
    assert first.inode.ino == 8


@pytest.mark.parametrize(
    ("flags", "mode"),
    [
        (O_RDONLY, FMODE_READ),
        (O_WRONLY | O_APPEND, FMODE_WRITE),
        (O_RDWR, FMODE_READ | FMODE_WRITE),
        (O_PATH, FMODE_PATH),
    ],
)
def test_access_mode(machine: LinuxMachine, flags: int, mode: int) -> None:
    file = file_open(machine, "/tmp/x", flags)
    assert file.f_mode == mode
    assert not file.inode.append


def test_kinds_follow_the_path(machine: LinuxMachine) -> None:
    regular = file_open(machine, "/lib/x.so", O_RDONLY)
    assert (regular.inode.kind, regular.f_op.placement) == (I_REG, PLACE_THP)
    assert regular.inode.size == -1
    tmpfs = file_open(machine, "/dev/shm/x", O_RDWR)
    assert tmpfs.f_op is shmem_fops
    assert tmpfs.inode.seals == 1
    assert file_open(machine, "/dev/zero", O_RDWR).inode.kind == I_CHR
    for path in ("/dev/null", "/dev/urandom", "/proc/self/maps", "/sys/kernel/mm/ksm/run"):
        assert not file_open(machine, path, O_RDONLY).f_op.can_mmap
    directory = file_open(machine, "/usr", O_DIRECTORY)
    assert directory.inode.kind == I_DIR
    assert not directory.f_op.can_mmap
    assert not anon_file(machine, "socket:[1]").f_op.can_mmap


def test_another_mount_of_tmpfs(machine: LinuxMachine) -> None:
    machine.mounts["/run/"] = SuperBlock(TMPFS)
    assert file_open(machine, "/run/x", O_RDWR).f_op.is_shmem


def test_opened_with_truncation_a_file_is_empty(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    machine.add_inode("/f", I_REG, "fe:00", 3, 8192)
    fd = open_at(task, "/f", O_RDWR)
    addr = do_syscall(task, "mmap", 0, 8192, READ_WRITE, PRIVATE, fd, 0)
    assert do_syscall(task, "madvise", addr, 8192, 23) == 0
    assert len(mm.page_tables.ranges(addr, addr + 8192)) == 1
    open_at(task, "/f", O_RDWR | O_TRUNC)
    assert machine.inodes["/f"].size == 0
    assert mm.page_tables.ranges(addr, addr + 8192) == []
    assert do_syscall(task, "madvise", addr, 8192, 23) == -EFAULT


def test_relative_paths(machine: LinuxMachine, task: Task) -> None:
    task.fs.pwd = "/dev/shm/gold"
    fd = open_at(task, "f0", O_RDWR | O_CREAT)
    file = task.files.fget(fd)
    assert file is not None
    assert file.path == "/dev/shm/gold/f0"
    directory = open_at(task, "/usr/lib", O_DIRECTORY)
    fd = open_at(task, "./x/../y.so", O_RDONLY, directory)
    file = task.files.fget(fd)
    assert file is not None
    assert file.path == "/usr/lib/y.so"
    assert open_at(task, "x", O_RDONLY, 77) == -9
    assert absolute_path("/a", "../../b") == "/b"


def test_all_forms_of_open(task: Task) -> None:
    assert do_syscall(task, "open", 1, O_RDWR, mem={0: "/a"}) == 0
    assert do_syscall(task, "creat", 1, 0o600, mem={0: "/b"}) == 1
    assert do_syscall(task, "openat2", CWD, 1, 1, 24, mem={1: "/a", 2: {"flags": 0}}) == 2
    assert do_syscall(task, "openat", CWD, 0, 0) == -EFAULT
    assert do_syscall(task, "openat", CWD, 1 << 63, 0) == -38
    first, third = task.files.fget(0), task.files.fget(2)
    assert first is not None
    assert third is not None
    assert first.inode is third.inode
    created = task.files.fget(1)
    assert created is not None
    assert created.f_mode == FMODE_WRITE


def test_when_all_files_are_known_opens_can_fail(machine: LinuxMachine, task: Task) -> None:
    machine.closed_world = True
    machine.add_directory("/d")
    machine.add_inode("/d/f", I_REG, "00:20", 1, 0)
    assert open_at(task, "/nonexistent/a", O_RDWR) == -ENOENT
    assert open_at(task, "/nonexistent/a", O_RDWR | O_CREAT) == -ENOENT
    assert open_at(task, "/d/g", O_RDWR) == -ENOENT
    assert open_at(task, "/d/f", O_RDWR | O_CREAT | O_EXCL) == -EEXIST
    assert open_at(task, "/d/f", O_DIRECTORY) == -ENOTDIR
    assert open_at(task, "/d/f/g", O_CREAT) == -ENOTDIR
    assert open_at(task, "/d", O_RDWR) == -EISDIR
    assert open_at(task, "/d", O_RDONLY) == 0
    assert open_at(task, "/d/f", O_RDWR | O_CREAT) == 1
    assert open_at(task, "/d/g", O_RDWR | O_CREAT) == 2
    assert open_at(task, "/d/g", O_RDWR) == 3
    assert open_at(task, "/dev/zero", O_RDWR) == 4
    assert open_at(task, "/dev/zero", O_RDWR | O_CREAT | O_EXCL) == -EEXIST


def test_what_is_open_can_be_opened_again_through_its_link(
    machine: LinuxMachine, task: Task
) -> None:
    machine.closed_world = True
    machine.add_directory("/d")
    device = open_at(task, "/dev/zero", O_RDWR)
    again = open_at(task, f"/proc/self/fd/{device}", O_RDONLY)
    assert do_syscall(task, "mmap", 0, 4096, READ_WRITE, PRIVATE, again, 0) > 0
    folder = open_at(task, "/d", O_PATH | O_DIRECTORY)
    assert open_at(task, f"/proc/self/fd/{folder}", O_RDWR) == -EISDIR
    assert open_at(task, f"/proc/self/fd/{folder}", O_RDWR | O_PATH) > folder
    secret = do_syscall(task, "memfd_secret", 0)
    assert open_at(task, f"/proc/self/fd/{secret}", O_RDONLY) == -ENXIO
    assert open_at(task, "/proc/self/fd/99", O_RDONLY) == -ENOENT


def test_a_path_that_is_open_can_be_mapped_once_opened_through_its_link(task: Task) -> None:
    path = open_at(task, "/tmp/x", O_PATH)
    assert do_syscall(task, "mmap", 0, 4096, READ, PRIVATE, path, 0) == -EBADF
    again = open_at(task, f"/proc/self/fd/{path}", O_RDONLY)
    assert do_syscall(task, "mmap", 0, 4096, READ, PRIVATE, again, 0) > 0


def test_a_new_file_is_empty(machine: LinuxMachine, task: Task) -> None:
    new = open_at(task, "/tmp/x", O_RDWR | O_CREAT | O_EXCL)
    file = task.files.fget(new)
    assert file is not None
    assert file.inode.size == 0
    perhaps = task.files.fget(open_at(task, "/tmp/y", O_RDWR | O_CREAT))
    assert perhaps is not None
    assert perhaps.inode.size == -1


@pytest.mark.parametrize(
    ("name", "page", "answer"),
    [
        ("pipe", (1 << 51) - 1, -ENODEV),
        ("pipe", (1 << 52) - 1, -EOVERFLOW),
        ("socket", (1 << 51) - 1, -EOVERFLOW),
    ],
)
def test_only_files_and_sockets_end_at_the_largest_file(
    machine: LinuxMachine, task: Task, name: str, page: int, answer: int
) -> None:
    """As Linux 6.18 answered."""
    fd = task.files.install(anon_file(machine, name), False, 100)
    assert do_syscall(task, "mmap", 0, 4096, READ, PRIVATE, fd, page * 4096) == answer


def test_a_device_mapped_far_out_is_not_aligned_for_huge_pages(task: Task, mm: Mm) -> None:
    """As Linux 6.18 placed it: rounding its offset up overflows."""
    fd = open_at(task, "/dev/zero", O_RDWR)
    top = do_syscall(task, "mmap", 0, 4096, READ, PRIVATE, fd, 0)
    base = 0x20000000
    far = ((1 << 51) - 2) * 4096
    assert do_syscall(task, "mmap", base, 3 * 4096, READ, PRIVATE | 0x10, fd, far) == base
    assert do_syscall(task, "mremap", base, 2 * 4096, 3 * 4096, 1) == top - 3 * 4096


def test_a_file_without_mmap_is_refused(task: Task) -> None:
    fd = open_at(task, "/usr", O_DIRECTORY)
    assert do_syscall(task, "mmap", 0, 4096, READ, PRIVATE, fd, 0) == -ENODEV


def test_an_unlinked_file_shows_as_deleted(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    fd = open_at(task, "/tmp/x", O_RDWR)
    addr = do_syscall(task, "mmap", 0, 4096, READ, PRIVATE, fd, 0)
    assert do_syscall(task, "unlink", 1, mem={0: "/tmp/x"}) == 0
    vma = find_vma(mm, addr)
    assert vma is not None
    assert mm_lines(mm)[0].endswith(" /tmp/x (deleted)")
    again = open_at(task, "/tmp/x", O_RDWR)
    file = task.files.fget(again)
    assert file is not None
    assert vma.vm_file is not None
    assert file.inode is not vma.vm_file.inode
    assert file.path == "/tmp/x"


def test_unlink_of_what_is_not_there(machine: LinuxMachine, task: Task) -> None:
    machine.add_directory("/d")
    assert do_syscall(task, "unlinkat", CWD, 1, 0, mem={1: "/tmp/x"}) == 0
    machine.closed_world = True
    assert do_syscall(task, "unlinkat", CWD, 1, 0, mem={1: "/tmp/x"}) == -ENOENT
    assert do_syscall(task, "unlinkat", CWD, 1, 0, mem={1: "/d"}) == -EISDIR


def test_zero_device_shared_is_a_new_shmem_object(task: Task, mm: Mm) -> None:
    fd = open_at(task, "/dev/zero", O_RDWR)
    device = task.files.fget(fd)
    assert device is not None
    addr = do_syscall(task, "mmap", 0, 4096, READ_WRITE, SHARED, fd, 0)
    vma = find_vma(mm, addr)
    assert vma is not None
    assert vma.vm_file is not None
    assert vma.vm_file is not device
    assert vma.vm_file.f_op.is_shmem
    assert device.f_count == 1
    assert mm_lines(mm)[0].endswith(" /dev/zero (deleted)")
    assert " 00:01 " in mm_lines(mm)[0]
    # Two of them never merge.
    below = do_syscall(task, "mmap", addr - 4096, 4096, READ_WRITE, SHARED, fd, 0)
    assert below == addr - 4096
    assert mm.map_count == 2


def test_zero_device_private_is_anonymous_but_names_the_device(task: Task, mm: Mm) -> None:
    fd = open_at(task, "/dev/zero", O_RDWR)
    addr = do_syscall(task, "mmap", 0, 4096, READ_WRITE, PRIVATE, fd, 0)
    vma = find_vma(mm, addr)
    assert vma is not None
    assert vma.vm_ops is None
    assert mm_lines(mm)[0].endswith(" /dev/zero")
    assert " 00:06 " in mm_lines(mm)[0]


def test_zero_device_read_only_and_shared_keeps_the_device(task: Task, mm: Mm) -> None:
    fd = open_at(task, "/dev/zero", O_RDONLY)
    assert do_syscall(task, "mmap", 0, 4096, READ_WRITE, SHARED, fd, 0) == -EACCES
    addr = do_syscall(task, "mmap", 0, 4096, READ, SHARED, fd, 0)
    vma = find_vma(mm, addr)
    assert vma is not None
    assert vm_flag_letters(vma.vm_flags) == ("rd", "mr", "me", "ms")
    assert vma.vm_ops is None
    assert mm_lines(mm)[0].endswith(" /dev/zero")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/proc/self/exe", 0),
        ("/proc/17/task/18/root/bin/true", 0),
        ("/proc/self/maps", -ENODEV),
        ("/proc/exe", -ENODEV),
        ("/sys/self/exe", -ENODEV),
    ],
)
def test_links_in_proc_lead_to_files_that_can_be_mapped(
    machine: LinuxMachine, task: Task, path: str, error: int
) -> None:
    task.files.install_at(9, file_open(machine, path, O_RDONLY))
    result = do_syscall(task, "mmap", 0, 4096, 1, 2, 9)
    assert min(result, 0) == error


@pytest.mark.parametrize(
    ("name", "kernels"),
    [
        ("socket", [(7, 1, 13), (6, 18, 44)]),
        ("pipe:[17]", [(7, 1, 13), (6, 18, 44)]),
        ("anon_inode:[eventpoll]", [(7, 1, 13), (7, 0, 13), (6, 18, 44), (6, 18, 15), (6, 16, 12)]),
        (
            "pidfd_open",
            [(7, 1, 13), (7, 0, 13), (6, 18, 44), (6, 18, 15), (6, 16, 12), (6, 12, 117)],
        ),
    ],
)
def test_files_without_a_path_that_cannot_be_mapped_executable(
    machine: LinuxMachine, task: Task, name: str, kernels: list[tuple[int, int, int]]
) -> None:
    """EPERM on the kernels that look at their file system first, else ENODEV."""
    asked = [
        (7, 1, 13),
        (7, 0, 13),
        (6, 18, 44),
        (6, 18, 15),
        (6, 16, 12),
        (6, 12, 117),
        (6, 1, 192),
    ]
    refused: dict[int, list[tuple[int, int, int]]] = {-EPERM: [], -ENODEV: []}
    for major, minor, patch in asked:
        machine.config.features = Features((major, minor), patch)
        task.files.install_at(9, anon_file(machine, name))
        result = do_syscall(task, "mmap", 0, 4096, 5, PRIVATE, 9, 0)
        refused[result].append((major, minor, patch))
    assert refused[-EPERM] == kernels
