# SPDX-License-Identifier: GPL-2.0-or-later
"""Credentials as a recording tells them: at the start of an image, and by the calls of its log."""

import pytest

from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.linux.types.cred import CAP_FULL_SET
from vmalab.linux.types.task import SECCOMP_MODE_UNKNOWN, Task
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.recording.readers.strace import StraceReader
from vmalab.targets.model.credentials import set_credentials, supposed
from vmalab.targets.model.model import ModelTarget

STATUS = {
    "Uid": "1\t2\t3\t4",
    "Gid": "5\t6\t7\t8",
    "Groups": "9 10",
    "CapInh": "0000000000000001",
    "CapPrm": "0000000000004001",
    "CapEff": "0000000000004000",
    "CapBnd": "000000000000ffff",
    "CapAmb": "0000000000000001",
    "Seccomp": "2",
}
LOCK = 1 << CAP_IPC_LOCK


def started(image: MetaImage, meta: Meta | None = None) -> Task:
    """A process as an image began with it."""
    target = ModelTarget(meta or Meta(), "6.18")
    task = target.start(50)
    set_credentials(task, target.meta, image)
    return task


def after(task: Task, *lines: str) -> Task:
    """The process once calls of a log have been followed."""
    reader = StraceReader()
    target = ModelTarget(Meta(), "6.18")
    target.machine.tasks[50] = task
    for line in lines:
        reader.feed(f"50 {line}")
    for event in reader.take():
        target.follow(event)  # type: ignore[arg-type]
    return task


def test_status_is_taken_over() -> None:
    cred = started(MetaImage(status=STATUS, user_ns="other"), Meta(credentials="traced")).cred
    assert (cred.uid, cred.euid, cred.suid, cred.fsuid) == (1, 2, 3, 4)
    assert (cred.gid, cred.egid, cred.sgid, cred.fsgid) == (5, 6, 7, 8)
    assert cred.groups == [9, 10]
    assert (cred.cap_inheritable, cred.cap_permitted, cred.cap_effective) == (1, 0x4001, LOCK)
    assert (cred.cap_bset, cred.cap_ambient, cred.known) == (0xFFFF, 1, True)


@pytest.mark.parametrize("where", ["initial", "other"])
def test_capabilities_of_a_user_namespace_lift_no_limit(where: str) -> None:
    task = started(MetaImage(status=STATUS, user_ns=where))
    assert task.capable(CAP_IPC_LOCK) is (where == "initial")


def test_what_is_not_told_is_not_known() -> None:
    task = started(MetaImage())
    assert task.cred.known is False
    assert task.seccomp_mode == SECCOMP_MODE_UNKNOWN
    assert started(MetaImage(status=STATUS)).cred.known is False
    assert started(MetaImage(status=STATUS)).seccomp_mode == 2


def test_ids_that_are_no_numbers_are_left_out() -> None:
    task = started(MetaImage(status={"Uid": "x", "CapEff": "zz", "Groups": "1 y"}))
    assert (task.cred.uid, task.cred.groups, task.cred.cap_effective) == (0, [], CAP_FULL_SET)


def test_calls_of_a_plain_log_are_followed() -> None:
    caps = "effective=1<<CAP_CHOWN|1<<CAP_IPC_LOCK, permitted=1<<CAP_CHOWN|1<<CAP_IPC_LOCK"
    task = after(
        started(MetaImage()),
        "prctl(PR_SET_KEEPCAPS, 1) = 0",
        "setgroups(2, [5, 6]) = 0",
        "setresgid(7, 7, 7) = 0",
        "setresuid(65534, 65534, 65534) = 0",
        "capset({version=_LINUX_CAPABILITY_VERSION_3, pid=7}, {" + caps + ", inheritable=0}) = 0",
        "seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=1, filter=0x7f0000000000}) = 0",
    )
    cred = task.cred
    assert (cred.euid, cred.egid, cred.groups) == (65534, 7, [5, 6])
    assert cred.cap_effective == 1 | LOCK
    assert task.seccomp_mode == 2


def test_failed_calls_set_nothing() -> None:
    task = after(started(MetaImage()), "setuid(5) = -1 EPERM (Operation not permitted)")
    assert task.cred.uid == 0


def test_what_succeeded_shows_rights_that_nothing_told_of() -> None:
    task = started(MetaImage())
    task.cred.cap_effective = 0
    assert after(task, "setgid(7) = 0").cred.gid == 7


def test_less_is_supposed_as_the_end_tells_else_nothing() -> None:
    task = started(MetaImage(status={"CapEff": "0000000000004000"}))
    final = MetaImage(final_status=STATUS | {"CapEff": "0000000000000000"})
    assert supposed(task, final, privileged=False).euid == 2
    nobody = supposed(task, MetaImage(), privileged=False)
    assert (nobody.euid, nobody.cap_effective) == (65534, 0)
    assert supposed(task, final, privileged=True).cap_effective == CAP_FULL_SET
