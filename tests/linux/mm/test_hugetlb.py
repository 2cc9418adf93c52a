# SPDX-License-Identifier: GPL-2.0-or-later
"""Huge pages: pools, who takes pages of them and gives them back, alignment, refusals."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.linux.fs.exec import begin_new_exec
from vmalab.linux.fs.open import file_open
from vmalab.linux.fs.proc.task_mmu import mm_lines
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EFAULT,
    EINVAL,
    ENODEV,
    ENOMEM,
    ENOSPC,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
)
from vmalab.linux.include.uapi.fcntl import (
    F_ADD_SEALS,
    F_SEAL_GROW,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_ZERO_RANGE,
    O_CREAT,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
)
from vmalab.linux.include.uapi.mman import (
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_REMOVE,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_HUGETLB,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_READ,
    PROT_WRITE,
)
from vmalab.linux.include.uapi.shm import SHM_HUGETLB, SHM_NORESERVE
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.hugetlb_pool import ResvMap
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

M2, G1 = 2 << 20, 1 << 30
MINUS_1 = 2**64 - 1
BASE = 0x40000000
HUGE = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB
SHARED_HUGE = MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB
NO_PAGES = HUGE | MAP_NORESERVE


@pytest.fixture
def machine() -> Iterator[LinuxMachine]:
    """A machine with four pages of 2 MiB, a fifth on demand, and none of 1 GiB."""
    config = KernelConfig()
    config.hugepages = {M2: 4, G1: 0}
    config.overcommit_hugepages = {M2: 1}
    machine = LinuxMachine(config)
    yield machine
    for task in list(machine.tasks.values()):
        machine.exit_task(task)
    assert machine.leaks() == []


@pytest.fixture
def task(machine: LinuxMachine) -> Task:
    task = machine.spawn(100)
    begin_new_exec(task)
    return task


def mmap(task: Task, size: int, flags: int, addr: int = 0, fd: int = MINUS_1, at: int = 0) -> int:
    return do_syscall(task, "mmap", addr, size, 3, flags, fd, at)


def taken(machine: LinuxMachine) -> int:
    return int(machine.hstates[0].nr_committed)


def memfd(task: Task, flags: int = 4 | 2) -> int:
    return do_syscall(task, "memfd_create", 1, flags, mem={0: "x"})


def test_a_mapping_takes_its_pages_and_gives_them_back(machine: LinuxMachine, task: Task) -> None:
    place = mmap(task, 3 * M2 - 5, HUGE)
    assert place & (M2 - 1) == 0
    assert taken(machine) == 3
    assert mmap(task, 3 * M2, HUGE) == -ENOMEM
    assert mmap(task, 2 * M2, SHARED_HUGE) > 0
    assert taken(machine) == 5
    assert mmap(task, 1, HUGE) == -ENOMEM
    assert do_syscall(task, "munmap", place + M2, M2) == 0
    assert taken(machine) == 4
    assert do_syscall(task, "munmap", place, 3 * M2) == 0
    assert taken(machine) == 2


def test_a_shared_file_gives_its_pages_back_when_it_ends(machine: LinuxMachine, task: Task) -> None:
    place = mmap(task, 2 * M2, SHARED_HUGE)
    child = do_fork(task, 0, 101)
    assert child is not None
    do_syscall(task, "munmap", place, 2 * M2)
    assert taken(machine) == 2
    machine.exit_task(child)
    assert taken(machine) == 0


@pytest.mark.parametrize("version", [(5, 10), (6, 1), (6, 12), (7, 3)])
def test_a_replaced_file_has_its_pages_until_the_call_ends(
    machine: LinuxMachine, task: Task, version: Version
) -> None:
    """Debian's kernels 5.10, 6.1 and 6.12 answered the same."""
    machine.config.features = Features(version)
    mmap(task, 4 * M2, SHARED_HUGE | MAP_FIXED, BASE)
    assert mmap(task, 4 * M2, HUGE | MAP_FIXED, BASE) == -ENOMEM
    assert taken(machine) == 0
    assert mmap(task, 4 * M2, HUGE | MAP_FIXED, BASE) == BASE


@pytest.mark.parametrize("version", [(5, 10), (6, 12), (7, 3)])
def test_touching_a_new_mapping_takes_nothing_of_what_it_replaces(
    machine: LinuxMachine, task: Task, version: Version
) -> None:
    """Debian's kernels 5.10, 6.12 and 7.3 answered the same, with a pool of 12."""
    machine.config.features = Features(version)
    mmap(task, 4 * M2, SHARED_HUGE | MAP_FIXED | MAP_POPULATE, BASE)
    assert mmap(task, 4 * M2, NO_PAGES | MAP_FIXED | MAP_POPULATE, BASE) == BASE
    assert taken(machine) == 1
    assert mmap(task, 4 * M2, HUGE) > 0
    assert mmap(task, M2, HUGE) == -ENOMEM


def test_how_it_looks(task: Task, mm: Mm) -> None:
    mmap(task, M2, HUGE | MAP_FIXED, BASE)
    vma = find_vma(mm, BASE)
    assert vma is not None
    assert vm_flag_letters(vma.vm_flags) == ("rd", "wr", "mr", "mw", "me", "de", "ht")
    assert mm_lines(mm)[0].endswith(" 00:21 0" + " " * 34 + "/anon_hugepage (deleted)")
    assert mmap(task, M2, NO_PAGES | MAP_FIXED, BASE + M2) == BASE + M2
    assert mm.map_count == 2
    assert (mm.total_vm, mm.data_vm, mm.kernel.committed_as) == (1024, 1024, 0)


def test_sizes(machine: LinuxMachine, task: Task) -> None:
    assert mmap(task, 1, HUGE | 21 << 26) > 0
    assert mmap(task, 1, HUGE | 30 << 26) == -ENOMEM
    giant = mmap(task, 1, NO_PAGES | 30 << 26)
    assert giant & (G1 - 1) == 0
    assert do_syscall(task, "munmap", giant, M2) == -EINVAL
    assert do_syscall(task, "munmap", giant, G1) == 0
    for log in (1, 22, 34, 63):
        assert mmap(task, 1, HUGE | log << 26) == -EINVAL
    assert mmap(task, 0, HUGE) == -EINVAL
    assert mmap(task, MINUS_1, HUGE) == -EINVAL
    assert mmap(task, 1 << 48, HUGE) == -ENOMEM


def test_default_size() -> None:
    config = KernelConfig()
    config.default_hugepagesz = G1
    config.hugepages = {M2: 0, G1: 1}
    machine = LinuxMachine(config)
    task = machine.spawn(1)
    begin_new_exec(task)
    assert mmap(task, 1, HUGE | 21 << 26) == -ENOMEM
    assert mmap(task, 1, HUGE) & (G1 - 1) == 0


@pytest.mark.parametrize(
    ("addr", "flags", "offset", "result"),
    [
        (BASE + 4096, MAP_FIXED, 0, -EINVAL),
        (0xFFFFF00000001000, MAP_FIXED, 0, -EINVAL),
        (0xFFFFF00000000000, MAP_FIXED, 0, -ENOMEM),
        (BASE, MAP_FIXED, 4096, -EINVAL),
        (BASE, MAP_FIXED, 1 << 63, -EOVERFLOW),
        (BASE, MAP_FIXED, M2, BASE),
        (BASE + 4096, 0, 0, BASE + M2),
    ],
)
def test_alignment(task: Task, addr: int, flags: int, offset: int, result: int) -> None:
    assert mmap(task, M2, NO_PAGES | flags, addr, at=offset) == result


def test_a_hint_that_wraps_around_is_none(task: Task) -> None:
    assert mmap(task, M2, NO_PAGES, MINUS_1) == mmap(task, M2, NO_PAGES) + M2


@pytest.mark.parametrize("call", ["munmap", "mprotect", "madvise"])
@pytest.mark.parametrize(("start", "length"), [(0, 4096), (4096, M2), (M2, M2 + 4096)])
def test_cutting_a_huge_page(task: Task, call: str, start: int, length: int) -> None:
    place = mmap(task, 3 * M2, NO_PAGES)
    argument = {"munmap": 0, "mprotect": 1, "madvise": MADV_DONTFORK}[call]
    assert do_syscall(task, call, place + start, length, argument) == -EINVAL


def test_advice(machine: LinuxMachine, task: Task) -> None:
    place = mmap(task, 2 * M2, NO_PAGES)
    for advice, length, result in (
        (MADV_DONTNEED, 4096, 0),
        (MADV_FREE, M2, -EINVAL),
        (MADV_REMOVE, M2, -EACCES),
    ):
        assert do_syscall(task, "madvise", place, length, advice) == result
    assert do_syscall(task, "madvise", place + 4096, 4096, MADV_DONTNEED) == -EINVAL
    assert do_syscall(task, "madvise", place, 4096, MADV_POPULATE_READ) == 0
    assert taken(machine) == 1
    assert do_syscall(task, "madvise", place, 2 * M2, MADV_POPULATE_WRITE) == 0
    assert taken(machine) == 2
    assert do_syscall(task, "madvise", place, M2, MADV_DONTNEED) == 0
    assert taken(machine) == 1


def test_touching_more_than_there_is(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    place = mmap(task, 6 * M2, NO_PAGES)
    assert do_syscall(task, "madvise", place, 6 * M2, MADV_POPULATE_WRITE) == -EFAULT
    assert taken(machine) == 5
    vma = find_vma(mm, place)
    assert vma is not None
    assert vma.anon_vma is not None
    assert do_syscall(task, "mlock", place, 6 * M2) == -ENOMEM
    shared = mmap(task, M2, SHARED_HUGE | MAP_NORESERVE | MAP_POPULATE)
    assert shared > 0
    assert do_syscall(task, "madvise", shared, M2, MADV_POPULATE_READ) == -EFAULT
    assert do_syscall(task, "munmap", place, 6 * M2) == 0
    assert taken(machine) == 0
    assert do_syscall(task, "madvise", shared, M2, MADV_POPULATE_READ) == 0
    assert taken(machine) == 1


def test_a_child_has_nothing_reserved(machine: LinuxMachine, task: Task) -> None:
    place = mmap(task, 2 * M2, HUGE)
    child = do_fork(task, 0, 101)
    assert child is not None
    assert do_syscall(child, "munmap", place, 2 * M2) == 0
    assert taken(machine) == 2
    assert do_syscall(task, "munmap", place, 2 * M2) == 0
    assert taken(machine) == 0


def test_a_child_reads_its_parents_pages_and_writes_to_its_own(
    machine: LinuxMachine, task: Task
) -> None:
    """Debian's kernels 5.10 and 7.3 answered the same."""
    place = mmap(task, 2 * M2, HUGE | MAP_POPULATE | MAP_FIXED, BASE)
    child = do_fork(task, 0, 101)
    assert child is not None
    assert mmap(child, 2 * M2, HUGE) > 0
    assert do_syscall(child, "mprotect", place, 2 * M2, PROT_READ) == 0
    assert do_syscall(child, "mlock", place, 2 * M2) == 0
    assert taken(machine) == 4
    assert do_syscall(child, "mprotect", place, 2 * M2, PROT_READ | PROT_WRITE) == 0
    assert do_syscall(child, "mlock", place, 2 * M2) == -ENOMEM
    assert taken(machine) == 5
    assert do_syscall(child, "munmap", place, M2) == 0
    assert taken(machine) == 4
    assert do_syscall(child, "mlock", place + M2, M2) == 0
    assert taken(machine) == 5
    grandchild = do_fork(child, 0, 102)
    assert grandchild is not None
    assert do_syscall(grandchild, "munmap", place, 2 * M2) == 0
    assert taken(machine) == 5


@pytest.mark.parametrize(("version", "left"), [((6, 1), 3), ((6, 12), 4), ((7, 3), 4)])
def test_what_an_owner_drops_stays_reserved_or_not(
    machine: LinuxMachine, task: Task, version: Version, left: int
) -> None:
    machine.config.features = Features(version)
    place = mmap(task, 4 * M2, HUGE | MAP_POPULATE)
    assert do_syscall(task, "madvise", place, M2, MADV_DONTNEED) == 0
    assert taken(machine) == left
    assert do_syscall(task, "madvise", place, M2, MADV_POPULATE_WRITE) == 0
    assert taken(machine) == 4
    assert do_syscall(task, "munmap", place, 4 * M2) == 0
    assert taken(machine) == 0


@pytest.mark.parametrize(("version", "left"), [((5, 10), 2), ((6, 12), 4)])
def test_a_hole_or_a_truncation_takes_private_pages_too(
    machine: LinuxMachine, task: Task, version: Version, left: int
) -> None:
    machine.config.features = Features(version)
    fd = memfd(task)
    assert do_syscall(task, "ftruncate", fd, 4 * M2) == 0
    place = mmap(task, 4 * M2, MAP_PRIVATE | MAP_POPULATE, 0, fd)
    hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    assert do_syscall(task, "fallocate", fd, hole, M2, M2) == 0
    assert do_syscall(task, "ftruncate", fd, 3 * M2) == 0
    assert taken(machine) == left
    assert do_syscall(task, "munmap", place, 4 * M2) == 0
    assert taken(machine) == 0


@pytest.mark.parametrize("version", [(5, 10), (6, 12)])
def test_a_hole_leaves_nothing_reserved_for_a_page_that_a_child_shows(
    machine: LinuxMachine, task: Task, version: Version
) -> None:
    machine.config.features = Features(version)
    fd = memfd(task)
    assert do_syscall(task, "ftruncate", fd, 3 * M2) == 0
    place = mmap(task, 3 * M2, MAP_PRIVATE | MAP_POPULATE, 0, fd)
    child = do_fork(task, 0, 101)
    assert child is not None
    hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    assert do_syscall(child, "fallocate", fd, hole, M2, M2) == 0
    assert taken(machine) == 2
    assert do_syscall(task, "mlock", place + M2, M2) == 0
    assert taken(machine) == 3
    assert do_syscall(task, "munmap", place, 3 * M2) == 0
    assert taken(machine) == 0


def test_a_hole_leaves_what_is_reserved_and_has_no_page(machine: LinuxMachine, task: Task) -> None:
    """Debian's kernels 5.10, 6.12 and 7.3 answered the same."""
    fd = memfd(task)
    place = mmap(task, 4 * M2, MAP_SHARED, 0, fd)
    assert do_syscall(task, "mlock", place, M2) == 0
    assert do_syscall(task, "madvise", place, 2 * M2, MADV_REMOVE) == 0
    assert taken(machine) == 3
    assert do_syscall(task, "mlock", place, 4 * M2) == 0
    assert taken(machine) == 4
    assert do_syscall(task, "madvise", place, 4 * M2, MADV_REMOVE) == 0
    assert taken(machine) == 0


@pytest.mark.parametrize("flags", [0, MAP_NORESERVE])
def test_a_private_mapping_reads_pages_of_the_file(
    machine: LinuxMachine, task: Task, flags: int
) -> None:
    """Debian's kernels 5.10, 6.12 and 7.3 answered the same."""
    fd = memfd(task)
    assert mmap(task, M2, MAP_SHARED | MAP_POPULATE, 0, fd) > 0
    place = do_syscall(task, "mmap", 0, M2, PROT_READ, MAP_PRIVATE | flags, fd, 0)
    reserved = 1 if flags == 0 else 0
    assert do_syscall(task, "mlock", place, M2) == 0
    assert taken(machine) == 1 + reserved
    assert do_syscall(task, "mprotect", place, M2, PROT_READ | PROT_WRITE) == 0
    assert do_syscall(task, "mlock", place, M2) == 0
    assert taken(machine) == 2


def test_moving(machine: LinuxMachine, task: Task) -> None:
    place = mmap(task, 2 * M2, HUGE | MAP_FIXED, BASE)
    flags = MREMAP_MAYMOVE | MREMAP_FIXED
    assert do_syscall(task, "mremap", place, 2 * M2, 3 * M2, MREMAP_MAYMOVE) == -EINVAL
    assert do_syscall(task, "mremap", place + 4096, M2, M2, 0) == -EINVAL
    assert do_syscall(task, "mremap", place, 2 * M2, 2 * M2, flags, BASE + 9 * M2 + 4096) == -EINVAL
    assert do_syscall(task, "mremap", place, 4096, 4096, 0) == place
    target = BASE + 9 * M2
    assert do_syscall(task, "mremap", place, 2 * M2, 2 * M2, flags, target) == target
    assert taken(machine) == 2
    assert do_syscall(task, "mremap", target, 2 * M2, 4096, 0) == target
    assert taken(machine) == 1


@pytest.mark.parametrize("first", [0, 1], ids=["first", "last"])
def test_pages_that_stay_when_others_move_go_back_in_the_end(
    machine: LinuxMachine, task: Task, first: int
) -> None:
    place = mmap(task, 2 * M2, HUGE | MAP_POPULATE)
    part, target, flags = place + first * M2, BASE + 9 * M2, MREMAP_MAYMOVE | MREMAP_FIXED
    assert do_syscall(task, "mremap", part, M2, M2, flags, target) == target
    for start, left in ((place, 1), (target, 0)):
        assert taken(machine) == left + 1
        assert do_syscall(task, "munmap", start, 2 * M2) == 0
        assert taken(machine) == left


def test_memory_files(machine: LinuxMachine, task: Task) -> None:
    fd = memfd(task)
    assert do_syscall(task, "ftruncate", fd, 4096) == -EINVAL
    assert do_syscall(task, "ftruncate", fd, 2 * M2) == 0
    assert mmap(task, 4096, MAP_SHARED, 0, fd, 4096) == -EINVAL
    place = mmap(task, 4096, MAP_SHARED, 0, fd, M2)
    assert taken(machine) == 1
    assert mmap(task, 2 * M2, MAP_SHARED, 0, fd) > 0
    assert taken(machine) == 2
    assert do_syscall(task, "munmap", place, M2) == 0
    assert taken(machine) == 2
    assert do_syscall(task, "ftruncate", fd, M2) == 0
    assert taken(machine) == 1
    assert mmap(task, 4096, MAP_PRIVATE | MAP_HUGETLB, 0, 77) < 0
    assert memfd(task, 4 | 22 << 26) == -ENODEV
    assert memfd(task, 4 | 30 << 26) > fd


def test_a_writable_mapping_makes_the_file_longer(machine: LinuxMachine, task: Task) -> None:
    fd = memfd(task)
    file = task.files.fget(fd)
    assert file is not None
    assert do_syscall(task, "mmap", 0, 4 * M2, 1, MAP_SHARED | MAP_NORESERVE, fd, 0) > 0
    assert file.inode.size == 0
    place = mmap(task, 3 * M2, MAP_PRIVATE | MAP_NORESERVE, 0, fd)
    assert file.inode.size == 3 * M2
    do_syscall(task, "ftruncate", fd, M2)
    assert do_syscall(task, "madvise", place, 3 * M2, MADV_POPULATE_WRITE) == -EFAULT
    assert taken(machine) == 1


def test_fallocate(machine: LinuxMachine, task: Task) -> None:
    fd = memfd(task)
    assert do_syscall(task, "fallocate", fd, FALLOC_FL_ZERO_RANGE, 0, M2) == -EOPNOTSUPP
    assert do_syscall(task, "fallocate", fd, 0, 4096, 3 * M2 - 4096) == 0
    assert taken(machine) == 3
    assert do_syscall(task, "fallocate", fd, 0, 0, 9 * M2) == -ENOSPC
    assert taken(machine) == 5
    hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    assert do_syscall(task, "fallocate", fd, hole, 4096, 2 * M2) == 0
    assert taken(machine) == 4
    assert do_syscall(task, "fallocate", fd, hole, 4096, 4096) == 0
    place = mmap(task, 5 * M2, MAP_SHARED | MAP_NORESERVE, 0, fd)
    assert do_syscall(task, "madvise", place, 2 * M2, MADV_REMOVE) == 0
    assert taken(machine) == 3


@pytest.mark.parametrize(("known", "left"), [(True, 4), (False, 2)], ids=["known", "unknown"])
def test_a_hole_gives_back_what_was_touched(
    machine: LinuxMachine, task: Task, known: bool, left: int
) -> None:
    """A page that is only reserved stays so. Of a log without touches, all count as touched."""
    machine.hstates[0].knows_touched = known
    place = mmap(task, 5 * M2, SHARED_HUGE)
    assert do_syscall(task, "madvise", place + M2, M2, MADV_POPULATE_READ) == 0
    assert do_syscall(task, "madvise", place, 3 * M2, MADV_REMOVE) == 0
    assert taken(machine) == left
    assert do_syscall(task, "madvise", place, 3 * M2, MADV_POPULATE_READ) == 0
    assert taken(machine) == 5
    assert do_syscall(task, "madvise", place, 3 * M2, MADV_REMOVE) == 0
    assert taken(machine) == 2


def test_a_hole_gives_back_no_page_that_there_was_none_of(
    machine: LinuxMachine, task: Task
) -> None:
    """The third page is only reserved, as the second one could not be had."""
    fd = memfd(task)
    assert do_syscall(task, "ftruncate", fd, 3 * M2) == 0
    assert mmap(task, M2, MAP_SHARED, 0, fd, 2 * M2) > 0
    assert mmap(task, 3 * M2, HUGE) > 0
    place = mmap(task, 3 * M2, MAP_SHARED | MAP_NORESERVE, 0, fd)
    assert do_syscall(task, "madvise", place, 3 * M2, MADV_POPULATE_READ) == -EFAULT
    assert taken(machine) == 5
    assert do_syscall(task, "madvise", place, 3 * M2, MADV_REMOVE) == 0
    assert taken(machine) == 4


def test_seals(task: Task) -> None:
    fd = memfd(task)
    do_syscall(task, "ftruncate", fd, M2)
    seals = F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE
    assert do_syscall(task, "fcntl", fd, F_ADD_SEALS, seals) == 0
    assert do_syscall(task, "ftruncate", fd, 0) == -EPERM
    assert do_syscall(task, "ftruncate", fd, 2 * M2) == -EPERM
    assert do_syscall(task, "ftruncate", fd, 4096) == -EINVAL
    assert do_syscall(task, "fallocate", fd, 0, 0, 2 * M2) == -EPERM
    hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    assert do_syscall(task, "fallocate", fd, hole, 0, M2) == -EPERM


def test_segments(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    shmid = do_syscall(task, "shmget", 0, 4096, 0o600 | SHM_HUGETLB)
    assert taken(machine) == 1
    assert do_syscall(task, "shmat", shmid, BASE + 4096, 0) == -EINVAL
    assert do_syscall(task, "shmat", shmid, BASE, 0) == BASE
    assert mm.total_vm == 512
    assert taken(machine) == 1
    assert do_syscall(task, "munmap", BASE, 4096) == -EINVAL
    vma = find_vma(mm, BASE)
    assert vma is not None
    assert vm_flag_letters(vma.vm_flags)[-2:] == ("de", "ht")
    assert do_syscall(task, "shmdt", BASE) == 0
    assert do_syscall(task, "shmctl", shmid, 0, 0) == 0
    assert taken(machine) == 0


@pytest.mark.parametrize(
    ("flags", "size", "caps", "result"),
    [
        (SHM_HUGETLB, 6 * M2, MINUS_1, -ENOMEM),
        (SHM_HUGETLB | SHM_NORESERVE, 6 * M2, MINUS_1, 0),
        (SHM_HUGETLB | 22 << 26, 1, 0, -EINVAL),
        (SHM_HUGETLB, 1, 0, -EPERM),
    ],
)
def test_segments_refused(task: Task, flags: int, size: int, caps: int, result: int) -> None:
    task.cred.cap_effective = caps
    task.cred.set_uids(5)
    task.cred.set_gids(5)
    assert do_syscall(task, "shmget", 0, size, 0o600 | flags) == result


def test_files_of_a_hugetlbfs(machine: LinuxMachine, task: Task) -> None:
    file = file_open(machine, "/dev/hugepages/x", O_CREAT | O_RDWR)
    task.files.install_at(7, file)
    place = mmap(task, M2, MAP_SHARED, 0, 7)
    do_syscall(task, "munmap", place, M2)
    do_syscall(task, "close", 7)
    assert taken(machine) == 1
    task.files.install_at(7, file_open(machine, "/dev/hugepages/x", O_RDWR))
    do_syscall(task, "unlink", 1, mem={0: "/dev/hugepages/x"})
    do_syscall(task, "close", 7)
    assert taken(machine) == 0


def test_a_memory_file_that_is_open_twice_keeps_its_pages(
    machine: LinuxMachine, task: Task
) -> None:
    fd = do_syscall(task, "memfd_create", 1, 4, mem={0: "x"})
    do_syscall(task, "ftruncate", fd, M2)
    again = do_syscall(task, "open", 1, O_RDWR, mem={0: f"/proc/self/fd/{fd}"})
    place = mmap(task, M2, MAP_SHARED, 0, fd)
    do_syscall(task, "munmap", place, M2)
    do_syscall(task, "close", again)
    assert taken(machine) == 1
    do_syscall(task, "close", fd)
    assert taken(machine) == 0


@pytest.mark.parametrize(
    ("path", "flags", "result"),
    [
        ("/proc/sys/vm/nr_hugepages", O_RDONLY, -ENOMEM),
        ("/proc/sys/vm/nr_hugepages", O_WRONLY, 0),
        ("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", O_RDWR, 0),
        ("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", O_WRONLY, -ENOMEM),
        ("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", O_RDWR, -ENOMEM),
    ],
)
def test_a_pool_that_somebody_changes(
    machine: LinuxMachine, task: Task, path: str, flags: int, result: int
) -> None:
    task.files.install_at(7, file_open(machine, path, flags))
    assert min(mmap(task, 9 * M2, HUGE), 0) == result


RANGES = st.lists(
    st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 20)).map(
        lambda op: (op[0], min(op[1:]), max(op[1:]))
    ),
    max_size=12,
)


@given(RANGES)
def test_a_map_of_ranges_is_a_set(operations: list[tuple[bool, int, int]]) -> None:
    resv_map, model = ResvMap(), set[int]()
    for adds, start, end in operations:
        indices = set(range(start, end))
        if not adds:
            assert resv_map.remove(start, end) == len(model & indices)
            model -= indices
        elif start < end:
            resv_map.add(start, end)
            model |= indices
        assert resv_map.count(3, 17) == len(model & set(range(3, 17)))
    spans = list(zip(resv_map.starts, resv_map.ends, strict=True))
    assert {i for start, end in spans for i in range(start, end)} == model
    assert all(a[1] < b[0] for a, b in pairwise(spans))


def test_each_pool_has_a_device_of_its_own() -> None:
    """Of three sizes on one machine no two files look alike in maps."""
    config = KernelConfig()
    config.hugepages = {2 << 20: 1, 1 << 30: 1, 64 << 10: 1}
    machine = LinuxMachine(config)
    assert [(h.size, h.dev) for h in machine.hstates] == [
        (2 << 20, "00:21"),
        (1 << 30, "00:22"),
        (64 << 10, "00:23"),
    ]
    assert list(machine.unnamed_dev_ida.bitmap.bits()) == [0x21, 0x22, 0x23]
    machine.unnamed_dev_ida.validate()
