# SPDX-License-Identifier: GPL-2.0-or-later
"""Ids and capabilities, and which memory calls ask for them; as Linux 6.18 answered live."""

import pytest

from vmalab.linux.fs.exec import begin_new_exec
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.uapi.capability import (
    _LINUX_CAPABILITY_VERSION_3,
    CAP_IPC_LOCK,
    CAP_SETGID,
    CAP_SETPCAP,
    CAP_SETUID,
)
from vmalab.linux.include.uapi.errno import EAGAIN, EFAULT, EINVAL, ENOMEM, ENOSPC, ENOSYS, EPERM
from vmalab.linux.include.uapi.prctl import (
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAP_AMBIENT_IS_SET,
    PR_CAP_AMBIENT_LOWER,
    PR_CAP_AMBIENT_RAISE,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    PR_GET_KEEPCAPS,
    PR_GET_SECUREBITS,
    PR_SET_KEEPCAPS,
    PR_SET_SECCOMP,
    PR_SET_SECUREBITS,
)
from vmalab.linux.include.uapi.resource import RLIMIT_MEMLOCK
from vmalab.linux.include.uapi.sched import CLONE_NEWUSER
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall

KEEP = 2**64 - 1
LOCK = 1 << CAP_IPC_LOCK
MMAP_LOCKED = (0, 131072, 3, 0x2022, KEEP, 0)


def capset(task: Task, effective: int, permitted: int, inheritable: int = 0, pid: int = 0) -> int:
    mem: dict[int, object] = {
        0: {"version": _LINUX_CAPABILITY_VERSION_3, "pid": pid},
        1: {"effective": effective, "permitted": permitted, "inheritable": inheritable},
    }
    return do_syscall(task, "capset", 1, 1, mem=mem)


def can_lock(task: Task) -> bool:
    """Whether a task may lock more than its limit."""
    task.signal.rlim_cur[RLIMIT_MEMLOCK] = 65536
    result = do_syscall(task, "mmap", *MMAP_LOCKED)
    assert result > 0 or result == -EAGAIN
    return result > 0


Steps = tuple[tuple[str, tuple[int, ...]], ...]


@pytest.mark.parametrize(
    ("steps", "locks"),
    [
        pytest.param((), True, id="root"),
        pytest.param((("setuid", (65534,)),), False, id="setuid"),
        pytest.param((("setreuid", (KEEP, 65534)),), False, id="seteuid"),
        pytest.param((("setreuid", (KEEP, 65534)), ("setreuid", (KEEP, 0))), True, id="back"),
        pytest.param((("setreuid", (65534, 65534)),), False, id="setreuid"),
        pytest.param((("setresuid", (KEEP, 65534, 0)),), False, id="setresuid"),
        pytest.param((("setfsuid", (65534,)),), True, id="setfsuid"),
        pytest.param((("setgid", (1000,)),), True, id="setgid"),
        pytest.param((("setregid", (1000, 1000)),), True, id="setregid"),
        pytest.param((("setresgid", (1000, 1000, 1000)),), True, id="setresgid"),
        pytest.param((("prctl", (PR_SET_KEEPCAPS, 1)), ("setuid", (5,))), False, id="keepcaps"),
        pytest.param((("prctl", (PR_SET_SECUREBITS, 4)), ("setuid", (5,))), True, id="no-fixup"),
        pytest.param((("unshare", (CLONE_NEWUSER,)),), False, id="user-namespace"),
        pytest.param((("prctl", (PR_CAPBSET_DROP, CAP_IPC_LOCK)),), True, id="bounding-set"),
    ],
)
def test_locking_beyond_the_limit_takes_the_capability(
    task: Task, steps: Steps, *, locks: bool
) -> None:
    for name, args in steps:
        assert do_syscall(task, name, *args) == 0
    assert can_lock(task) is locks


def test_mlock_after_setuid_obeys_the_limit(task: Task) -> None:
    task.signal.rlim_cur[RLIMIT_MEMLOCK] = 65536
    place = do_syscall(task, "mmap", 0, 1 << 20, 3, 0x22, KEEP, 0)
    assert do_syscall(task, "setuid", 65534) == 0
    assert do_syscall(task, "mlock", place, 131072) == -ENOMEM
    assert do_syscall(task, "mlock", place, 65536) == 0


def test_keepcaps_leaves_what_capset_can_raise_again(task: Task) -> None:
    assert do_syscall(task, "prctl", PR_SET_KEEPCAPS, 1) == 0
    assert do_syscall(task, "prctl", PR_GET_KEEPCAPS) == 1
    assert do_syscall(task, "setuid", 1000) == 0
    assert task.cred.cap_effective == 0
    assert capset(task, LOCK, LOCK) == 0
    assert can_lock(task)
    begin_new_exec(task)
    assert not task.cred.cap_permitted
    assert do_syscall(task, "prctl", PR_GET_KEEPCAPS) == 0


def test_ambient_capabilities_survive_a_program(task: Task) -> None:
    do_syscall(task, "prctl", PR_SET_KEEPCAPS, 1)
    do_syscall(task, "setuid", 1000)
    raised = (PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_IPC_LOCK)
    assert do_syscall(task, "prctl", *raised) == -EPERM
    assert capset(task, LOCK, LOCK, LOCK) == 0
    assert do_syscall(task, "prctl", *raised) == 0
    assert do_syscall(task, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_IPC_LOCK) == 1
    begin_new_exec(task)
    assert task.cred.cap_effective == LOCK
    assert do_syscall(task, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_IPC_LOCK) == 0
    assert do_syscall(task, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL) == 0
    assert do_syscall(task, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1) == -EINVAL
    assert do_syscall(task, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 41) == -EINVAL
    assert do_syscall(task, "prctl", PR_CAP_AMBIENT, 9, 1) == -EINVAL
    assert do_syscall(task, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 1, 1) == -EINVAL


def test_root_gets_its_capabilities_back_with_a_program(task: Task) -> None:
    assert capset(task, 0, 0) == 0
    begin_new_exec(task)
    assert can_lock(task)


def test_a_dropped_capability_does_not_come_back(task: Task) -> None:
    assert do_syscall(task, "prctl", PR_CAPBSET_DROP, CAP_IPC_LOCK) == 0
    assert do_syscall(task, "prctl", PR_CAPBSET_READ, CAP_IPC_LOCK) == 0
    assert do_syscall(task, "prctl", PR_CAPBSET_READ, CAP_SETPCAP) == 1
    assert do_syscall(task, "prctl", PR_CAPBSET_READ, 64) == -EINVAL
    assert do_syscall(task, "prctl", PR_CAPBSET_DROP, 41) == -EINVAL
    begin_new_exec(task)
    assert not can_lock(task)
    assert capset(task, 0, 0) == 0
    assert do_syscall(task, "prctl", PR_CAPBSET_DROP, 1) == -EPERM


def test_capset_refuses_what_is_not_held(task: Task) -> None:
    assert capset(task, LOCK, LOCK) == 0
    assert capset(task, LOCK, LOCK | 1) == -EPERM
    assert capset(task, LOCK, 0) == -EPERM
    assert capset(task, 0, 0, 1) == -EPERM
    assert capset(task, 0, 0, pid=1) == -EPERM
    assert do_syscall(task, "capset", 1, 1) == -EFAULT
    assert do_syscall(task, "capset", 1, 1, mem={0: {"version": 1, "pid": 0}}) == -EINVAL


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("setuid", (5,), -EPERM),
        ("setuid", (KEEP,), -EINVAL),
        ("setreuid", (5, KEEP), -EPERM),
        ("setreuid", (KEEP, 5), -EPERM),
        ("setresuid", (KEEP, KEEP, 5), -EPERM),
        ("setgid", (5,), -EPERM),
        ("setgid", (KEEP,), -EINVAL),
        ("setregid", (5, KEEP), -EPERM),
        ("setregid", (KEEP, 5), -EPERM),
        ("setresgid", (KEEP, KEEP, 5), -EPERM),
        ("setgroups", (0, 0), -EPERM),
    ],
)
def test_other_ids_take_a_capability(
    task: Task, name: str, args: tuple[int, ...], error: int
) -> None:
    task.cred.cap_effective = 0
    before = vars_of(task)
    assert do_syscall(task, name, *args) == error
    assert vars_of(task) == before


@pytest.mark.parametrize(
    ("name", "args", "kept"),
    [
        ("setresuid", (KEEP, KEEP, KEEP), True),
        ("setresuid", (KEEP, KEEP, 0), True),
        ("setresuid", (KEEP, 0, KEEP), False),
        ("setresgid", (KEEP, KEEP, KEEP), True),
        ("setresgid", (0, KEEP, 0), True),
        ("setresgid", (KEEP, 0, KEEP), False),
        ("setreuid", (KEEP, KEEP), False),
        ("setregid", (KEEP, KEEP), False),
    ],
)
def test_ids_that_a_process_has_leave_the_fs_id_alone(
    task: Task, name: str, args: tuple[int, ...], kept: bool
) -> None:
    """Unless the effective one is named; as 5.10.262 and 6.18.44 do."""
    kind = "setfsuid" if "uid" in name else "setfsgid"
    assert do_syscall(task, kind, 65534) == 0
    assert do_syscall(task, name, *args) == 0
    assert do_syscall(task, kind, KEEP) == (65534 if kept else 0)


def vars_of(task: Task) -> list[object]:
    """The ids of a task."""
    cred = task.cred
    users = [cred.uid, cred.euid, cred.suid, cred.fsuid]
    return [*users, cred.gid, cred.egid, cred.sgid, cred.fsgid, *cred.groups]


@pytest.mark.parametrize(
    ("name", "args", "ids"),
    [
        ("setuid", (0,), [5, 0, 0, 0]),
        ("setreuid", (5, 0), [5, 0, 0, 0]),
        ("setreuid", (KEEP, 0), [5, 0, 0, 0]),
        ("setresuid", (KEEP, 0, KEEP), [5, 0, 0, 0]),
    ],
)
def test_own_ids_take_none(task: Task, name: str, args: tuple[int, ...], ids: list[int]) -> None:
    cred = task.cred
    cred.cap_effective = 0
    cred.uid, cred.euid, cred.suid, cred.fsuid = 5, 5, 0, 5
    assert do_syscall(task, name, *args) == 0
    assert vars_of(task)[:4] == ids


def test_groups_and_ids_for_files(task: Task) -> None:
    assert do_syscall(task, "setfsuid", 7) == 0
    assert do_syscall(task, "setfsuid", KEEP) == 7
    assert do_syscall(task, "setfsgid", 8) == 0
    assert do_syscall(task, "setfsgid", KEEP) == 8
    assert do_syscall(task, "setgroups", 2, 1, mem={1: [3, 4]}) == 0
    assert vars_of(task) == [0, 0, 0, 7, 0, 0, 0, 8, 3, 4]
    assert do_syscall(task, "setgroups", 2, 1) == -EFAULT
    assert do_syscall(task, "setgroups", 65537, 1) == -EINVAL


def test_id_for_files_of_another_user_is_refused_silently(task: Task) -> None:
    task.cred.cap_effective = 0
    assert do_syscall(task, "setfsuid", 7) == 0
    assert do_syscall(task, "setfsgid", 7) == 0
    assert vars_of(task) == [0] * 8


def test_securebits_can_be_locked(task: Task) -> None:
    assert do_syscall(task, "prctl", PR_SET_SECUREBITS, 0x30) == 0
    assert do_syscall(task, "prctl", PR_GET_SECUREBITS) == 0x30
    assert do_syscall(task, "prctl", PR_SET_KEEPCAPS, 0) == -EPERM
    assert do_syscall(task, "prctl", PR_SET_SECUREBITS, 0x20) == -EPERM
    assert do_syscall(task, "prctl", PR_SET_SECUREBITS, 0x1130) == -EPERM
    assert do_syscall(task, "prctl", PR_SET_KEEPCAPS, 2) == -EINVAL
    task.cred.cap_effective = 0
    assert do_syscall(task, "prctl", PR_SET_SECUREBITS, 0x31) == -EPERM


@pytest.mark.parametrize(
    ("version", "known"), [((6, 12), False), ((6, 16), True)], ids=["6.12", "6.16"]
)
def test_securebits_of_scripts_need_no_right(
    machine: LinuxMachine, task: Task, version: Version, known: bool
) -> None:
    machine.config.features = Features(version)
    answer = 0 if known else -EPERM
    assert do_syscall(task, "prctl", PR_SET_SECUREBITS, 0x101) == answer
    task.cred.cap_effective = 0
    assert do_syscall(task, "prctl", PR_SET_SECUREBITS, 0xD01) == answer
    # No change, another bit's change, a lock undone, a bit that there is not.
    for bits in (0xD01, 0xD00, 0x501, 0x1D01):
        assert do_syscall(task, "prctl", PR_SET_SECUREBITS, bits) == -EPERM


def test_setns_enters_user_namespaces_only(task: Task) -> None:
    assert do_syscall(task, "setns", 3, 0) == -EINVAL
    assert do_syscall(task, "setns", 3, CLONE_NEWUSER) == 0
    assert task.cred.user_ns.level == 1
    assert task.cred.cap_raised(CAP_SETUID)
    assert task.cred.cap_raised(CAP_SETGID)
    assert not can_lock(task)


def test_child_of_clone_newuser_is_in_the_namespace(task: Task) -> None:
    pid = do_syscall(task, "clone", CLONE_NEWUSER | 17)
    child = task.machine.find_task(pid)
    assert child is not None
    assert not can_lock(child)
    assert can_lock(task)


def test_filters_are_noted(task: Task) -> None:
    assert do_syscall(task, "seccomp", 0, 1) == -EINVAL
    assert do_syscall(task, "seccomp", 2) == -ENOSYS
    assert do_syscall(task, "prctl", PR_SET_SECCOMP, 3) == -EINVAL
    assert do_syscall(task, "prctl", PR_SET_SECCOMP, 2) == 0
    assert task.seccomp_mode == 2
    assert do_syscall(task, "seccomp", 0) == -EINVAL
    assert do_syscall(task, "seccomp", 1) == 0


def test_all_threads_get_a_filter_that_is_synchronised(task: Task) -> None:
    tid = do_syscall(task, "clone", 0x10F00)
    thread = task.machine.find_task(tid)
    assert thread is not None
    assert do_syscall(task, "seccomp", 1, 1) == 0
    assert thread.seccomp_mode == 2


def test_user_namespaces_nest_33_deep(task: Task) -> None:
    for _ in range(33):
        assert do_syscall(task, "unshare", CLONE_NEWUSER) == 0
    assert do_syscall(task, "unshare", CLONE_NEWUSER) == -ENOSPC
    assert do_syscall(task, "clone", CLONE_NEWUSER | 17) == -ENOSPC
    assert task.cred.user_ns.level == 33
