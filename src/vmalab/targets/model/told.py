# SPDX-License-Identifier: GPL-2.0-or-later
"""Learns from what calls answer who a task is, and what its limits are, where nothing else tells.

A log alone does not say whose program it is of. Many programs ask: geteuid, getresuid, capget,
getrlimit. What they were answered holds from then on.
"""

from typing import Final

from vmalab.calls.call import Call
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.linux.types.cred import CAP_FULL_SET, Cred
from vmalab.linux.types.task import Task
from vmalab.recording.format.meta import Meta
from vmalab.targets.model.credentials import RLIMIT_OF

_SETS: Final = ("effective", "permitted", "inheritable")
_MAX_ID: Final = (1 << 32) - 1


def learn(task: Task, call: Call, meta: Meta) -> None:
    """Learn from a call that succeeded, if it is one of those that tell. Mutates: the task.

    meta: what the recording says; a limit that is in it, or was stated, is not learnt.
    """
    if call.ret is None or call.ret < 0:
        return
    match call.name:
        case "getrlimit":
            _learn_limit(task, call, meta, 0, 1)
        case "prlimit64":
            if call.args[0] in (0, call.tid):
                _learn_limit(task, call, meta, 1, 3)
        case _:
            if not task.cred.known:
                _learn_credentials(task, call)


def _learn_credentials(task: Task, call: Call) -> None:
    match call.name:
        case "geteuid":
            _geteuid(task, call)
        case "getresuid":
            _getresuid(task, call)
        case "getegid":
            _getegid(task, call)
        case "getresgid":
            _getresgid(task, call)
        case "getgroups":
            _getgroups(task, call)
        case "capget":
            _capget(task, call)


def _learns_uid(task: Task, uid: int) -> None:
    """A task's effective user is not who was supposed: nor are its capabilities."""
    cred = task.cred = task.cred.copy()
    if cred.euid == uid:
        return
    cred.set_uids(uid)
    cred.cap_permitted = cred.cap_effective = 0 if uid else CAP_FULL_SET


def _geteuid(task: Task, call: Call) -> None:
    if call.ret is not None and call.ret <= _MAX_ID:
        _learns_uid(task, call.ret)


def _getresuid(task: Task, call: Call) -> None:
    ids = _ids(call)
    if ids is None:
        return
    _learns_uid(task, ids[1])
    cred = task.cred
    cred.uid, cred.euid, cred.suid = ids
    cred.fsuid = ids[1]


def _getegid(task: Task, call: Call) -> None:
    if call.ret is not None and call.ret <= _MAX_ID:
        cred = task.cred = task.cred.copy()
        cred.egid = cred.fsgid = call.ret


def _getresgid(task: Task, call: Call) -> None:
    ids = _ids(call)
    if ids is not None:
        cred = task.cred = task.cred.copy()
        cred.gid, cred.egid, cred.sgid = ids
        cred.fsgid = ids[1]


def _getgroups(task: Task, call: Call) -> None:
    groups = None if call.mem is None else call.mem.get(1)
    if not isinstance(groups, list) or len(groups) != call.ret:
        return
    found = [one for one in groups if isinstance(one, int) and 0 <= one <= _MAX_ID]
    if len(found) == len(groups):
        cred = task.cred = task.cred.copy()
        cred.groups = found


def _capget(task: Task, call: Call) -> None:
    """The sets are exact; whose they are, other than the task's own, is not looked at."""
    mem = call.mem or {}
    header, data = mem.get(0), mem.get(1)
    if not isinstance(header, dict) or not isinstance(data, dict):
        return
    sets = [data.get(name) for name in _SETS]
    if header.get("pid") not in (0, call.tid) or not all(isinstance(one, int) for one in sets):
        return
    effective, permitted, inheritable = (one for one in sets if isinstance(one, int))
    cred: Cred = task.cred.copy()
    cred.cap_effective = effective & CAP_FULL_SET
    cred.cap_permitted = permitted & CAP_FULL_SET
    cred.cap_inheritable = inheritable & CAP_FULL_SET
    task.cred = cred


def _ids(call: Call) -> tuple[int, int, int] | None:
    """Return three ids that a call answered with, each printed as `[1000]`."""
    mem = call.mem or {}
    found = []
    for slot in range(3):
        value = mem.get(slot)
        one = value[0] if isinstance(value, list) and len(value) == 1 else None
        if not isinstance(one, int) or not 0 <= one <= _MAX_ID:
            return None
        found.append(one)
    return found[0], found[1], found[2]


def _learn_limit(task: Task, call: Call, meta: Meta, at: int, slot: int) -> None:
    """Take over a limit that a call answered with. at: of the limit's number, slot: of the answer.

    Where the same call sets a new one, the old one is of the past.
    """
    limits = None if call.mem is None else call.mem.get(slot)
    name = next((name for name, number in RLIMIT_OF.items() if number == call.args[at]), "")
    told = name in meta.rlimits or any(name in image.rlimits for image in meta.images.values())
    if told or not name or not isinstance(limits, dict) or (slot == 3 and call.args[2]):
        return
    soft, hard = limits.get("rlim_cur"), limits.get("rlim_max")
    if isinstance(soft, int) and isinstance(hard, int) and 0 <= soft <= hard:
        task.signal.rlim_cur[call.args[at]] = min(soft, RLIM_INFINITY)
        task.signal.rlim_max[call.args[at]] = min(hard, RLIM_INFINITY)
