# SPDX-License-Identifier: GPL-2.0-or-later
"""System V shared memory: ids, attaching, detaching, and when a segment goes."""

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_lines
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EEXIST,
    EINVAL,
    ENOENT,
    ENOMEM,
    ENOSPC,
    EPERM,
)
from vmalab.linux.include.uapi.shm import (
    IPC_CREAT,
    IPC_EXCL,
    IPC_PRIVATE,
    IPC_RMID,
    IPC_STAT,
    SHM_EXEC,
    SHM_HUGETLB,
    SHM_LOCK,
    SHM_NORESERVE,
    SHM_RDONLY,
    SHM_REMAP,
    SHM_RND,
)
from vmalab.linux.ipc.shm import newseg
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

BASE = 0x50000000
MINUS_1 = 2**64 - 1
# A pointer of which a log shows what it points to.
UNKNOWN = (1 << 63) + 2


@pytest.fixture
def seg(task: Task) -> int:
    """A segment of four pages, though its size is less."""
    shmid = do_syscall(task, "shmget", IPC_PRIVATE, 4 * 4096 - 5, IPC_CREAT | 0o600)
    assert shmid >= 0
    return shmid


@pytest.fixture(autouse=True)
def removed(machine: LinuxMachine) -> None:
    """All tests use a machine, at whose end segments may be left."""
    assert machine.ipc_ns.segments() == []


def attach(task: Task, shmid: int, addr: int = BASE, flags: int = 0) -> int:
    return do_syscall(task, "shmat", shmid, addr, flags)


def detach(task: Task, addr: int) -> int:
    return do_syscall(task, "shmdt", addr)


def remove(task: Task, shmid: int) -> int:
    return do_syscall(task, "shmctl", shmid, IPC_RMID, 0)


def nattch(machine: LinuxMachine, shmid: int) -> int:
    shp = machine.ipc_ns.find(shmid)
    assert shp is not None
    return shp.shm_nattch


def get(task: Task, key: int, size: int, flags: int) -> int:
    return do_syscall(task, "shmget", key, size, flags)


def test_ids_count_from_0(task: Task) -> None:
    assert [get(task, IPC_PRIVATE, 4096, IPC_CREAT | 0o600) for _ in range(3)] == [0, 1, 2]


def test_ids_are_not_reused_at_once_and_then_with_another_sequence_number(task: Task) -> None:
    assert get(task, IPC_PRIVATE, 4096, 0o600) == 0
    assert remove(task, 0) == 0
    for expected in range(1, 64):
        assert get(task, IPC_PRIVATE, 4096, 0o600) == expected
        assert remove(task, expected) == 0
    assert get(task, IPC_PRIVATE, 4096, 0o600) == 1 << 15
    assert do_syscall(task, "shmctl", 0, IPC_STAT, UNKNOWN) == -EINVAL
    assert do_syscall(task, "shmctl", 1 << 15, IPC_STAT, UNKNOWN) == 0


def test_an_id_from_a_recording(machine: LinuxMachine, task: Task) -> None:
    ns = machine.ipc_ns
    assert newseg(ns, task, 5, 4096, 0o600, (3 << 15) + 7) == (3 << 15) + 7
    assert get(task, 5, 4096, 0) == (3 << 15) + 7
    assert get(task, IPC_PRIVATE, 4096, 0o600) == (3 << 15) + 8


def test_keys(task: Task) -> None:
    assert get(task, 7, 4096, 0o600) == -ENOENT
    shmid = get(task, 7, 4096, IPC_CREAT | 0o600)
    assert get(task, 7, 4096, 0) == shmid
    assert get(task, 7, 0, IPC_CREAT) == shmid
    assert get(task, 7, 4097, 0) == -EINVAL
    assert get(task, 7, 4096, IPC_CREAT | IPC_EXCL) == -EEXIST
    assert get(task, 8, 0, IPC_CREAT) == -EINVAL
    assert get(task, IPC_PRIVATE, MINUS_1, IPC_CREAT) == -EINVAL


def test_huge_pages_there_are_none(task: Task) -> None:
    assert get(task, IPC_PRIVATE, 1 << 21, IPC_CREAT | SHM_HUGETLB | 0o600) == -ENOMEM


def test_a_limited_number_of_segments(machine: LinuxMachine, task: Task) -> None:
    for number in range(4096):
        assert newseg(machine.ipc_ns, task, IPC_PRIVATE, 1, 0o600, -1) == number
    assert get(task, IPC_PRIVATE, 1, 0o600) == -ENOSPC
    assert machine.kernel.committed_as == 4096


def test_segments_are_charged_unless_not_reserved(machine: LinuxMachine, task: Task) -> None:
    plain = get(task, IPC_PRIVATE, 8192, 0o600)
    assert machine.kernel.committed_as == 2
    get(task, IPC_PRIVATE, 8192, 0o600 | SHM_NORESERVE)
    assert machine.kernel.committed_as == 2
    assert remove(task, plain) == 0
    assert machine.kernel.committed_as == 0


def test_permissions(machine: LinuxMachine, task: Task) -> None:
    shmid = get(task, 7, 4096, IPC_CREAT | 0o640)
    task.cred.set_uids(5)
    task.cred.set_gids(5)
    task.cred.cap_effective = 0
    assert get(task, 7, 0, 0o400) == -EACCES
    assert get(task, 7, 0, 0) == shmid
    assert attach(task, shmid, 0, SHM_RDONLY) == -EACCES
    assert do_syscall(task, "shmctl", shmid, IPC_STAT, 0) == -EACCES
    assert do_syscall(task, "shmctl", shmid, SHM_LOCK, 0) == -EPERM
    assert remove(task, shmid) == -EPERM
    shp = machine.ipc_ns.find(shmid)
    assert shp is not None
    shp.mode = 0o444
    assert attach(task, shmid, 0, 0) == -EACCES
    assert attach(task, shmid, 0, SHM_RDONLY) > 0
    assert attach(task, shmid, 0, SHM_RDONLY | SHM_EXEC) == -EACCES


def test_an_attachment_in_maps(task: Task, mm: Mm) -> None:
    shmid = get(task, 0x1234, 4 * 4096 - 5, IPC_CREAT | 0o600)
    assert attach(task, shmid) == BASE
    assert mm_lines(mm)[0] == (
        "50000000-50004000 rw-s 00000000 00:01 0                                  "
        "/SYSV00001234 (deleted)"
    )
    vma = find_vma(mm, BASE)
    assert vma is not None
    assert vm_flag_letters(vma.vm_flags) == ("rd", "wr", "sh", "mr", "mw", "me", "ms")


def test_negative_keys_show_as_unsigned(task: Task, mm: Mm) -> None:
    shmid = get(task, MINUS_1, 4096, IPC_CREAT | 0o600)
    attach(task, shmid)
    assert mm_lines(mm)[0].endswith("/SYSVffffffff (deleted)")


def test_the_inode_number_is_the_id(task: Task, mm: Mm, seg: int) -> None:
    other = get(task, IPC_PRIVATE, 4096, 0o600)
    attach(task, other)
    assert mm_lines(mm)[0].split()[4] == str(other)


def test_read_only_and_executable_attachments(task: Task, mm: Mm, seg: int) -> None:
    attach(task, seg, BASE, SHM_RDONLY | SHM_EXEC)
    vma = find_vma(mm, BASE)
    assert vma is not None
    assert vm_flag_letters(vma.vm_flags) == ("rd", "ex", "mr", "me", "ms")
    assert do_syscall(task, "mprotect", BASE, 4096, 3) == -EACCES


@pytest.mark.parametrize(
    ("addr", "flags"),
    [(BASE + 1, 0), (0, SHM_REMAP), (5, SHM_RND | SHM_REMAP), (BASE + 8, SHM_REMAP)],
    ids=["unaligned", "remap at no address", "rounded to no address", "remap unaligned"],
)
def test_addresses_that_are_refused(task: Task, seg: int, addr: int, flags: int) -> None:
    assert attach(task, seg, addr, flags) == -EINVAL


def test_rounding_down(task: Task, seg: int) -> None:
    assert attach(task, seg, BASE + 4095, SHM_RND) == BASE


def test_rounding_down_to_0_is_still_a_fixed_address(task: Task, seg: int) -> None:
    assert attach(task, seg, 5, SHM_RND) == 0
    task.cred.cap_effective = 0
    detach(task, 0)
    assert attach(task, seg, 5, SHM_RND) == -EPERM


def test_ids_that_are_none(task: Task, seg: int) -> None:
    assert attach(task, MINUS_1) == -EINVAL
    assert attach(task, seg + 1) == -EINVAL
    assert attach(task, seg + (1 << 15)) == -EINVAL
    assert remove(task, MINUS_1) == -EINVAL


def test_overlap_needs_remap(machine: LinuxMachine, task: Task, mm: Mm, seg: int) -> None:
    assert attach(task, seg) == BASE
    assert attach(task, seg, BASE + 8192) == -EINVAL
    assert attach(task, seg, BASE - 4096) == -EINVAL
    assert attach(task, seg, BASE + 8192, SHM_REMAP) == BASE + 8192
    assert mm.map_count == 2
    assert nattch(machine, seg) == 2


def test_beyond_the_address_space(task: Task, seg: int) -> None:
    assert attach(task, seg, 2**64 - 4096) == -EINVAL
    assert attach(task, seg, 1 << 60) == -ENOMEM
    assert attach(task, seg, 1 << 63) == -ENOMEM
    assert attach(task, seg, 0x7FFFFFFFE000) == -ENOMEM
    assert detach(task, 1 << 60) == -EINVAL
    assert detach(task, 1 << 63) == -EINVAL


def test_attachments_never_merge_and_pieces_of_one_never_again(
    machine: LinuxMachine, task: Task, mm: Mm, seg: int
) -> None:
    attach(task, seg)
    assert do_syscall(task, "mprotect", BASE, 4096, 1) == 0
    assert (mm.map_count, nattch(machine, seg)) == (2, 2)
    assert do_syscall(task, "mprotect", BASE, 4096, 3) == 0
    assert (mm.map_count, nattch(machine, seg)) == (2, 2)


def test_attachments_are_counted_through_their_life(
    machine: LinuxMachine, task: Task, mm: Mm, seg: int
) -> None:
    attach(task, seg)
    attach(task, seg, 0)
    child = do_fork(task, 0, 200)
    assert child is not None
    assert nattch(machine, seg) == 4
    assert do_syscall(task, "munmap", BASE + 4096, 4096) == 0
    assert nattch(machine, seg) == 5
    machine.exit_task(child)
    assert nattch(machine, seg) == 3
    assert do_syscall(task, "mremap", BASE, 4096, 4096, 3, BASE * 2) == BASE * 2
    assert nattch(machine, seg) == 3


def test_detaching_takes_all_pieces_that_are_where_they_were(
    machine: LinuxMachine, task: Task, mm: Mm, seg: int
) -> None:
    attach(task, seg)
    assert do_syscall(task, "mprotect", BASE + 4096, 4096, 1) == 0
    assert do_syscall(task, "munmap", BASE + 8192, 4096) == 0
    assert mm.map_count == 3
    assert detach(task, BASE) == 0
    assert mm.map_count == 0
    assert nattch(machine, seg) == 0
    assert detach(task, BASE) == -EINVAL


def test_detaching_finds_an_attachment_whose_first_page_is_gone(
    task: Task, mm: Mm, seg: int
) -> None:
    attach(task, seg)
    assert do_syscall(task, "munmap", BASE, 4096) == 0
    assert detach(task, BASE) == 0
    assert mm.map_count == 0


def test_detaching_leaves_other_attachments(task: Task, mm: Mm, seg: int) -> None:
    attach(task, seg)
    attach(task, seg, BASE + 4 * 4096)
    assert detach(task, BASE + 4096) == -EINVAL
    assert detach(task, BASE) == 0
    vma = find_vma(mm, 0)
    assert vma is not None
    assert vma.vm_start == BASE + 4 * 4096


def test_detaching_leaves_another_attachment_in_a_hole_of_the_first(
    task: Task, mm: Mm, seg: int
) -> None:
    """Its page offsets are those of the hole, but its file is another."""
    attach(task, seg)
    attach(task, seg, BASE * 2)
    assert do_syscall(task, "munmap", BASE + 4096, 4096) == 0
    assert do_syscall(task, "mremap", BASE * 2 + 4096, 4096, 4096, 3, BASE + 4096) == BASE + 4096
    assert detach(task, BASE) == 0
    vma = find_vma(mm, 0)
    assert vma is not None
    assert (vma.vm_start, vma.vm_pgoff) == (BASE + 4096, 1)


def test_detaching_ignores_a_seal_in_the_way(task: Task, mm: Mm, seg: int) -> None:
    attach(task, seg)
    assert do_syscall(task, "mseal", BASE, 4096, 0) == 0
    assert detach(task, BASE) == 0
    vma = find_vma(mm, 0)
    assert vma is not None
    assert (vma.vm_start, vma.vm_end, mm.map_count) == (BASE, BASE + 4096, 1)


@pytest.mark.parametrize("addr", [BASE + 1, 0, BASE + 4096])
def test_detaching_where_nothing_is(task: Task, seg: int, addr: int) -> None:
    attach(task, seg)
    assert detach(task, addr) == -EINVAL


def test_a_removed_segment_goes_with_its_last_attachment(
    machine: LinuxMachine, task: Task, seg: int
) -> None:
    attach(task, seg)
    assert remove(task, seg) == 0
    assert attach(task, seg, BASE * 2) == BASE * 2
    assert detach(task, BASE) == 0
    assert machine.ipc_ns.find(seg) is not None
    assert detach(task, BASE * 2) == 0
    assert machine.ipc_ns.find(seg) is None
    assert attach(task, seg) == -EINVAL
    assert machine.ipc_ns.shm_tot == 0


def test_a_removed_segment_cannot_be_found_by_its_key(task: Task) -> None:
    shmid = get(task, 7, 4096, IPC_CREAT | 0o600)
    attach(task, shmid)
    assert remove(task, shmid) == 0
    assert get(task, 7, 4096, 0) == -ENOENT


def test_a_failed_attachment_of_a_removed_segment_does_not_keep_it(
    machine: LinuxMachine, task: Task, seg: int
) -> None:
    attach(task, seg)
    assert remove(task, seg) == 0
    assert attach(task, seg, BASE + 4096) == -EINVAL
    assert nattch(machine, seg) == 1
    # Replaces the last attachment, and fails beyond that: nothing is left.
    assert attach(task, seg, BASE, SHM_REMAP) == BASE
    assert nattch(machine, seg) == 1


def test_forced_removal(machine: LinuxMachine, task: Task, seg: int) -> None:
    machine.ipc_ns.shm_rmid_forced = True
    attach(task, seg)
    assert detach(task, BASE) == 0
    assert machine.ipc_ns.find(seg) is None


def test_remapping_pages_of_a_segment_that_is_gone(
    machine: LinuxMachine, task: Task, seg: int
) -> None:
    attach(task, seg)
    assert remove(task, seg) == 0
    # The old mapping goes first, and the segment with it.
    assert do_syscall(task, "remap_file_pages", BASE, 16384, 0, 0, 0) == -EINVAL
    assert machine.ipc_ns.find(seg) is None


def test_mlockall_populates_attachments(task: Task, mm: Mm, seg: int) -> None:
    assert do_syscall(task, "mlockall", 2) == 0
    attach(task, seg)
    assert mm.locked_vm == 4
    assert len(mm.page_tables.ranges(BASE, BASE + 16384)) == 1
