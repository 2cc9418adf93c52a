# SPDX-License-Identifier: GPL-2.0-or-later
"""memfd_secret: files whose mappings are locked."""

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_lines
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EAGAIN,
    EBUSY,
    EINVAL,
    EMFILE,
    ENOMEM,
    ENOSYS,
    EOPNOTSUPP,
    EPERM,
)
from vmalab.linux.include.uapi.fcntl import O_CLOEXEC
from vmalab.linux.include.uapi.mman import (
    MADV_COLD,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_POPULATE_READ,
    MADV_REMOVE,
    MAP_FIXED,
    MAP_LOCKED,
    MAP_PRIVATE,
    MAP_SHARED,
    MS_ASYNC,
    MS_INVALIDATE,
    MS_SYNC,
)
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

BASE = 0x50000000
MEMLOCK, NOFILE = 8, 7


@pytest.fixture
def fd(task: Task) -> int:
    fd = do_syscall(task, "memfd_secret", 0)
    assert do_syscall(task, "ftruncate", fd, 1 << 20) == 0
    return fd


def mmap(task: Task, fd: int, addr: int = BASE, prot: int = 3, flags: int = MAP_SHARED) -> int:
    return do_syscall(task, "mmap", addr, 8192, prot, flags | MAP_FIXED, fd, addr - BASE)


def test_the_descriptor(task: Task) -> None:
    fd = do_syscall(task, "memfd_secret", O_CLOEXEC)
    assert fd in task.files.close_on_exec
    assert do_syscall(task, "memfd_secret", 1) == -EINVAL
    task.signal.rlim_cur[NOFILE] = 1
    assert do_syscall(task, "memfd_secret", 0) == -EMFILE


def test_a_kernel_without_it(machine: LinuxMachine, task: Task) -> None:
    machine.config.secretmem = False
    assert do_syscall(task, "memfd_secret", 0) == -ENOSYS


def test_it_gets_its_size_once(task: Task, fd: int) -> None:
    assert do_syscall(task, "ftruncate", fd, 4096) == -EINVAL
    assert do_syscall(task, "fallocate", fd, 0, 0, 4096) == -EOPNOTSUPP


def test_how_it_looks(task: Task, mm: Mm, fd: int) -> None:
    assert mmap(task, fd) == BASE
    assert mm_lines(mm)[0].endswith("/secretmem (deleted)")
    vma = find_vma(mm, BASE)
    assert vma is not None
    words = ("rd", "wr", "sh", "mr", "mw", "ms", "lo", "dd")
    assert vm_flag_letters(vma.vm_flags) == words
    assert mm.locked_vm == 2


def test_neighbours_merge(task: Task, mm: Mm, fd: int) -> None:
    mmap(task, fd)
    assert mmap(task, fd, BASE + 8192) == BASE + 8192
    assert (mm.map_count, mm.locked_vm) == (1, 4)


def test_what_may_not_be_mapped(task: Task, mm: Mm, fd: int) -> None:
    assert mmap(task, fd, flags=MAP_PRIVATE) == -EINVAL
    assert mmap(task, fd, prot=5) == -EPERM
    mmap(task, fd, prot=1)
    assert do_syscall(task, "mprotect", BASE, 4096, 5) == -EACCES
    task.cred.cap_effective = 0
    task.signal.rlim_cur[MEMLOCK] = 3 * 4096
    assert mmap(task, fd, BASE + 8192) == -EAGAIN
    assert mm.locked_vm == 2


def test_what_a_refusal_replaces_is_gone(task: Task, mm: Mm, fd: int) -> None:
    do_syscall(task, "mmap", BASE, 16384, 3, 0x32, 2**64 - 1, 0)
    task.cred.cap_effective = 0
    task.signal.rlim_cur[MEMLOCK] = 4096
    assert mmap(task, fd) == -EAGAIN
    vma = find_vma(mm, BASE)
    assert vma is not None
    assert vma.vm_start == BASE + 8192


def test_it_stays_locked(task: Task, mm: Mm, fd: int) -> None:
    mmap(task, fd)
    assert do_syscall(task, "munlock", BASE, 4096) == 0
    assert do_syscall(task, "munlockall") == 0
    assert (mm.map_count, mm.locked_vm) == (1, 2)
    assert do_syscall(task, "mlock", BASE, 4096) == -ENOMEM
    assert do_syscall(task, "msync", BASE, 4096, MS_INVALIDATE) == -EBUSY


def test_advice(task: Task, fd: int) -> None:
    mmap(task, fd)
    assert do_syscall(task, "madvise", BASE, 4096, MADV_DONTNEED_LOCKED) == 0
    for advice in (MADV_DONTNEED, MADV_POPULATE_READ, MADV_REMOVE):
        assert do_syscall(task, "madvise", BASE, 4096, advice) == -EINVAL


def test_a_child_inherits_it_unlocked(task: Task, fd: int) -> None:
    mmap(task, fd)
    child = do_fork(task, 0, 101)
    assert child is not None
    assert child.mm is not None
    vma = find_vma(child.mm, BASE)
    assert vma is not None
    assert "lo" not in vm_flag_letters(vma.vm_flags)
    assert child.mm.locked_vm == 0


LOCKED = [((6, 1), False), ((6, 12), False), ((6, 18), True), ((7, 0), True), ((7, 2), False)]


@pytest.mark.parametrize(("version", "locked"), LOCKED, ids=str)
def test_which_kernels_lock_it(
    machine: LinuxMachine, task: Task, mm: Mm, fd: int, version: Version, locked: bool
) -> None:
    machine.config.features = Features(version)
    assert mmap(task, fd) == BASE
    vma = find_vma(mm, BASE)
    assert vma is not None
    words = vm_flag_letters(vma.vm_flags)
    assert words == ("rd", "wr", "sh", "mr", "mw", "ms", *(("lo",) if locked else ()), "dd")
    assert mm.locked_vm == (2 if locked else 0)
    assert do_syscall(task, "mlock", BASE, 4096) == -ENOMEM
    assert do_syscall(task, "msync", BASE, 4096, MS_INVALIDATE) == (-EBUSY if locked else 0)
    # There is nothing that it could be written out to: asked of 6.18 and 7.3.
    assert do_syscall(task, "msync", BASE, 4096, MS_SYNC) == -EINVAL
    assert do_syscall(task, "msync", BASE, 4096, MS_ASYNC) == 0
    for advice in (MADV_COLD, MADV_DONTNEED):
        assert do_syscall(task, "madvise", BASE, 4096, advice) == (-EINVAL if locked else 0)
    removed = -EINVAL if locked else -EOPNOTSUPP
    assert do_syscall(task, "madvise", BASE, 4096, MADV_REMOVE) == removed


@pytest.mark.parametrize(("version", "locked"), LOCKED, ids=str)
def test_where_the_limit_of_locked_memory_holds(
    machine: LinuxMachine, task: Task, fd: int, version: Version, locked: bool
) -> None:
    machine.config.features = Features(version)
    task.cred.cap_effective = 0
    task.signal.rlim_cur[MEMLOCK] = 4096
    assert mmap(task, fd) == (-EAGAIN if locked else BASE)


@pytest.mark.parametrize("version", [(6, 1), (6, 12), (7, 2), (7, 3)], ids=str)
def test_locked_by_the_caller_it_stays_locked(
    machine: LinuxMachine, task: Task, mm: Mm, fd: int, version: Version
) -> None:
    machine.config.features = Features(version)
    assert mmap(task, fd, flags=MAP_SHARED | MAP_LOCKED) == BASE
    assert do_syscall(task, "munlock", BASE, 4096) == 0
    assert (mm.map_count, mm.locked_vm) == (1, 2)


@pytest.mark.parametrize(
    ("version", "count"), [((6, 1), 2), ((6, 12), 2), ((6, 18), 1), ((7, 3), 1)], ids=str
)
def test_merging_upwards_with_nothing_below(
    machine: LinuxMachine, task: Task, mm: Mm, fd: int, version: Version, count: int
) -> None:
    machine.config.features = Features(version)
    mmap(task, fd, BASE + 8192)
    mmap(task, fd)
    assert mm.map_count == count
    # With something below, a neighbour above is always joined.
    mmap(task, fd, BASE + 0x20000 + 8192)
    mmap(task, fd, BASE + 0x20000)
    assert mm.map_count == count + 1
