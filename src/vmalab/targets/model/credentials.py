# SPDX-License-Identifier: GPL-2.0-or-later
"""Who a task is, as a recording tells it: at the start of an image, and by calls in the log.

Where a recording does not tell, a task is supposed to be root's until its calls show otherwise.
"""

from collections.abc import Mapping
from typing import Final

from vmalab.calls.call import Call
from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall
from vmalab.linux.include.uapi.resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_CORE,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)
from vmalab.linux.types.cred import CAP_FULL_SET, INIT_USER_NS, Cred, UserNamespace
from vmalab.linux.types.task import SECCOMP_MODE_UNKNOWN, Task
from vmalab.recording.format.meta import Meta, MetaImage

RLIMIT_OF: Final = {
    "AS": RLIMIT_AS,
    "CORE": RLIMIT_CORE,
    "DATA": RLIMIT_DATA,
    "MEMLOCK": RLIMIT_MEMLOCK,
    "STACK": RLIMIT_STACK,
}
# What nearly every machine has, where a recording does not tell.
_USUAL: Final = {"STACK": (8 << 20, RLIM_INFINITY)}
# "traced": the log has every call that sets credentials.
TRACED: Final = "traced"
_HEX: Final = frozenset("0123456789abcdef")
# The user and group that nobody has.
_NOBODY: Final = 65534


def _capabilities(status: Mapping[str, str], name: str) -> int | None:
    """Return a set of capabilities, None where it is not told."""
    text = status.get(name, "")
    if 0 < len(text) <= 16 and all(digit in _HEX for digit in text):
        return int(text, 16) & CAP_FULL_SET
    return None


def _ids(status: Mapping[str, str], name: str) -> list[int]:
    """Return the ids of a line of /proc/PID/status, [] where they cannot be read."""
    words = status.get(name, "").split()
    if all(word.isascii() and word.isdecimal() and len(word) < 11 for word in words):
        return [int(word) & 0xFFFFFFFF for word in words]
    return []


def set_limits(task: Task, meta: Meta, image: MetaImage) -> None:
    """Set the limits of a process as an image began with them."""
    for name, number in RLIMIT_OF.items():
        limits = image.rlimits.get(name) or meta.rlimits.get(name) or _USUAL.get(name)
        if limits is not None:
            task.signal.rlim_cur[number], task.signal.rlim_max[number] = limits


def set_credentials(task: Task, meta: Meta, image: MetaImage) -> None:
    """Set the credentials of a process as an image began with them, as far as that is told."""
    status = image.status
    cred = task.cred
    if "CapEff" in status:
        _read_status(cred, status)
        cred.known = meta.credentials == TRACED
        if image.user_ns == "other" and cred.user_ns is INIT_USER_NS:
            cred.user_ns = UserNamespace(INIT_USER_NS, -1)
    elif not meta.generator:
        cred.known = False
    mode = status.get("Seccomp")
    if mode is not None and mode.isascii() and mode.isdecimal():
        task.seccomp_mode = int(mode[:1])
    elif not meta.generator:
        task.seccomp_mode = SECCOMP_MODE_UNKNOWN


def _read_status(cred: Cred, status: Mapping[str, str]) -> None:
    """Take over what /proc/PID/status says of credentials."""
    uids, gids = _ids(status, "Uid"), _ids(status, "Gid")
    if len(uids) == 4:
        cred.uid, cred.euid, cred.suid, cred.fsuid = uids
    elif uids:
        cred.set_uids(uids[0])
    if len(gids) == 4:
        cred.gid, cred.egid, cred.sgid, cred.fsgid = gids
    if "Groups" in status:
        cred.groups = _ids(status, "Groups")
    effective = _capabilities(status, "CapEff")
    if effective is not None:
        cred.cap_effective = effective
        permitted = _capabilities(status, "CapPrm")
        cred.cap_permitted = effective if permitted is None else permitted
    cred.cap_inheritable = _capabilities(status, "CapInh") or 0
    cred.cap_ambient = _capabilities(status, "CapAmb") or 0
    bounding = _capabilities(status, "CapBnd")
    if bounding is not None:
        cred.cap_bset = bounding


def follow_credentials(task: Task, call: Call) -> None:
    """Let a call that succeeded set a task's credentials.

    A task that may not do what it has done had rights that nothing told of.
    """
    a, mem = call.args, call.mem
    header = None if mem is None else mem.get(0)
    if mem is not None and isinstance(header, dict):
        # capset can only have been of the task itself, whose number may be one of a namespace.
        mem = mem | {0: header | {"pid": 0}}
    for _ in range(2):
        got = do_syscall(task, call.name, a[0], a[1], a[2], a[3], a[4], a[5], mem)
        if got >= 0 or task.cred.known:
            return
        task.cred.cap_permitted = task.cred.cap_effective = task.cred.cap_bset = CAP_FULL_SET


def supposed(task: Task, image: MetaImage, *, privileged: bool) -> Cred:
    """Return credentials that a task may have had, where a recording does not tell.

    privileged: with all capabilities. Else as at the end of the image where that is told, or as
    nobody in particular.
    """
    cred = task.cred.copy()
    if privileged:
        cred.cap_permitted = cred.cap_effective = CAP_FULL_SET
        cred.user_ns = INIT_USER_NS
        return cred
    final = _capabilities(image.final_status, "CapEff")
    if final is not None and final != cred.cap_effective:
        _read_status(cred, image.final_status)
        return cred
    cred.cap_permitted = cred.cap_effective = 0
    if cred.euid == 0 and final is None:
        cred.set_uids(_NOBODY)
        cred.set_gids(_NOBODY)
        cred.groups = []
    return cred
