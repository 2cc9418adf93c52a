# SPDX-License-Identifier: GPL-2.0-or-later
"""Files by their file system: what merges, where they are placed, what may be executed."""

import pytest

from vmalab.linux.include.page import PMD_SIZE
from vmalab.linux.include.uapi.errno import EFAULT, ENODEV, EOPNOTSUPP, EPERM
from vmalab.linux.include.uapi.fcntl import O_RDWR
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.shmem import vma_is_shmem
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.super_block import OVERLAYFS, TMPFS, SuperBlock
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

PAGE = 4096
AT = 0x10000000
READ, READ_EXEC = 1, 5
SHARED, PRIVATE, FIXED = 1, 2, 16


def open_on(task: Task, sb: SuperBlock, path: str = "/f") -> int:
    """Open a file on a file system mounted at the root."""
    task.machine.mounts["/"] = sb
    return do_syscall(task, "open", 1, O_RDWR, mem={0: path})


def map_page(task: Task, fd: int, page: int) -> int:
    """Map a page of a file at AT and as many pages on."""
    flags = PRIVATE | FIXED
    return do_syscall(task, "mmap", AT + page * PAGE, PAGE, READ, flags, fd, page * PAGE)


def test_new_mappings_of_overlayfs_never_merge(task: Task, mm: Mm) -> None:
    fd = open_on(task, SuperBlock(OVERLAYFS))
    map_page(task, fd, 0)
    map_page(task, fd, 1)
    assert mm.map_count == 2


@pytest.mark.parametrize("fs_type", ["ext4", "squashfs", "tmpfs"])
def test_new_mappings_of_other_file_systems_merge(task: Task, mm: Mm, fs_type: str) -> None:
    fd = open_on(task, SuperBlock(fs_type))
    map_page(task, fd, 0)
    map_page(task, fd, 1)
    assert mm.map_count == 1


def test_mremap_across_two_mappings_of_overlayfs_fails(task: Task) -> None:
    fd = open_on(task, SuperBlock(OVERLAYFS))
    map_page(task, fd, 0)
    map_page(task, fd, 1)
    assert do_syscall(task, "mremap", AT, 2 * PAGE, 3 * PAGE, 1) == -EFAULT


def test_pieces_of_one_mapping_of_overlayfs_merge_again(task: Task, mm: Mm) -> None:
    fd = open_on(task, SuperBlock(OVERLAYFS))
    do_syscall(task, "mmap", AT, 3 * PAGE, READ, PRIVATE | FIXED, fd, 0)
    do_syscall(task, "mprotect", AT + PAGE, PAGE, 0)
    assert mm.map_count == 3
    do_syscall(task, "mprotect", AT + PAGE, PAGE, READ)
    assert mm.map_count == 1


def test_a_file_of_overlayfs_is_let_go_of_with_its_last_mapping(task: Task) -> None:
    fd = open_on(task, SuperBlock(OVERLAYFS))
    map_page(task, fd, 0)
    file = task.files.fget(fd)
    vma = find_vma(task.mm, AT) if task.mm is not None else None
    assert file is not None
    assert vma is not None
    below = vma.vm_file
    assert below is not None
    assert (file.f_count, below.f_count) == (1, 2)
    do_syscall(task, "close", fd)
    assert below.f_count == 1
    do_syscall(task, "munmap", AT, PAGE)
    assert below.f_count == 0


@pytest.mark.parametrize(("layer", "expected"), [("tmpfs", True), ("ext4", False), ("", False)])
def test_a_vma_on_overlayfs_is_one_of_the_layers_file_system(
    task: Task, mm: Mm, layer: str, expected: bool
) -> None:
    sb = SuperBlock(OVERLAYFS)
    sb.layer = layer
    map_page(task, open_on(task, sb), 0)
    vma = find_vma(mm, AT)
    assert vma is not None
    assert vma_is_shmem(vma) is expected


@pytest.mark.parametrize(
    ("fs_type", "result"),
    [("ramfs", -EOPNOTSUPP), ("squashfs", -EOPNOTSUPP), ("ext4", 0), ("tmpfs", 0), ("overlay", 0)],
)
def test_file_systems_without_fallocate_remove_no_pages(
    task: Task, fs_type: str, result: int
) -> None:
    fd = open_on(task, SuperBlock(fs_type))
    at = do_syscall(task, "mmap", 0, PAGE, 3, SHARED, fd, 0)
    assert do_syscall(task, "madvise", at, PAGE, 9) == result


def aligned(task: Task, sb: SuperBlock) -> bool:
    """Map 4 MiB of a file where an unaligned place is highest, and tell whether it is aligned."""
    do_syscall(task, "mmap", 0, PAGE, READ, PRIVATE | 32, 0xFFFFFFFF, 0)
    fd = open_on(task, sb)
    return do_syscall(task, "mmap", 0, 2 * PMD_SIZE, READ, PRIVATE, fd, 0) % PMD_SIZE == 0


@pytest.mark.parametrize("fs_type", ["", "ext2", "ext4", "xfs", "btrfs", "fuse"])
def test_file_systems_that_align(task: Task, fs_type: str) -> None:
    assert aligned(task, SuperBlock(fs_type))


@pytest.mark.parametrize("fs_type", ["overlay", "squashfs", "ramfs", "tmpfs", "nfs4"])
def test_file_systems_that_do_not_align(task: Task, fs_type: str) -> None:
    assert not aligned(task, SuperBlock(fs_type))


@pytest.mark.parametrize("huge", ["always", "within_size", "advise"])
def test_a_tmpfs_with_huge_pages_aligns(task: Task, huge: str) -> None:
    sb = SuperBlock(TMPFS)
    sb.huge = huge
    assert aligned(task, sb)


def test_a_tmpfs_goes_by_its_own_option_and_not_by_the_kernels_mount(
    machine: LinuxMachine, task: Task
) -> None:
    machine.config.shmem_enabled = "always"
    assert not aligned(task, SuperBlock(TMPFS))


@pytest.mark.parametrize(("setting", "expected"), [("force", True), ("deny", False)])
def test_a_setting_for_all_shmem(
    machine: LinuxMachine, task: Task, setting: str, expected: bool
) -> None:
    machine.config.shmem_enabled = setting
    sb = SuperBlock(TMPFS)
    sb.huge = "never" if expected else "always"
    assert aligned(task, sb) is expected


def test_nothing_on_a_noexec_mount_is_mapped_executable(task: Task, mm: Mm) -> None:
    sb = SuperBlock("ext4")
    sb.noexec = True
    fd = open_on(task, sb)
    assert do_syscall(task, "mmap", 0, PAGE, READ_EXEC, PRIVATE, fd, 0) == -EPERM
    at = do_syscall(task, "mmap", 0, PAGE, READ, PRIVATE, fd, 0)
    vma = find_vma(mm, at)
    assert vma is not None
    assert vma.vm_flags & 0x40 == 0
    assert do_syscall(task, "mprotect", at, PAGE, READ_EXEC) < 0


@pytest.mark.parametrize(
    ("sizes", "shmem_enabled", "length", "alignment"),
    [
        ([], "never", 4 << 20, PAGE),
        ([65536], "never", 65536, 65536),
        ([65536], "never", 65536 - PAGE, PAGE),
        ([16384, 65536], "never", 1 << 20, 65536),
        ([65536], "always", 4 << 20, PMD_SIZE),
        ([], "advise", 4 << 20, PMD_SIZE),
        ([65536], "deny", 65536, PAGE),
    ],
)
def test_shared_anonymous_memory_goes_by_the_largest_size_that_is_on(
    machine: LinuxMachine,
    task: Task,
    sizes: list[int],
    shmem_enabled: str,
    length: int,
    alignment: int,
) -> None:
    machine.config.shmem_sizes = sizes
    machine.config.shmem_enabled = shmem_enabled
    do_syscall(task, "mmap", 0, PAGE, READ, PRIVATE | 32, 0xFFFFFFFF, 0)
    at = do_syscall(task, "mmap", 0, length, READ, SHARED | 32, 0xFFFFFFFF, 0)
    assert at % alignment == 0
    if alignment == PAGE:
        top = do_syscall(task, "mmap", 0, PAGE, READ, PRIVATE | 32, 0xFFFFFFFF, 0)
        assert top == at - PAGE


@pytest.mark.parametrize(("fs_type", "together"), [("ramfs", False), ("ext4", True)])
def test_files_of_ramfs_do_not_move_together(task: Task, fs_type: str, together: bool) -> None:
    """Its own search for a place may not do as MREMAP_FIXED asks, as Linux 6.18 has it."""
    base, target = 0x20000000, 0x30000000
    fd = open_on(task, SuperBlock(fs_type))
    assert do_syscall(task, "mmap", base, PAGE, READ, SHARED | FIXED, fd, 0) == base
    moved = do_syscall(task, "mremap", base, 8192, 8192, 3, target)
    assert moved == (target if together else -EFAULT)


def test_a_folder_of_a_noexec_mount_is_refused_for_that_first(task: Task) -> None:
    """As Linux 7.3 answered: that it cannot be mapped at all is looked at last."""
    sb = SuperBlock(TMPFS)
    sb.noexec = True
    task.machine.mounts["/x/"] = sb
    task.machine.add_directory("/x")
    fd = do_syscall(task, "open", 1, 0, mem={0: "/x"})
    assert do_syscall(task, "mmap", 0, PAGE, READ_EXEC, SHARED, fd, 0) == -EPERM
    assert do_syscall(task, "mmap", 0, PAGE, READ, SHARED, fd, 0) == -ENODEV
