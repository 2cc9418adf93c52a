# SPDX-License-Identifier: GPL-2.0-or-later
"""The page cache: what faults bring in, what truncation takes out, what is dirty."""

from vmalab.linux.fs.proc.task_mmu import vma_pgoff_shown
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.filemap import first_cached
from vmalab.linux.mm.mincore import mincore_range
from vmalab.linux.types.file import I_CHR, I_REG, Inode
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup

from ..noted_calls import do_syscall

BASE = 0x10000000
POPULATE_READ, POPULATE_WRITE = 22, 23
MINUS_1 = 2**64 - 1


def map_file(machine: LinuxMachine, task: Task, flags: int, pages: int = 16) -> Inode:
    """A file of so many pages, mapped at BASE for reading and writing."""
    inode = machine.add_inode("/f", I_REG, "fe:00", 7, pages << 12)
    fd = do_syscall(task, "openat", MINUS_1 - 99, 0, 2, mem={1: "/f"})
    assert fd >= 0
    assert do_syscall(task, "mmap", BASE, pages << 12, 3, flags | 0x10, fd, 0) == BASE
    return inode


def cached(inode: Inode, pages: int = 16) -> str:
    """The file's pages: D dirty, C clean, a dot for one that is not in memory."""
    xa = inode.i_mapping.i_pages
    xa.validate()
    return "".join(
        ("D" if xa.get_mark(at, 0) else "C") if first_cached(inode.i_mapping, at, at) == at else "."
        for at in range(pages)
    )


def test_faults_fill_the_cache_and_shared_writes_make_dirty(
    machine: LinuxMachine, task: Task
) -> None:
    inode = map_file(machine, task, 1)
    assert cached(inode) == "................"
    assert do_syscall(task, "madvise", BASE + 0x2000, 0x8000, POPULATE_READ) == 0
    assert cached(inode) == "..CCCCCCCC......"
    assert do_syscall(task, "madvise", BASE + 0xB000, 0x2000, POPULATE_WRITE) == 0
    assert cached(inode) == "..CCCCCCCC.DD..."


def test_a_private_write_reads_the_page_and_dirties_nothing(
    machine: LinuxMachine, task: Task
) -> None:
    inode = map_file(machine, task, 2)
    assert do_syscall(task, "madvise", BASE, 0x3000, POPULATE_WRITE) == 0
    assert cached(inode) == "CCC............."


def test_truncation_takes_pages_out(machine: LinuxMachine, task: Task) -> None:
    inode = map_file(machine, task, 1)
    assert do_syscall(task, "madvise", BASE, 0x10000, POPULATE_READ) == 0
    assert do_syscall(task, "ftruncate", 0, 0x5000) == 0
    assert cached(inode) == "CCCCC..........."
    assert do_syscall(task, "fallocate", 0, 3, 0x1000, 0x2000) == 0
    assert cached(inode) == "C..CC..........."


def test_mincore_tells_own_pages_and_cached_ones(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    map_file(machine, task, 2)
    assert do_syscall(task, "madvise", BASE + 0x2000, 0x2000, POPULATE_WRITE) == 0
    assert do_syscall(task, "madvise", BASE + 0x2000, 0x1000, 4) == 0
    # Page 2 was dropped and is still cached, page 3 is the process's own.
    assert list(mincore_range(mm, BASE, BASE + 0x5000)) == [0, 0, 1, 1, 0]
    assert list(mincore_range(mm, BASE + 0xF000, BASE + 0x12000)) == [0]


def test_truncation_finds_only_the_mappings_of_its_pages(machine: LinuxMachine, task: Task) -> None:
    inode = map_file(machine, task, 1)
    for number in range(64):
        addr = BASE + 0x100000 + number * 0x2000
        assert do_syscall(task, "mmap", addr, 0x1000, 1, 0x11, 0, 0x3000) == addr
    mapping = inode.i_mapping
    mapping.i_mmap.validate()
    assert len(mapping.vmas()) == 65
    assert len(mapping.vmas_in(3, 3)) == 65
    assert [vma.vm_start for vma in mapping.vmas_in(4, 100)] == [BASE]


def test_a_file_that_ends_beyond_all_addresses_has_every_page(
    machine: LinuxMachine, task: Task
) -> None:
    inode = map_file(machine, task, 1, pages=4)
    inode.size = (1 << 63) - 4096
    assert do_syscall(task, "madvise", BASE, 0x4000, POPULATE_READ) == 0
    assert cached(inode, 4) == "CCCC"


def test_offsets_of_a_file_have_no_sign(machine: LinuxMachine, task: Task) -> None:
    machine.add_inode("/dev/zero", I_CHR, "00:06", 5, 0)
    fd = do_syscall(task, "openat", MINUS_1 - 99, 0, 2, mem={1: "/dev/zero"})
    offset = (1 << 63) - 0x1000
    assert do_syscall(task, "mmap", BASE, 0x3000, 3, 0x11, fd, offset) == BASE
    assert do_syscall(task, "munmap", BASE, 0x1000) == 0
    assert task.mm is not None
    vma = vma_lookup(task.mm, BASE + 0x1000)
    assert vma is not None
    assert vma_pgoff_shown(vma) == 1 << 63
