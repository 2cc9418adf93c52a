# SPDX-License-Identifier: GPL-2.0-or-later
"""What calls answer tells who a task is, and its limits; nothing told otherwise is overridden."""

import pytest

from vmalab.linux.include.uapi.resource import RLIMIT_AS, RLIMIT_MEMLOCK
from vmalab.linux.types.cred import CAP_FULL_SET
from vmalab.linux.types.task import Task
from vmalab.recording.format.meta import Meta
from vmalab.recording.readers.strace import StraceReader
from vmalab.targets.model.model import ModelTarget


def told(*lines: str, meta: Meta | None = None, known: bool = False) -> Task:
    """A task after what it has asked; known: a recording tells its credentials."""
    target = ModelTarget(meta or Meta(), "6.18")
    task = target.start(50)
    task.cred.known = known
    reader = StraceReader()
    for line in lines:
        reader.feed(f"50 {line}")
    for event in reader.take():
        target.follow(event)  # type: ignore[arg-type]
    return task


def test_user_without_rights() -> None:
    cred = told("geteuid() = 1000", "getegid() = 100", "getgroups(8, [7, 100]) = 2").cred
    assert (cred.uid, cred.euid, cred.fsuid, cred.egid) == (1000, 1000, 1000, 100)
    assert (cred.cap_effective, cred.groups) == (0, [7, 100])


def test_three_ids() -> None:
    cred = told("getresuid([1], [2], [3]) = 0", "getresgid([4], [5], [6]) = 0").cred
    assert (cred.uid, cred.euid, cred.suid, cred.fsuid) == (1, 2, 3, 2)
    assert (cred.gid, cred.egid, cred.sgid, cred.fsgid) == (4, 5, 6, 5)


def test_capabilities_are_exact() -> None:
    cred = told(
        "geteuid() = 0",
        "capget({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, "
        "{effective=1<<CAP_CHOWN, permitted=1<<CAP_CHOWN|1<<CAP_IPC_LOCK, inheritable=0}) = 0",
    ).cred
    assert (cred.cap_effective, cred.cap_permitted) == (1, 1 | 1 << 14)


@pytest.mark.parametrize(
    "line",
    [
        "geteuid() = -1 ENOSYS (x)",
        "getresuid(0x7ffc1, 0x7ffc2, 0x7ffc3) = -1 EFAULT (Bad address)",
        "getresuid([1], NULL, [3]) = 0",
        "capget({version=_LINUX_CAPABILITY_VERSION_3, pid=7}, "
        "{effective=0, permitted=0, inheritable=0}) = 0",
        "capget(NULL, NULL) = 0",
        "getgroups(0, NULL) = 5",
    ],
)
def test_what_tells_nothing_changes_nothing(line: str) -> None:
    cred = told(line).cred
    assert (cred.uid, cred.euid, cred.cap_effective, cred.groups) == (0, 0, CAP_FULL_SET, [])


def test_known_credentials_stay() -> None:
    assert told("geteuid() = 1000", known=True).cred.euid == 0


AS_OLD = "prlimit64(0, RLIMIT_AS, NULL, {rlim_cur=4096, rlim_max=8192}) = 0"


def test_limits_are_learnt_unless_they_are_told() -> None:
    task = told(AS_OLD, "getrlimit(RLIMIT_MEMLOCK, {rlim_cur=1, rlim_max=RLIM64_INFINITY}) = 0")
    assert (task.signal.rlim_cur[RLIMIT_AS], task.signal.rlim_max[RLIMIT_AS]) == (4096, 8192)
    assert task.signal.rlim_cur[RLIMIT_MEMLOCK] == 1
    kept = told(AS_OLD, meta=Meta(rlimits={"AS": (5, 6)}))
    assert kept.signal.rlim_cur[RLIMIT_AS] != 4096


def test_limit_that_was_replaced_is_not_taken_over() -> None:
    line = (
        "prlimit64(0, RLIMIT_AS, {rlim_cur=12288, rlim_max=12288}, "
        "{rlim_cur=4096, rlim_max=8192}) = 0"
    )
    assert told(line).signal.rlim_cur[RLIMIT_AS] == 12288
