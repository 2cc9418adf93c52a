# SPDX-License-Identifier: GPL-2.0-or-later
"""mmap: which addresses, files and seals it refuses, and where it places what it maps.

Each test is the smallest case found of what real kernels answered.
"""

from collections.abc import Callable

import pytest

from vmalab.linux.fs.open import anon_file, file_open
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.mm_flags import VM_NOHUGEPAGE
from vmalab.linux.include.uapi.errno import EINVAL, ENODEV, ENOMEM, EOVERFLOW, EPERM
from vmalab.linux.include.uapi.fcntl import F_ADD_SEALS, F_SEAL_FUTURE_WRITE
from vmalab.linux.include.uapi.memfd import MFD_ALLOW_SEALING
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.file import I_CHR
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

MINUS_1 = 2**64 - 1
HOLE = 0x60000000
PAGE = 4096
SHARED_FILE = 0x11


def memfd(task: Task, size: int) -> int:
    fd = do_syscall(task, "memfd_create", 1 << 63, MFD_ALLOW_SEALING, mem={0: "x"})
    assert do_syscall(task, "ftruncate", fd, size) == 0
    return fd


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
    machine: LinuxMachine, task: Task, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    fd = 9
    task.files.install_at(fd, anon_file(machine, "anon_inode:[eventfd]"))
    assert do_syscall(task, "mmap", 0, 4096, 1, 2, fd, 0) == -ENODEV
    assert do_syscall(task, "mmap", 0, 4096, 5, 2, fd, 0) == result


@pytest.mark.parametrize(("version", "aligned"), [((6, 12), False), ((6, 18), True)])
def test_the_place_of_a_private_mapping_of_zeros(
    machine: LinuxMachine, task: Task, version: Version, aligned: bool
) -> None:
    machine.config.features = Features(version)
    do_syscall(task, "mmap", 0, 4096, 3, 0x22, MINUS_1, 0)
    machine.add_inode("/dev/zero", I_CHR, "00:06", 5, -1)
    fd = 9
    task.files.install_at(fd, file_open(machine, "/dev/zero", 2))
    place = do_syscall(task, "mmap", 0, 2 << 20, 3, 2, fd, 0)
    assert (place & ((2 << 20) - 1) == 0) == aligned


@pytest.mark.parametrize("version", [(6, 1), (6, 12)])
@pytest.mark.parametrize("beside", [False, True])
def test_a_sealed_file_refuses_to_replace_a_mapping(
    machine: LinuxMachine,
    task: Task,
    mm: Mm,
    version: Version,
    beside: bool,
    map_pages: Callable[..., None],
) -> None:
    """6.1 has unmapped it by then, and does not ask the file when the mapping merges."""
    machine.config.features = Features(version)
    fd = memfd(task, 8 * PAGE)
    if beside:
        assert do_syscall(task, "mmap", HOLE, PAGE, 3, SHARED_FILE, fd, 0) == HOLE
    map_pages(HOLE + PAGE)
    assert do_syscall(task, "fcntl", fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0
    late = version == (6, 1)
    result = do_syscall(task, "mmap", HOLE + PAGE, PAGE, 3, SHARED_FILE, fd, PAGE)
    assert result == (HOLE + PAGE if late and beside else -EPERM)
    assert len(mm_vmas(mm)) == beside + (not late)


@pytest.mark.parametrize(
    ("version", "configured", "given"),
    [((6, 1), True, False), ((6, 12), True, True), ((6, 12), False, False), ((7, 3), False, False)],
)
def test_a_stack_has_no_huge_pages_where_there_could_be_any(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, configured: bool, given: bool
) -> None:
    machine.config.features = Features(version)
    machine.config.transparent_hugepage = configured
    assert do_syscall(task, "mmap", HOLE, PAGE, 3, 0x20032, MINUS_1, 0) == HOLE
    vma = find_vma(mm, HOLE)
    assert vma is not None
    assert (vma.vm_flags & VM_NOHUGEPAGE != 0) == given


@pytest.mark.parametrize(
    ("offset", "aligned"),
    [
        (2**63 - 8192, True),
        (2**63 - (2 << 20) + 4096, True),
        (2**63 - (2 << 20), False),
        (2**63 - (4 << 20), False),
        (8192, False),
    ],
)
def test_the_last_pages_of_the_largest_file_seem_to_fit_a_huge_page(
    machine: LinuxMachine, task: Task, offset: int, aligned: bool
) -> None:
    """So did Linux 6.18 place them."""
    task.files.install_at(9, file_open(machine, "/bin/x", 0))
    free = do_syscall(task, "mmap", 0, PAGE, 1, 0x22, MINUS_1, 0)
    found = do_syscall(task, "mmap", 0, PAGE, 1, 2, 9, offset)
    assert (found != free - PAGE) == aligned
    assert not aligned or (found - offset) % (2 << 20) == 0


@pytest.mark.parametrize("size", [8192, 1 << 47, 1 << 63, (1 << 64) - 4096], ids=hex)
def test_pages_of_a_file_are_not_remapped_past_its_mappings(task: Task, size: int) -> None:
    """Nor past the address space, where an end may have more than 63 bits."""
    assert do_syscall(task, "mmap", 0, 4096, 3, 0x31, MINUS_1, 0) == 0
    assert do_syscall(task, "remap_file_pages", 1, size, 0, 1, 0) == -EINVAL
    assert do_syscall(task, "remap_file_pages", 1, 4096, 0, 0, 0) == 0


@pytest.mark.parametrize("offset", [1 << 51, 1 << 63, (1 << 64) - 5], ids=hex)
def test_no_page_behind_the_largest_file_is_remapped(task: Task, offset: int) -> None:
    """The offset has all of 64 bits, in pages."""
    assert do_syscall(task, "mmap", 0x40000000, 4096, 3, 0x31, MINUS_1, 0) == 0x40000000
    refused = do_syscall(task, "remap_file_pages", 0x40000000, 4096, 0, offset, 0)
    assert refused == -EOVERFLOW
