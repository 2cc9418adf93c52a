# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers that checks against real kernels have shown, each as the smallest case found."""

import pytest

from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall
from vmalab.linux.fs.file import I_CHR
from vmalab.linux.fs.open import anon_file, file_open
from vmalab.linux.fs.proc.task_mmu import mm_vmas, vm_flag_letters
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, EIO, ENODEV, ENOMEM, EPERM
from vmalab.linux.include.uapi.fcntl import F_ADD_SEALS, F_SEAL_FUTURE_WRITE
from vmalab.linux.include.uapi.memfd import MFD_ALLOW_SEALING
from vmalab.linux.include.uapi.mempolicy import MPOL_LOCAL
from vmalab.linux.include.uapi.mman import (
    MADV_COLLAPSE,
    MADV_DONTNEED,
    MADV_GUARD_INSTALL,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MAP_ANONYMOUS,
    MAP_DROPPABLE,
    MAP_FIXED,
    MAP_POPULATE,
    MCL_FUTURE,
    MLOCK_ONFAULT,
)
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_API,
    UFFDIO_API,
    UFFDIO_REGISTER,
    UFFDIO_UNREGISTER,
)
from vmalab.linux.kernel.machine import Machine
from vmalab.linux.kernel.task import Task
from vmalab.linux.mm.mm_types import Mm

MINUS_1 = 2**64 - 1
HOLE = 0x60000000
PAGE = 4096
FIXED_ANON, SHARED_ANON = 0x32, 0x31
PRIVATE_FILE, SHARED_FILE = 0x12, 0x11
MISSING = 1


def map_page(task: Task, addr: int, pages: int = 1, flags: int = FIXED_ANON) -> None:
    assert do_syscall(task, "mmap", addr, pages * PAGE, 3, flags, MINUS_1, 0) == addr


def userfaultfd(task: Task) -> int:
    """A userfaultfd that does not hear of moves."""
    fd = do_syscall(task, "userfaultfd", 1)
    api = {"api": UFFD_API, "features": 0}
    assert do_syscall(task, "ioctl", fd, UFFDIO_API, 1 << 63, mem={2: api}) == 0
    return fd


def register(task: Task, fd: int, start: int, length: int) -> int:
    """The answer to registering a range for missing pages."""
    range_ = {"range": {"start": start, "len": length}, "mode": MISSING}
    return do_syscall(task, "ioctl", fd, UFFDIO_REGISTER, 1 << 63, mem={2: range_})


def registered(mm: Mm) -> list[tuple[int, int, bool]]:
    """Each VMA: start, end, and whether faults of missing pages are handed over."""
    return [
        (vma.vm_start, vma.vm_end, "um" in vm_flag_letters(vma.vm_flags, True))
        for vma in mm_vmas(mm)
    ]


@pytest.mark.parametrize(
    ("addr", "result"),
    [(MINUS_1, -1), (MINUS_1 - 4094, -4095), (MINUS_1 - 4095, -ENOMEM)],
    ids=["-1", "-4095", "-4096"],
)
@pytest.mark.parametrize("flags", [0x32, 0x100022], ids=["fixed", "noreplace"])
def test_a_fixed_address_that_looks_like_an_errno_is_one(
    task: Task, addr: int, result: int, flags: int
) -> None:
    """So did Linux 6.18 answer when asked."""
    assert do_syscall(task, "mmap", addr, 4096, 3, flags, MINUS_1, 0) == result


@pytest.mark.parametrize(("version", "result"), [((6, 12), -ENODEV), ((6, 18), -EPERM)])
def test_an_executable_mapping_of_an_eventfd(
    machine: Machine, task: Task, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    fd = 9
    task.files.install_at(fd, anon_file(machine, "anon_inode:[eventfd]"))
    assert do_syscall(task, "mmap", 0, 4096, 1, 2, fd, 0) == -ENODEV
    assert do_syscall(task, "mmap", 0, 4096, 5, 2, fd, 0) == result


@pytest.mark.parametrize(("version", "aligned"), [((6, 12), False), ((6, 18), True)])
def test_the_place_of_a_private_mapping_of_zeros(
    machine: Machine, task: Task, version: Version, aligned: bool
) -> None:
    machine.config.features = Features(version)
    do_syscall(task, "mmap", 0, 4096, 3, 0x22, MINUS_1, 0)
    machine.add_inode("/dev/zero", I_CHR, "00:06", 5, -1)
    fd = 9
    task.files.install_at(fd, file_open(machine, "/dev/zero", 2))
    place = do_syscall(task, "mmap", 0, 2 << 20, 3, 2, fd, 0)
    assert (place & ((2 << 20) - 1) == 0) == aligned


def test_misplaced_pages_before_a_hole(task: Task) -> None:
    """A hole is seen when the VMA before it is looked at."""
    do_syscall(task, "mmap", HOLE, 4096, 3, 0x8032, MINUS_1, 0)
    strict = 1
    assert do_syscall(task, "mbind", HOLE, 8192, MPOL_LOCAL, 0, 0, strict) == -EFAULT
    do_syscall(task, "mmap", HOLE + PAGE, 4096, 1, FIXED_ANON, MINUS_1, 0)
    assert do_syscall(task, "mbind", HOLE, 3 * PAGE, MPOL_LOCAL, 0, 0, strict) == -EIO


@pytest.mark.parametrize("flags", [FIXED_ANON, SHARED_ANON], ids=["private", "shared"])
def test_a_copy_beside_its_source_is_registered_no_more(
    machine: Machine, task: Task, mm: Mm, flags: int
) -> None:
    """MAYMOVE|FIXED|DONTUNMAP, as on 6.12."""
    machine.config.features = Features((6, 12))
    here, there = 0x50001000, 0x50000000
    map_page(task, here, flags=flags)
    assert register(task, userfaultfd(task), here, PAGE) == 0
    assert do_syscall(task, "mremap", here, PAGE, PAGE, 7, there) == there
    assert registered(mm) == [(there, here, False), (here, here + PAGE, True)]


@pytest.mark.parametrize(("version", "merged"), [((7, 2), True), ((7, 3), False)])
def test_a_copy_takes_its_neighbour_out_of_the_userfaultfd(
    machine: Machine, task: Task, mm: Mm, version: Version, merged: bool
) -> None:
    machine.config.features = Features(version)
    first, second, there = 0x50000000, 0x50002000, 0x50003000
    map_page(task, first)
    map_page(task, second)
    assert register(task, userfaultfd(task), first, 3 * PAGE) == 0
    assert do_syscall(task, "mremap", first, PAGE, PAGE, 3, there) == there
    apart = [(second, there, True), (there, there + PAGE, False)]
    assert registered(mm) == ([(second, there + PAGE, False)] if merged else apart)


def test_a_copy_that_merges_with_its_source_takes_it_out_too(task: Task, mm: Mm) -> None:
    """The middle is unmapped again; what is left on both sides was one VMA for a moment."""
    here, there = 0x50002000, 0x50000000
    map_page(task, here, 3)
    assert register(task, userfaultfd(task), here, 3 * PAGE) == 0
    assert do_syscall(task, "mremap", here, 2 * PAGE, 2 * PAGE, 3, there) == there
    assert registered(mm) == [(there, here, False), (0x50004000, 0x50005000, False)]


def test_a_system_v_segment_has_no_userfaultfd(task: Task) -> None:
    """Its VMA has operations of its own, not shmem's."""
    fd = userfaultfd(task)
    segment = do_syscall(task, "shmget", 0, PAGE, 0o1600)
    assert do_syscall(task, "shmat", segment, HOLE, 0) == HOLE
    assert register(task, fd, HOLE, PAGE) == -EINVAL
    range_ = {"start": HOLE, "len": PAGE}
    assert do_syscall(task, "ioctl", fd, UFFDIO_UNREGISTER, 1 << 63, mem={2: range_}) == -EINVAL


def child_of(machine: Machine, task: Task) -> Task:
    return machine.tasks[do_syscall(task, "fork")]


@pytest.mark.parametrize("flags", [FIXED_ANON, SHARED_ANON], ids=["private", "shared"])
def test_guard_regions_survive_a_fork(machine: Machine, task: Task, flags: int) -> None:
    map_page(task, HOLE, flags=flags)
    assert do_syscall(task, "madvise", HOLE, PAGE, MADV_GUARD_INSTALL) == 0
    child = child_of(machine, task)
    assert do_syscall(child, "madvise", HOLE, PAGE, MADV_POPULATE_WRITE) == -EFAULT


def test_writing_beyond_the_end_of_a_private_file_prepares_an_anon_vma(task: Task, mm: Mm) -> None:
    """mlock fails, and the second page does not merge with the first any more once unlocked."""
    fd = memfd(task, PAGE)
    assert do_syscall(task, "mmap", HOLE, 2 * PAGE, 3, PRIVATE_FILE, fd, PAGE) == HOLE
    assert do_syscall(task, "mlock", HOLE + PAGE, PAGE) == -ENOMEM
    first, second = mm_vmas(mm)
    assert first.anon_vma is None
    assert second.anon_vma is not None


def memfd(task: Task, size: int) -> int:
    fd = do_syscall(task, "memfd_create", 1 << 63, MFD_ALLOW_SEALING, mem={0: "x"})
    assert do_syscall(task, "ftruncate", fd, size) == 0
    return fd


def test_a_shared_page_that_another_process_brought_is_not_missing(
    machine: Machine, task: Task
) -> None:
    map_page(task, HOLE, 2, SHARED_ANON)
    child = child_of(machine, task)
    assert do_syscall(child, "madvise", HOLE, PAGE, MADV_POPULATE_READ) == 0
    machine.exit_task(child)
    assert register(task, userfaultfd(task), HOLE, 2 * PAGE) == 0
    assert do_syscall(task, "mlock", HOLE, PAGE) == 0
    assert do_syscall(task, "mlock", HOLE + PAGE, PAGE) == -ENOMEM


@pytest.mark.parametrize("version", [(6, 1), (6, 12)])
@pytest.mark.parametrize("beside", [False, True])
def test_a_sealed_file_refuses_to_replace_a_mapping(
    machine: Machine, task: Task, mm: Mm, version: Version, beside: bool
) -> None:
    """6.1 has unmapped it by then, and does not ask the file when the mapping merges."""
    machine.config.features = Features(version)
    fd = memfd(task, 8 * PAGE)
    if beside:
        assert do_syscall(task, "mmap", HOLE, PAGE, 3, SHARED_FILE, fd, 0) == HOLE
    map_page(task, HOLE + PAGE)
    assert do_syscall(task, "fcntl", fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0
    late = version == (6, 1)
    result = do_syscall(task, "mmap", HOLE + PAGE, PAGE, 3, SHARED_FILE, fd, PAGE)
    assert result == (HOLE + PAGE if late and beside else -EPERM)
    assert len(mm_vmas(mm)) == beside + (not late)


@pytest.mark.parametrize(
    ("rights", "prot", "advice", "result"),
    [
        (1, 3, MADV_POPULATE_READ, -EINVAL),
        (2, 3, MADV_POPULATE_READ, 0),
        (2, 3, MADV_POPULATE_WRITE, -EINVAL),
        (0, 3, MADV_POPULATE_WRITE, 0),
    ],
    ids=["no-access-read", "no-write-read", "no-write-write", "all-write"],
)
def test_a_key_forbids_to_populate(
    machine: Machine, task: Task, rights: int, prot: int, advice: int, result: int
) -> None:
    machine.config.pkeys = True
    map_page(task, HOLE)
    key = do_syscall(task, "pkey_alloc", 0, rights)
    assert do_syscall(task, "pkey_mprotect", HOLE, PAGE, prot, key) == 0
    assert do_syscall(task, "madvise", HOLE, PAGE, advice) == result
    child = child_of(machine, task)
    assert do_syscall(child, "madvise", HOLE, PAGE, advice) == result


def test_memory_that_can_only_be_executed_is_not_brought_in(machine: Machine, task: Task) -> None:
    """But it is locked."""
    machine.config.pkeys = True
    map_page(task, HOLE)
    assert do_syscall(task, "mprotect", HOLE, PAGE, 4) == 0
    assert do_syscall(task, "mlock", HOLE, PAGE) == -ENOMEM
    assert do_syscall(task, "mlock2", HOLE, PAGE, MLOCK_ONFAULT) == 0


def test_the_kernel_writes_to_no_page_whose_key_forbids_it(machine: Machine, task: Task) -> None:
    machine.config.pkeys = True
    map_page(task, HOLE)
    key = do_syscall(task, "pkey_alloc", 0, 1)
    assert do_syscall(task, "pkey_mprotect", HOLE, PAGE, 3, key) == 0
    assert do_syscall(task, "prlimit64", 0, 9, 0, HOLE) == -EFAULT
    machine.knows_pkru = False
    assert do_syscall(task, "pkey_free", key) == 0
    assert do_syscall(task, "pkey_alloc", 0, 1) == key
    assert do_syscall(task, "prlimit64", 0, 9, 0, HOLE) == 0


def test_a_length_near_the_end_of_all_numbers_shrinks_to_all_of_user_space(
    task: Task, mm: Mm
) -> None:
    """What would be unmapped lies beyond it."""
    map_page(task, HOLE)
    assert do_syscall(task, "mremap", HOLE, 2**64 - 4097, mm.task_size, 1) == -EINVAL


@pytest.mark.parametrize(("version", "vmas"), [((6, 1), 3), ((6, 12), 2)], ids=str)
def test_a_copy_between_its_source_and_another_mapping(
    machine: Machine, task: Task, mm: Mm, version: Version, vmas: int
) -> None:
    """MAYMOVE|FIXED|DONTUNMAP of the first page of five to the fourth."""
    machine.config.features = Features(version)
    map_page(task, HOLE, 5)
    there = HOLE + 3 * PAGE
    assert do_syscall(task, "mremap", HOLE, PAGE, PAGE, 7, there) == there
    assert len(mm_vmas(mm)) == vmas


@pytest.mark.parametrize(
    ("version", "pages"),
    [((6, 1), 0), ((6, 12), 1 << 32), ((6, 18), 0), ((7, 2), 0), ((7, 3), 1 << 32)],
    ids=str,
)
def test_pages_of_16_tib_that_are_locked(
    machine: Machine, task: Task, mm: Mm, version: Version, pages: int
) -> None:
    machine.config.features = Features(version)
    far, length = 1 << 40, 1 << 44
    assert do_syscall(task, "mmap", far, length, 0, 0x4032, MINUS_1, 0) == far
    assert do_syscall(task, "mlock2", far, length, MLOCK_ONFAULT) == 0
    assert mm.locked_vm == pages
    assert do_syscall(task, "munlock", far, length) == 0
    assert mm.locked_vm == 0


@pytest.mark.parametrize(
    ("start", "length", "answer"),
    [(0, 0x1000, 0), (0x1000, 0x1000, -EINVAL), (0x1FF000, 0x2000, 0), (0x1000, 0x1FF000, 0)],
)
def test_collapse_of_a_part_within_one_huge_page(
    task: Task, start: int, length: int, answer: int
) -> None:
    map_page(task, 0x10000000, 1024, FIXED_ANON | MAP_POPULATE)
    assert do_syscall(task, "madvise", 0x10000000 + start, length, MADV_COLLAPSE) == answer


def test_collapse_takes_a_vma_below_the_first_huge_page_for_one_that_fits(task: Task) -> None:
    map_page(task, 0, 1, SHARED_ANON | MAP_FIXED)
    assert do_syscall(task, "madvise", 0, 2 * PAGE, MADV_COLLAPSE) == -ENOMEM
    map_page(task, 0x1000, 1, SHARED_ANON | MAP_FIXED)
    # Here huge pages and those of the file do not begin at the same places.
    assert do_syscall(task, "madvise", 0x1000, PAGE, MADV_COLLAPSE) == -EINVAL


def test_collapse_of_memory_that_was_never_written(task: Task) -> None:
    map_page(task, 0x10000000, 1024)
    assert do_syscall(task, "madvise", 0x10000000, PAGE, MADV_COLLAPSE) == -EINVAL


def test_collapse_within_one_huge_page_passes_since_7_2(machine: Machine, task: Task) -> None:
    machine.config.features.collapse_of_no_huge_page_passes = True
    map_page(task, 0x10000000, 1024, FIXED_ANON | MAP_POPULATE)
    assert do_syscall(task, "madvise", 0x10001000, PAGE, MADV_COLLAPSE) == 0


@pytest.mark.parametrize(("version", "result"), [((6, 12), 0), ((6, 18), -EPERM)])
def test_a_sealed_private_mapping_of_zeros_is_discarded(
    machine: Machine, task: Task, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    machine.add_inode("/dev/zero", I_CHR, "00:06", 5, -1)
    task.files.install_at(9, file_open(machine, "/dev/zero", 2))
    assert do_syscall(task, "mmap", HOLE, PAGE, 0, PRIVATE_FILE, 9, 0) == HOLE
    assert do_syscall(task, "mseal", HOLE, PAGE, 0) == 0
    assert do_syscall(task, "madvise", HOLE, PAGE, MADV_DONTNEED) == result


@pytest.mark.parametrize(("rights", "result"), [(0, 0), (1, -EPERM), (2, -EPERM)])
def test_a_seal_guards_what_a_key_forbids_to_write(
    machine: Machine, task: Task, rights: int, result: int
) -> None:
    machine.config.pkeys = True
    map_page(task, HOLE)
    key = do_syscall(task, "pkey_alloc", 0, rights)
    assert do_syscall(task, "pkey_mprotect", HOLE, PAGE, 3, key) == 0
    assert do_syscall(task, "mseal", HOLE, PAGE, 0) == 0
    assert do_syscall(task, "madvise", HOLE, PAGE, MADV_DONTNEED) == result


@pytest.mark.parametrize(
    ("version", "pages"), [((6, 12), 0), ((6, 18), 0), ((6, 19), 2), ((7, 0), 0)]
)
def test_droppable_memory_that_all_future_memory_is_locked_with(
    machine: Machine, task: Task, mm: Mm, version: Version, pages: int
) -> None:
    """6.19 locks it for good: munlock passes it over."""
    machine.config.features = Features(version)
    assert do_syscall(task, "mlockall", MCL_FUTURE) == 0
    map_page(task, HOLE, 2, MAP_DROPPABLE | MAP_ANONYMOUS | MAP_FIXED)
    assert do_syscall(task, "munlock", HOLE, PAGE) == 0
    assert mm.locked_vm == pages
    (vma,) = mm_vmas(mm)
    assert ("lo" in vm_flag_letters(vma.vm_flags, True)) == (pages != 0)
