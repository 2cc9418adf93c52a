# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory files: creating them, and sealing them."""

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_lines
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EBUSY,
    EFAULT,
    EINVAL,
    EMFILE,
    ENODEV,
    ENOMEM,
    ENOSYS,
    EPERM,
)
from vmalab.linux.include.uapi.fcntl import (
    F_ADD_SEALS,
    F_GET_SEALS,
    F_SEAL_EXEC,
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
)
from vmalab.linux.include.uapi.memfd import (
    MFD_ALLOW_SEALING,
    MFD_CLOEXEC,
    MFD_EXEC,
    MFD_HUGE_2MB,
    MFD_HUGE_16MB,
    MFD_HUGETLB,
    MFD_NOEXEC_SEAL,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

READ, READ_WRITE = 1, 3
SHARED, PRIVATE, NORESERVE = 1, 2, 0x4000


def create(task: Task, flags: int, name: str = "x") -> int:
    return do_syscall(task, "memfd_create", 1, flags, mem={0: name})


def seal(task: Task, fd: int, seals: int) -> int:
    return do_syscall(task, "fcntl", fd, F_ADD_SEALS, seals)


def seals_of(task: Task, fd: int) -> int:
    return do_syscall(task, "fcntl", fd, F_GET_SEALS)


def map_file(task: Task, fd: int, prot: int, flags: int) -> int:
    return do_syscall(task, "mmap", 0, 4096, prot, flags, fd, 0)


@pytest.fixture
def fd(task: Task) -> int:
    """A memory file of one page that may be sealed."""
    fd = create(task, MFD_ALLOW_SEALING)
    assert do_syscall(task, "ftruncate", fd, 4096) == 0
    return fd


def test_its_name_in_maps(task: Task, mm: Mm, fd: int) -> None:
    map_file(task, fd, READ_WRITE, SHARED)
    line = mm_lines(mm)[0]
    assert line.endswith(" /memfd:x (deleted)")
    assert line.split()[1:4] == ["rw-s", "00000000", "00:01"]


@pytest.mark.parametrize(
    "flags",
    [0x20, MFD_EXEC | MFD_NOEXEC_SEAL, MFD_HUGE_2MB, MFD_HUGETLB | 0x100],
    ids=["unknown", "exec and noexec", "a size without HUGETLB", "unknown with HUGETLB"],
)
def test_flags_that_are_refused(task: Task, flags: int) -> None:
    assert create(task, flags) == -EINVAL


def test_a_name_has_at_most_249_bytes(task: Task) -> None:
    assert create(task, 0, "n" * 249) == 0
    assert create(task, 0, "n" * 250) == -EINVAL
    assert create(task, 0, "é" * 125) == -EINVAL
    assert do_syscall(task, "memfd_create", 0, 0) == -EFAULT
    assert do_syscall(task, "memfd_create", 0, 0x20) == -EINVAL


def test_close_on_exec_and_the_limit_of_descriptors(task: Task) -> None:
    task.signal.rlim_cur[7] = 1
    assert create(task, MFD_CLOEXEC) == 0
    assert task.files.close_on_exec.bits() == [0]
    assert create(task, 0) == -EMFILE


def test_sysctl_against_executable_ones(machine: LinuxMachine, task: Task) -> None:
    machine.config.memfd_noexec = 1
    assert seals_of(task, create(task, 0)) == F_SEAL_EXEC
    assert seals_of(task, create(task, MFD_EXEC)) == F_SEAL_SEAL
    machine.config.memfd_noexec = 2
    assert create(task, MFD_EXEC) == -EACCES
    assert seals_of(task, create(task, 0)) == F_SEAL_EXEC


def test_huge_pages_can_only_be_mapped_without_reservation(task: Task, mm: Mm) -> None:
    assert create(task, MFD_HUGETLB | MFD_HUGE_16MB) == -ENODEV
    fd = create(task, MFD_HUGETLB | MFD_HUGE_2MB)
    size = 1 << 21
    assert do_syscall(task, "mmap", 0, size, READ_WRITE, SHARED, fd, 0) == -ENOMEM
    addr = do_syscall(task, "mmap", 0, size, READ_WRITE, SHARED | NORESERVE, fd, 0)
    assert addr & (size - 1) == 0
    vma = find_vma(mm, addr)
    assert vma is not None
    assert "ht" in vm_flag_letters(vma.vm_flags)
    assert do_syscall(task, "munmap", addr, 4096) == -EINVAL


def test_seals_add_up(task: Task, fd: int) -> None:
    assert seals_of(task, fd) == 0
    assert seal(task, fd, F_SEAL_SHRINK) == 0
    assert seal(task, fd, F_SEAL_GROW) == 0
    assert seals_of(task, fd) == F_SEAL_SHRINK | F_SEAL_GROW
    assert seal(task, fd, F_SEAL_SEAL) == 0
    assert seal(task, fd, F_SEAL_SHRINK) == -EPERM


def test_without_allow_sealing_nothing_can_be_added(task: Task) -> None:
    fd = create(task, 0)
    assert seals_of(task, fd) == F_SEAL_SEAL
    assert seal(task, fd, F_SEAL_SHRINK) == -EPERM
    assert seal(task, fd, 0x40) == -EINVAL


def test_seals_need_a_file_that_has_them_and_is_writable(task: Task) -> None:
    regular = do_syscall(task, "open", 1, 2, mem={0: "/f"})
    read_only = do_syscall(task, "open", 1, 0, mem={0: "/f"})
    tmpfs = do_syscall(task, "open", 1, 2, mem={0: "/dev/shm/f"})
    assert seal(task, regular, F_SEAL_SHRINK) == -EINVAL
    assert seals_of(task, regular) == -EINVAL
    assert seal(task, read_only, F_SEAL_SHRINK) == -EPERM
    assert seal(task, tmpfs, F_SEAL_SHRINK) == -EPERM
    assert seals_of(task, tmpfs) == F_SEAL_SEAL


def test_write_seal_waits_for_shared_writable_mappings(task: Task, fd: int) -> None:
    addr = map_file(task, fd, READ_WRITE, SHARED)
    assert seal(task, fd, F_SEAL_WRITE) == -EBUSY
    assert do_syscall(task, "mprotect", addr, 4096, READ) == 0
    # It may become writable again.
    assert seal(task, fd, F_SEAL_WRITE) == -EBUSY
    assert do_syscall(task, "munmap", addr, 4096) == 0
    assert map_file(task, fd, READ_WRITE, PRIVATE) > 0
    assert seal(task, fd, F_SEAL_WRITE) == 0
    assert seal(task, fd, F_SEAL_WRITE) == 0


@pytest.mark.parametrize("kind", [F_SEAL_WRITE, F_SEAL_FUTURE_WRITE])
def test_mapping_a_file_that_is_sealed_against_writing(
    task: Task, mm: Mm, fd: int, kind: int
) -> None:
    assert seal(task, fd, kind) == 0
    assert map_file(task, fd, READ_WRITE, SHARED) == -EPERM
    addr = map_file(task, fd, READ, SHARED)
    vma = find_vma(mm, addr)
    assert vma is not None
    assert vm_flag_letters(vma.vm_flags) == ("rd", "sh", "mr", "me", "ms")
    assert do_syscall(task, "mprotect", addr, 4096, READ_WRITE) == -EACCES
    assert map_file(task, fd, READ_WRITE, PRIVATE) > 0


def test_future_write_seal_leaves_mappings_that_are_there(task: Task, fd: int) -> None:
    addr = map_file(task, fd, READ_WRITE, SHARED)
    assert seal(task, fd, F_SEAL_FUTURE_WRITE) == 0
    assert do_syscall(task, "mprotect", addr, 4096, READ) == 0
    assert do_syscall(task, "mprotect", addr, 4096, READ_WRITE) == 0


def test_exec_seal_of_an_executable_file_seals_its_contents(task: Task, fd: int) -> None:
    assert seal(task, fd, F_SEAL_EXEC) == 0
    written = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
    assert seals_of(task, fd) == F_SEAL_EXEC | written


def test_exec_seal_of_one_that_is_not_executable_seals_nothing_else(task: Task) -> None:
    fd = create(task, MFD_NOEXEC_SEAL)
    assert seal(task, fd, F_SEAL_EXEC) == 0
    assert seals_of(task, fd) == F_SEAL_EXEC


@pytest.mark.parametrize(
    ("version", "result"), [((6, 1), -EINVAL), ((6, 12), 0), ((7, 3), 0)], ids=str
)
def test_exec_seal_by_version(
    machine: LinuxMachine, task: Task, fd: int, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    assert do_syscall(task, "fcntl", fd, F_ADD_SEALS, F_SEAL_EXEC) == result
    assert do_syscall(task, "fcntl", fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0


@pytest.mark.parametrize(
    ("closed", "answer"), [(True, 0), (False, -ENOSYS)], ids=["stream", "recording"]
)
def test_name_in_memory_that_nobody_writes_to_is_empty(
    machine: LinuxMachine, task: Task, closed: bool, answer: int
) -> None:
    """What a log does not show could be any name."""
    machine.closed_world = closed
    place = 0x10000000
    assert do_syscall(task, "mmap", place, 4096, 3, 0x32, 2**64 - 1, 0) == place
    assert do_syscall(task, "memfd_create", place + 2048, 0) == answer
    assert do_syscall(task, "memfd_create", place + 4096, 0) == -EFAULT
