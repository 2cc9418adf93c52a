# SPDX-License-Identifier: GPL-2.0-or-later
"""Asynchronous I/O: contexts whose rings the kernel maps, and io_urings that programs map."""

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_lines
from vmalab.linux.include.features import VERSIONS, Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EAGAIN,
    EFAULT,
    EINVAL,
    EMFILE,
    ENODEV,
    ENOMEM,
    EOVERFLOW,
    EPERM,
)
from vmalab.linux.include.uapi.io_uring import (
    IORING_OFF_CQ_RING,
    IORING_OFF_PBUF_RING,
    IORING_OFF_SQES,
    IORING_SETUP_CLAMP,
    IORING_SETUP_COOP_TASKRUN,
    IORING_SETUP_CQE32,
    IORING_SETUP_CQE_MIXED,
    IORING_SETUP_CQSIZE,
    IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_HYBRID_IOPOLL,
    IORING_SETUP_IOPOLL,
    IORING_SETUP_NO_MMAP,
    IORING_SETUP_NO_SQARRAY,
    IORING_SETUP_REGISTERED_FD_ONLY,
    IORING_SETUP_SINGLE_ISSUER,
    IORING_SETUP_SQ_AFF,
    IORING_SETUP_SQ_REWIND,
    IORING_SETUP_SQE128,
    IORING_SETUP_SQE_MIXED,
    IORING_SETUP_SQPOLL,
    IORING_SETUP_TASKRUN_FLAG,
)
from vmalab.linux.include.uapi.mman import (
    MADV_DOFORK,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_POPULATE_WRITE,
    MADV_REMOVE,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    MS_ASYNC,
    MS_SYNC,
)
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ...noted_calls import do_syscall

MINUS_1 = 2**64 - 1
# A pointer of which a log shows what it points to.
UNKNOWN = (1 << 63) + 1
NOFILE = 7


def setup(task: Task, nr_events: int) -> int:
    return do_syscall(task, "io_setup", nr_events, UNKNOWN)


def ring(mm: Mm) -> int:
    """The address of the newest context's ring."""
    ctx = mm.ioctx_table[-1]
    assert ctx is not None
    return int(ctx.mmap_base)


def words(mm: Mm, addr: int) -> tuple[str, ...]:
    vma = find_vma(mm, addr)
    assert vma is not None
    return vm_flag_letters(vma.vm_flags)


def uring(task: Task, entries: int = 256, flags: int = 0, cq_entries: int = 0) -> int:
    params = {"flags": flags, "cq_entries": cq_entries}
    return do_syscall(task, "io_uring_setup", entries, UNKNOWN, mem={1: params})


def mmap(task: Task, fd: int, size: int, offset: int, flags: int = MAP_SHARED) -> int:
    return do_syscall(task, "mmap", 0, size, 3, flags, fd, offset)


# Contexts.


@pytest.mark.parametrize(("nr_events", "pages"), [(1, 1), (64, 2), (400, 7), (60000, 938)], ids=str)
def test_the_ring_of_a_context(task: Task, mm: Mm, nr_events: int, pages: int) -> None:
    assert setup(task, nr_events) == 0
    assert mm.total_vm == pages
    assert mm_lines(mm)[0].endswith("/[aio] (deleted)")
    assert words(mm, ring(mm)) == ("rd", "wr", "sh", "mr", "mw", "ms", "de")


def test_more_processors_need_more_events(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    machine.config.possible_cpus = 64
    assert setup(task, 1) == 0
    assert mm.total_vm == 5


@pytest.mark.parametrize(
    ("nr_events", "result"),
    [
        (0, -EINVAL),
        (1 << 32, -EINVAL),
        (0x400001, -EINVAL),
        (0x7FFFFFFF, -EINVAL),
        (0x80000000, -EAGAIN),
        (65537, -EAGAIN),
        (65536, 0),
    ],
)
def test_numbers_of_events(task: Task, mm: Mm, nr_events: int, result: int) -> None:
    assert setup(task, nr_events) == result
    assert mm.map_count == (1 if result == 0 else 0)


def test_contexts_share_a_limit(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    assert setup(task, 65535) == 0
    assert setup(task, 2) == -EAGAIN
    assert mm.map_count == 1
    assert do_syscall(task, "io_destroy", ring(mm)) == 0
    assert setup(task, 2) == 0
    machine.config.max_map_count = 0
    assert setup(task, 1) == -ENOMEM


def test_where_the_context_is_told(task: Task, mm: Mm) -> None:
    read_only = do_syscall(task, "mmap", 0, 4096, 1, 0x22, MINUS_1, 0)
    assert do_syscall(task, "io_setup", 0, 8) == -EFAULT
    assert do_syscall(task, "io_setup", 1, 0) == -EFAULT
    assert do_syscall(task, "io_setup", 1, read_only) == -EFAULT
    assert mm.map_count == 1


def test_ending_a_context(task: Task, mm: Mm) -> None:
    setup(task, 400)
    place = ring(mm)
    assert do_syscall(task, "io_destroy", place + 4096) == -EINVAL
    assert do_syscall(task, "io_destroy", 0) == -EINVAL
    assert do_syscall(task, "io_destroy", MINUS_1) == -EINVAL
    assert do_syscall(task, "io_destroy", place) == 0
    assert mm.map_count == 0
    assert do_syscall(task, "io_destroy", place) == -EINVAL


def test_a_context_moves_with_its_ring(task: Task, mm: Mm) -> None:
    setup(task, 400)
    old, new = ring(mm), 0x50000000
    flags = MREMAP_MAYMOVE | MREMAP_FIXED
    assert do_syscall(task, "mremap", old, 16384, 16384, flags, new) == new
    assert do_syscall(task, "mremap", new, 16384, 32768, MREMAP_MAYMOVE) == -EFAULT
    assert do_syscall(task, "mprotect", new, 4096, 5) == -EACCES
    assert do_syscall(task, "io_destroy", old) == -EINVAL
    assert do_syscall(task, "io_destroy", new) == 0
    # What was left behind has no context any more.
    left = old + 16384
    assert do_syscall(task, "mremap", left, 4096, 4096, flags, 0x60000000) == -EINVAL
    assert do_syscall(task, "munmap", left, 3 * 4096) == 0


def test_a_child_has_the_mapping_but_no_context(task: Task, mm: Mm) -> None:
    setup(task, 1)
    child = do_fork(task, 0, 101)
    assert child is not None
    assert do_syscall(child, "io_destroy", ring(mm)) == -EINVAL
    assert child.mm is not None
    assert child.mm.map_count == 1


def test_advice_on_a_ring(task: Task, mm: Mm) -> None:
    setup(task, 1)
    assert do_syscall(task, "madvise", ring(mm), 4096, MADV_DOFORK) == 0
    assert do_syscall(task, "madvise", ring(mm), 4096, MADV_REMOVE) == -ENODEV


@pytest.mark.parametrize(
    ("version", "moved", "inherited", "dofork"),
    [
        ((6, 1), True, 1, 0),
        ((6, 19), True, 1, 0),
        ((7, 0), True, 1, -EINVAL),
        ((7, 2), False, 0, -EINVAL),
        ((7, 3), False, 0, -EINVAL),
    ],
    ids=str,
)
def test_a_ring_by_version(
    machine: LinuxMachine,
    task: Task,
    mm: Mm,
    version: Version,
    moved: bool,
    inherited: int,
    dofork: int,
) -> None:
    machine.config.features = Features(version)
    setup(task, 400)
    old, new = ring(mm), 0x50000000
    assert ("dc" in words(mm, old)) is (inherited == 0)
    child = do_fork(task, 0, 101)
    assert child is not None
    assert child.mm is not None
    assert child.mm.map_count == inherited
    flags = MREMAP_MAYMOVE | MREMAP_FIXED
    part = do_syscall(task, "mremap", old, 16384, 16384, flags, new)
    assert part == (new if moved else -EINVAL)
    assert mm.map_count == (2 if moved else 1)
    assert do_syscall(task, "madvise", ring(mm), 4096, MADV_DONTFORK) == 0
    assert do_syscall(task, "madvise", ring(mm), 4096, MADV_DOFORK) == dofork


@pytest.mark.parametrize("version", [(6, 18), (7, 3)], ids=str)
def test_a_whole_ring_moves_in_every_version(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version
) -> None:
    machine.config.features = Features(version)
    setup(task, 400)
    flags = MREMAP_MAYMOVE | MREMAP_FIXED
    new = 0x50000000
    assert do_syscall(task, "mremap", ring(mm), 7 * 4096, 7 * 4096, flags, new) == new
    assert ring(mm) == new


# io_urings.


@pytest.mark.parametrize(
    ("flags", "since"),
    [
        (IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER, (6, 1)),
        (IORING_SETUP_NO_MMAP, (6, 12)),
        (IORING_SETUP_NO_MMAP | IORING_SETUP_REGISTERED_FD_ONLY, (6, 12)),
        (IORING_SETUP_NO_SQARRAY, (6, 12)),
        (IORING_SETUP_HYBRID_IOPOLL | IORING_SETUP_IOPOLL, (6, 13)),
        (IORING_SETUP_CQE_MIXED, (6, 18)),
        (IORING_SETUP_SQE_MIXED, (6, 19)),
        (IORING_SETUP_SQE_MIXED | IORING_SETUP_CQE_MIXED, (6, 19)),
        (IORING_SETUP_SQ_REWIND | IORING_SETUP_NO_SQARRAY, (7, 0)),
        (IORING_SETUP_SQE_MIXED | IORING_SETUP_SQE128, (8, 0)),
        (IORING_SETUP_SQ_REWIND, (8, 0)),
        (IORING_SETUP_SQ_REWIND | IORING_SETUP_NO_SQARRAY | IORING_SETUP_SQPOLL, (8, 0)),
        (1 << 21, (8, 0)),
    ],
    ids=str,
)
@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_flags_of_an_io_uring_by_version(
    machine: LinuxMachine, task: Task, version: Version, flags: int, since: Version
) -> None:
    machine.config.features = Features(version)
    assert min(uring(task, 8, flags), 0) == (0 if version >= since else -EINVAL)


@pytest.mark.parametrize(
    ("flags", "result"),
    [
        (IORING_SETUP_SQE_MIXED, -EOVERFLOW),
        (IORING_SETUP_CQE_MIXED | IORING_SETUP_CQSIZE, -EOVERFLOW),
        (IORING_SETUP_CQE_MIXED, 0),
    ],
)
def test_mixed_entries_need_two(machine: LinuxMachine, task: Task, flags: int, result: int) -> None:
    machine.config.features = Features((7, 3))
    assert min(uring(task, 1, flags, 1), 0) == result


@pytest.mark.parametrize(
    ("version", "executable", "bad"),
    [
        ((6, 1), True, -ENOMEM),
        ((6, 12), True, -ENOMEM),
        ((6, 18), False, -ENOMEM),
        ((7, 0), False, -ENOMEM),
        ((7, 2), False, -EINVAL),
    ],
    ids=str,
)
def test_mapping_rings_by_version(
    machine: LinuxMachine, task: Task, version: Version, executable: bool, bad: int
) -> None:
    machine.config.features = Features(version)
    fd = uring(task)
    place = mmap(task, fd, 4096, 0)
    assert do_syscall(task, "mprotect", place, 4096, 7) == (0 if executable else -EACCES)
    assert mmap(task, fd, 4096, IORING_OFF_PBUF_RING) == bad


@pytest.mark.parametrize(
    ("entries", "flags", "cq_entries", "result"),
    [
        (0, 0, 0, -EINVAL),
        (32769, 0, 0, -EINVAL),
        (32769, IORING_SETUP_CLAMP, 0, 0),
        (4, IORING_SETUP_SQE_MIXED, 0, -EINVAL),
        (4, IORING_SETUP_CQSIZE, 0, -EINVAL),
        (64, IORING_SETUP_CQSIZE, 8, -EINVAL),
        (64, IORING_SETUP_CQSIZE, 64, 0),
        (4, IORING_SETUP_CQSIZE, 65537, -EINVAL),
        (4, IORING_SETUP_SQ_AFF, 0, -EINVAL),
        (4, IORING_SETUP_SQ_AFF | IORING_SETUP_SQPOLL, 0, 0),
        (4, IORING_SETUP_SQPOLL | IORING_SETUP_COOP_TASKRUN, 0, -EINVAL),
        (4, IORING_SETUP_TASKRUN_FLAG, 0, -EINVAL),
        (4, IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_COOP_TASKRUN, 0, 0),
        (4, IORING_SETUP_DEFER_TASKRUN, 0, -EINVAL),
        (4, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER, 0, 0),
        (4, IORING_SETUP_HYBRID_IOPOLL, 0, -EINVAL),
        (4, IORING_SETUP_HYBRID_IOPOLL | IORING_SETUP_IOPOLL, 0, 0),
        (4, IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED, 0, -EINVAL),
        (4, IORING_SETUP_REGISTERED_FD_ONLY, 0, -EINVAL),
    ],
)
def test_making_an_io_uring(
    task: Task, entries: int, flags: int, cq_entries: int, result: int
) -> None:
    assert min(uring(task, entries, flags, cq_entries), 0) == result


def test_who_may_not_make_one(machine: LinuxMachine, task: Task) -> None:
    assert do_syscall(task, "io_uring_setup", 4, 8) == -EFAULT
    task.signal.rlim_cur[NOFILE] = 0
    assert uring(task) == -EMFILE
    task.cred.cap_effective = 0
    machine.config.io_uring_disabled = 1
    assert uring(task) == -EPERM
    machine.config.io_uring_disabled = 2
    assert uring(task) == -EPERM


def test_mapping_the_rings(task: Task, mm: Mm) -> None:
    fd = uring(task)
    for size in (4096, 12288, 65536):
        place = mmap(task, fd, size, 0)
        assert words(mm, place) == ("rd", "wr", "sh", "mr", "mw", "ms", "de", "mm")
    assert mm_lines(mm)[0].endswith("anon_inode:[io_uring]")
    assert mmap(task, fd, 4096, IORING_OFF_CQ_RING, MAP_PRIVATE) > 0
    assert mmap(task, fd, 4096, 4096) > 0
    assert mmap(task, fd, 16384, IORING_OFF_SQES) > 0


@pytest.mark.parametrize(
    ("addr", "size", "prot", "offset", "flags", "result"),
    [
        (0, 12288, 3, IORING_OFF_SQES, MAP_SHARED, -EFAULT),
        (0, 4096, 3, IORING_OFF_PBUF_RING, MAP_SHARED, -ENOMEM),
        (0, 4096, 3, 0x20000000, MAP_SHARED, -ENOMEM),
        (0x50000000, 4096, 3, 0, MAP_SHARED, -EINVAL),
        (0x50000000, 4096, 3, 0, MAP_SHARED | MAP_FIXED, -EINVAL),
        (0, 4096, 5, 0, MAP_SHARED, -EPERM),
    ],
)
def test_rings_that_cannot_be_mapped(
    task: Task, mm: Mm, addr: int, size: int, prot: int, offset: int, flags: int, result: int
) -> None:
    fd = uring(task)
    assert do_syscall(task, "mmap", addr, size, prot, flags, fd, offset) == result
    assert mm.map_count == 0


def test_sizes_of_rings(task: Task) -> None:
    fd = uring(task, 64, IORING_SETUP_SQE128)
    assert mmap(task, fd, 4096, IORING_OFF_SQES) == -EFAULT
    assert mmap(task, fd, 8192, IORING_OFF_SQES) > 0
    own = uring(task, 64, IORING_SETUP_NO_MMAP)
    assert mmap(task, own, 4096, 0) == -ENOMEM


def test_pages_of_a_ring_do_not_come_back(task: Task) -> None:
    place = mmap(task, uring(task), 4096, 0)
    assert do_syscall(task, "mlock", place, 4096) == 0
    assert do_syscall(task, "madvise", place, 4096, MADV_POPULATE_WRITE) == 0
    child = do_fork(task, 0, 101)
    assert child is not None
    assert do_syscall(task, "madvise", place, 4096, MADV_DONTNEED) == 0
    assert do_syscall(task, "mlock", place, 4096) == -ENOMEM
    assert do_syscall(child, "mlock", place, 4096) == 0


def test_rings_cannot_be_written_out(task: Task, mm: Mm) -> None:
    """As 6.18.44 answered."""
    assert setup(task, 8) == 0
    mapped = mmap(task, uring(task), 4096, 0)
    for start in (ring(mm), mapped):
        assert do_syscall(task, "msync", start, 4096, MS_SYNC) == -EINVAL
        assert do_syscall(task, "msync", start, 4096, MS_ASYNC) == 0
