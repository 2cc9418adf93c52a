# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors of calls that no other file asks for, and of pointers to memory that is not there."""

import pytest

from vmalab.linux.include.features import VERSIONS, Features, Version
from vmalab.linux.include.uapi.errno import (
    EBADF,
    EFAULT,
    EINVAL,
    EISDIR,
    ENOENT,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    EOPNOTSUPP,
    EPERM,
    ESRCH,
)
from vmalab.linux.include.uapi.mempolicy import (
    MPOL_BIND,
    MPOL_F_ADDR,
    MPOL_F_MEMS_ALLOWED,
    MPOL_F_NODE,
    MPOL_F_NUMA_BALANCING,
    MPOL_INTERLEAVE,
    MPOL_PREFERRED_MANY,
)
from vmalab.linux.include.uapi.mman import MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT
from vmalab.linux.include.uapi.prctl import (
    PR_GET_MDWE,
    PR_GET_MEMORY_MERGE,
    PR_GET_THP_DISABLE,
    PR_MDWE_NO_INHERIT,
    PR_MDWE_REFUSE_EXEC_GAIN,
    PR_SET_MDWE,
    PR_SET_MEMORY_MERGE,
    PR_SET_MM,
    PR_SET_MM_AUXV,
    PR_SET_MM_BRK,
    PR_SET_MM_EXE_FILE,
    PR_SET_MM_MAP,
    PR_SET_MM_MAP_SIZE,
    PR_SET_NAME,
    PR_SET_THP_DISABLE,
    PR_SET_VMA,
    PR_SET_VMA_ANON_NAME,
)
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall

MINUS_1 = 2**64 - 1
BASE = 0x50000000
MEMLOCK = 8
# A pointer of which a log shows what it points to.
UNKNOWN = 1 << 63
HOLE = 0x60000000


@pytest.fixture
def pages(task: Task) -> int:
    """Three pages to write, one to read only, then a hole."""
    do_syscall(task, "mmap", BASE, 12288, 3, 0x32, MINUS_1, 0)
    do_syscall(task, "mmap", BASE + 12288, 4096, 1, 0x32, MINUS_1, 0)
    return BASE


@pytest.mark.parametrize(
    ("flags", "result"),
    [
        (0, -EINVAL),
        (8, -EINVAL),
        (MCL_ONFAULT, -EINVAL),
        (MCL_CURRENT, -ENOMEM),
        (MCL_FUTURE, 0),
        (MCL_FUTURE | MCL_ONFAULT, 0),
    ],
)
def test_mlockall(task: Task, pages: int, flags: int, result: int) -> None:
    task.cred.cap_effective = 0
    task.signal.rlim_cur[MEMLOCK] = 8192
    assert do_syscall(task, "mlockall", flags) == result
    task.signal.rlim_cur[MEMLOCK] = 0
    assert do_syscall(task, "mlockall", MCL_FUTURE) == -EPERM


@pytest.mark.parametrize(
    ("start", "length", "flags", "result"),
    [
        (BASE, 4096, 2, -EINVAL),
        (BASE, 4096, MLOCK_ONFAULT, 0),
        (HOLE, 4096, 0, -ENOMEM),
        (BASE, 8192 + 1, 0, -ENOMEM),
        (BASE, 0, 0, 0),
    ],
)
def test_mlock2(task: Task, pages: int, start: int, length: int, flags: int, result: int) -> None:
    task.cred.cap_effective = 0
    task.signal.rlim_cur[MEMLOCK] = 8192
    assert do_syscall(task, "mlock2", start, length, flags) == result
    task.signal.rlim_cur[MEMLOCK] = 0
    assert do_syscall(task, "mlock2", BASE, 4096, 0) == -EPERM


@pytest.mark.parametrize(
    ("start", "length", "flags", "result"),
    [
        (BASE, 4096, 1, -EINVAL),
        (BASE + 1, 4096, 0, -EINVAL),
        (BASE, MINUS_1, 0, -EINVAL),
        (HOLE, 4096, 0, -ENOMEM),
        (BASE, 5 * 4096, 0, -ENOMEM),
        (HOLE, 0, 0, 0),
        (BASE, 4096, 0, 0),
    ],
)
def test_mseal(task: Task, pages: int, start: int, length: int, flags: int, result: int) -> None:
    assert do_syscall(task, "mseal", start, length, flags) == result
    assert do_syscall(task, "munmap", BASE, 4096) == (-EPERM if result == 0 != length else 0)


def test_protection_keys(machine: LinuxMachine, task: Task, pages: int) -> None:
    assert do_syscall(task, "pkey_alloc", 1, 0) == -EINVAL
    assert do_syscall(task, "pkey_alloc", 0, 4) == -EINVAL
    assert do_syscall(task, "pkey_alloc", 0, 0) == -EINVAL
    assert do_syscall(task, "pkey_alloc", 0, 0) == -ENOSPC
    assert do_syscall(task, "pkey_free", 0) == -EINVAL
    assert do_syscall(task, "pkey_mprotect", pages, 4096, 1, 1) == -EINVAL
    assert do_syscall(task, "pkey_mprotect", pages, 4096, 1, MINUS_1) == 0


def test_protection_keys_of_a_machine_that_has_them(machine: LinuxMachine) -> None:
    machine.config.pkeys = True
    task = machine.spawn(101)
    assert [do_syscall(task, "pkey_alloc", 0, 0) for _ in range(15)] == list(range(1, 16))
    assert do_syscall(task, "pkey_alloc", 0, 0) == -ENOSPC
    assert do_syscall(task, "pkey_free", 16) == -EINVAL
    assert do_syscall(task, "pkey_free", 7) == 0
    assert do_syscall(task, "pkey_free", 7) == -EINVAL
    assert do_syscall(task, "pkey_mprotect", BASE, 4096, 1, 7) == -EINVAL


@pytest.mark.parametrize(
    ("args", "result"),
    [
        ((PR_SET_VMA, PR_SET_VMA_ANON_NAME, BASE, 4096, 0), -EINVAL),
        ((PR_SET_MDWE, 4), -EINVAL),
        ((PR_SET_MDWE, PR_MDWE_NO_INHERIT), -EINVAL),
        ((PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 1), -EINVAL),
        ((PR_GET_MDWE, 1), -EINVAL),
        ((PR_SET_THP_DISABLE, 1, 4), -EINVAL),
        ((PR_SET_THP_DISABLE, 0, 2), -EINVAL),
        ((PR_SET_MEMORY_MERGE, 1, 1), -EINVAL),
        ((PR_SET_MM, PR_SET_MM_BRK, 0), -EINVAL),
        ((PR_SET_MM, 99, BASE), -EINVAL),
        ((PR_SET_MM, PR_SET_MM_MAP, BASE, 8), -EINVAL),
        ((PR_SET_MM, PR_SET_MM_MAP, 0, 104), -EFAULT),
        ((PR_SET_MM, PR_SET_MM_MAP_SIZE, 0), -EFAULT),
        ((PR_SET_MM, PR_SET_MM_MAP_SIZE, BASE, 0, 1), -EINVAL),
        ((PR_SET_MM, PR_SET_MM_AUXV, 0, 449), -EINVAL),
        ((PR_SET_MM, PR_SET_MM_AUXV, 0, 448), -EFAULT),
        ((PR_SET_MM, PR_SET_MM_EXE_FILE, 99), -EBADF),
        ((PR_SET_MM, PR_SET_MM_BRK, BASE, 1), -EINVAL),
        ((PR_SET_NAME, UNKNOWN), -ENOSYS),
    ],
)
def test_prctl(task: Task, args: tuple[int, ...], result: int) -> None:
    assert do_syscall(task, "prctl", *args) == result


@pytest.mark.parametrize(
    ("args", "since", "old", "new"),
    [
        ((PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN), (6, 12), -EINVAL, 0),
        ((PR_GET_MDWE,), (6, 12), -EINVAL, 0),
        ((PR_SET_MEMORY_MERGE, 1), (6, 12), -EINVAL, 0),
        ((PR_GET_MEMORY_MERGE,), (6, 12), -EINVAL, 0),
        ((PR_SET_THP_DISABLE, 1, 2), (6, 18), -EINVAL, 0),
        ((PR_SET_THP_DISABLE, 1, 0), (5, 10), -EINVAL, 0),
        ((PR_GET_THP_DISABLE,), (5, 10), -EINVAL, 0),
    ],
)
@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_prctl_by_version(
    machine: LinuxMachine,
    task: Task,
    version: Version,
    args: tuple[int, ...],
    since: Version,
    old: int,
    new: int,
) -> None:
    machine.config.features = Features(version)
    assert do_syscall(task, "prctl", *args) == (new if version >= since else old)


@pytest.mark.parametrize(
    ("version", "result"), [((6, 1), -EBADF), ((6, 12), 0), ((7, 3), 0)], ids=str
)
def test_names_of_shared_memory_by_version(
    machine: LinuxMachine, task: Task, version: Version, result: int
) -> None:
    machine.config.anon_vma_name = True
    machine.config.features = Features(version)
    do_syscall(task, "mmap", BASE, 4096, 3, 0x31, MINUS_1, 0)
    do_syscall(task, "mmap", HOLE, 4096, 3, 0x32, MINUS_1, 0)
    args = (PR_SET_VMA, PR_SET_VMA_ANON_NAME)
    assert do_syscall(task, "prctl", *args, BASE, 4096, UNKNOWN, mem={4: "name"}) == result
    assert do_syscall(task, "prctl", *args, HOLE, 4096, UNKNOWN, mem={4: "name"}) == 0


def test_prctl_without_privilege_and_once_only(task: Task) -> None:
    task.cred.cap_effective = 0
    assert do_syscall(task, "prctl", PR_SET_MM, PR_SET_MM_BRK, BASE) == -EPERM
    assert do_syscall(task, "prctl", PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN) == 0
    assert do_syscall(task, "prctl", PR_SET_MDWE, 0) == -EPERM


@pytest.mark.parametrize(
    ("start", "length", "mode", "mask", "maxnode", "flags", "result"),
    [
        (BASE, 4096, MPOL_BIND, [1], 64, 0, 0),
        (BASE + 1, 4096, MPOL_BIND, [1], 64, 0, -EINVAL),
        (BASE, 4096, 99, [1], 64, 0, -EINVAL),
        (BASE, 4096, MPOL_BIND, [], 64, 0, -EINVAL),
        (BASE, 4096, MPOL_BIND, [2], 64, 0, -EINVAL),
        (BASE, 4096, MPOL_BIND, [1], 1 << 20, 0, -EINVAL),
        (BASE, 4096, MPOL_BIND, [1], 64, 1 << 10, -EINVAL),
        (BASE, 5 * 4096, MPOL_BIND, [1], 64, 0, -EFAULT),
        (HOLE, 4096, MPOL_BIND, [1], 64, 0, -EFAULT),
    ],
)
def test_mbind(
    task: Task,
    pages: int,
    start: int,
    length: int,
    mode: int,
    mask: list[int],
    maxnode: int,
    flags: int,
    result: int,
) -> None:
    args = (start, length, mode, UNKNOWN + 3, maxnode, flags)
    assert do_syscall(task, "mbind", *args, mem={3: mask}) == result


@pytest.mark.parametrize(
    ("version", "mode", "result"),
    [
        ((6, 1), MPOL_PREFERRED_MANY, -EINVAL),
        ((6, 1), MPOL_BIND, 0),
        ((6, 12), MPOL_PREFERRED_MANY, 0),
        ((7, 3), MPOL_PREFERRED_MANY, 0),
        ((7, 3), MPOL_INTERLEAVE, -EINVAL),
    ],
    ids=str,
)
def test_balancing_by_version(
    machine: LinuxMachine, task: Task, version: Version, mode: int, result: int
) -> None:
    machine.config.features = Features(version)
    mode |= MPOL_F_NUMA_BALANCING
    assert do_syscall(task, "set_mempolicy", mode, UNKNOWN, 64, mem={1: [1]}) == result


def test_masks_that_cannot_be_read(task: Task, pages: int) -> None:
    assert do_syscall(task, "mbind", pages, 4096, MPOL_BIND, HOLE, 64, 0) == -EFAULT
    assert do_syscall(task, "mbind", pages, 4096, 99, HOLE, 64, 0) == -EINVAL
    assert do_syscall(task, "set_mempolicy", MPOL_INTERLEAVE, HOLE, 64) == -EFAULT
    assert do_syscall(task, "set_mempolicy", MPOL_INTERLEAVE, HOLE, 1) == -EINVAL
    assert do_syscall(task, "migrate_pages", 0, 64, HOLE, UNKNOWN, mem={3: [1]}) == -EFAULT


def test_set_mempolicy_home_node(task: Task, pages: int) -> None:
    def call(start: int, length: int, node: int = 0, flags: int = 0) -> int:
        return do_syscall(task, "set_mempolicy_home_node", start, length, node, flags)

    assert call(pages + 1, 4096) == -EINVAL
    assert call(pages, 4096, 1) == -EINVAL
    assert call(pages, 4096, 0, 1) == -EINVAL
    assert call(pages, 4096) == -ENOENT
    args = (pages, 4096, MPOL_INTERLEAVE, UNKNOWN + 3, 64, 0)
    assert do_syscall(task, "mbind", *args, mem={3: [1]}) == 0
    assert call(pages, 4096) == -EOPNOTSUPP


@pytest.mark.parametrize(
    ("mode", "mask", "maxnode", "addr", "flags", "result"),
    [
        (BASE, BASE, 64, 0, 0, 0),
        (0, 0, 0, 0, 0, 0),
        (HOLE, 0, 0, 0, 0, -EFAULT),
        (BASE + 12288, 0, 0, 0, 0, -EFAULT),
        (0, HOLE, 64, 0, 0, -EFAULT),
        (0, BASE, 64, 1, 0, -EINVAL),
        (0, BASE, 0, 0, 0, -EINVAL),
        (0, BASE, 1 << 20, 0, 0, -EINVAL),
        (0, BASE, 64, 0, 1 << 9, -EINVAL),
        (0, 0, 0, HOLE, MPOL_F_ADDR, -EFAULT),
        (0, 0, 0, 0, MPOL_F_NODE, -EINVAL),
        (0, 0, 0, 0, MPOL_F_MEMS_ALLOWED | MPOL_F_ADDR, -EINVAL),
    ],
)
def test_get_mempolicy(
    task: Task, pages: int, mode: int, mask: int, maxnode: int, addr: int, flags: int, result: int
) -> None:
    assert do_syscall(task, "get_mempolicy", mode, mask, maxnode, addr, flags) == result


def test_migrate_pages(task: Task) -> None:
    def call(pid: int, maxnode: int, new: list[int]) -> int:
        args = (pid, maxnode, UNKNOWN + 2, UNKNOWN + 3)
        return do_syscall(task, "migrate_pages", *args, mem={2: [1], 3: new})

    assert call(0, 64, [1]) == 0
    assert call(999, 64, [1]) == -ESRCH
    assert call(0, 64, [0]) == -EINVAL
    assert call(0, 1 << 20, [1]) == -EINVAL
    task.cred.cap_effective = 0
    assert call(0, 64, [3]) == -EPERM


def test_personality_takes_any_bits(task: Task) -> None:
    assert do_syscall(task, "personality", MINUS_1 - 5) == 0
    assert do_syscall(task, "personality", 0) == 0xFFFFFFFA


def test_files(machine: LinuxMachine, task: Task) -> None:
    machine.closed_world = True
    machine.add_directory("/x")
    assert do_syscall(task, "close", 3) == -EBADF
    assert do_syscall(task, "unlink", 1, mem={0: "/x"}) == -EISDIR
    assert do_syscall(task, "unlink", 1, mem={0: "/y"}) == -ENOENT


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("open", (HOLE, 0)),
        ("openat", (0, HOLE, 0)),
        ("creat", (0, 0)),
        ("memfd_create", (HOLE, 0)),
        ("truncate", (HOLE, 0)),
        ("getrlimit", (3, HOLE)),
        ("getrlimit", (3, BASE + 12288)),
        ("prlimit64", (0, 3, 0, HOLE)),
        ("setrlimit", (3, HOLE)),
    ],
)
def test_pointers_to_nowhere(task: Task, pages: int, name: str, args: tuple[int, ...]) -> None:
    assert do_syscall(task, name, *args) == -EFAULT


def test_strings_that_a_log_did_not_keep(task: Task, pages: int) -> None:
    assert do_syscall(task, "open", UNKNOWN, 0) == -ENOSYS
    assert do_syscall(task, "open", pages, 0) == -ENOSYS


def test_a_limit_is_set_even_if_the_old_one_cannot_be_told(task: Task) -> None:
    new = {"rlim_cur": 5, "rlim_max": 5}
    assert do_syscall(task, "prlimit64", 0, 3, UNKNOWN + 2, HOLE, mem={2: new}) == -EFAULT
    assert task.signal.rlim_cur[3] == 5
