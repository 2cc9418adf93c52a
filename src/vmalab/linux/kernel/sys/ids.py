# SPDX-License-Identifier: GPL-2.0-or-later
"""Who a task is: the calls that set its user, its groups and its capabilities.

Mirrors kernel/sys.c, kernel/groups.c and kernel/capability.c (v6.18).
"""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import NO_NUMBER, SyscallArgs, as_int, as_uint
from vmalab.linux.include.uapi.capability import (
    _LINUX_CAPABILITY_VERSION_1,
    _LINUX_CAPABILITY_VERSION_2,
    _LINUX_CAPABILITY_VERSION_3,
    CAP_SETGID,
    CAP_SETUID,
)
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, EPERM
from vmalab.linux.security.commoncap import cap_capset, cap_emulate_setxuid, cap_fix_setfsuid
from vmalab.linux.types.cred import CAP_FULL_SET
from vmalab.linux.types.task import Task

# An id that stands for "leave it as it is".
KEEP: Final = 0xFFFFFFFF
NGROUPS_MAX: Final = 65536


def sys_setuid(task: Task, args: SyscallArgs) -> int:
    """setuid(uid): all ids with CAP_SETUID, else the effective one; EINVAL, EPERM."""
    uid, old = as_uint(args.a0), task.cred
    if uid == KEEP:
        return -EINVAL
    new = old.copy()
    if old.cap_raised(CAP_SETUID):
        new.uid = new.suid = uid
    elif uid not in (old.uid, old.suid):
        return -EPERM
    new.euid = new.fsuid = uid
    cap_emulate_setxuid(new, old)
    task.cred = new
    return 0


def sys_setreuid(task: Task, args: SyscallArgs) -> int:
    """setreuid(ruid, euid): 0 or EPERM; -1 leaves an id as it is."""
    ruid, euid, old = as_uint(args.a0), as_uint(args.a1), task.cred
    new = old.copy()
    may = old.cap_raised(CAP_SETUID)
    if ruid != KEEP:
        new.uid = ruid
        if not may and ruid not in (old.uid, old.euid):
            return -EPERM
    if euid != KEEP:
        new.euid = euid
        if not may and euid not in (old.uid, old.euid, old.suid):
            return -EPERM
    if ruid != KEEP or (euid != KEEP and euid != old.uid):
        new.suid = new.euid
    new.fsuid = new.euid
    cap_emulate_setxuid(new, old)
    task.cred = new
    return 0


def changes_nothing(asked: tuple[int, ...], held: tuple[int, ...], fs_id: int) -> bool:
    """Tell whether a process has the three ids asked for: then its fs id stays another one, too.

    An effective id that is named would become the fs id as well.
    """
    for index, one in enumerate(asked):
        if one not in (KEEP, held[index]):
            return False
    return asked[1] in (KEEP, fs_id)


def sys_setresuid(task: Task, args: SyscallArgs) -> int:
    """setresuid(ruid, euid, suid): 0 or EPERM; -1 leaves an id as it is."""
    ruid, euid, suid = as_uint(args.a0), as_uint(args.a1), as_uint(args.a2)
    old = task.cred
    if changes_nothing((ruid, euid, suid), (old.uid, old.euid, old.suid), old.fsuid):
        return 0
    allowed = (KEEP, old.uid, old.euid, old.suid)
    if not old.cap_raised(CAP_SETUID):
        if ruid not in allowed or euid not in allowed or suid not in allowed:
            return -EPERM
    new = old.copy()
    new.uid = old.uid if ruid == KEEP else ruid
    new.euid = old.euid if euid == KEEP else euid
    new.suid = old.suid if suid == KEEP else suid
    new.fsuid = new.euid
    cap_emulate_setxuid(new, old)
    task.cred = new
    return 0


def sys_setfsuid(task: Task, args: SyscallArgs) -> int:
    """setfsuid(uid): the former id, whether it could be changed or not."""
    uid, old = as_uint(args.a0), task.cred
    if uid != KEEP:
        if uid in (old.uid, old.euid, old.suid, old.fsuid) or old.cap_raised(CAP_SETUID):
            new = old.copy()
            new.fsuid = uid
            cap_fix_setfsuid(new, old)
            task.cred = new
    return old.fsuid


def sys_setgid(task: Task, args: SyscallArgs) -> int:
    """setgid(gid): all ids with CAP_SETGID, else the effective one; EINVAL, EPERM."""
    gid, cred = as_uint(args.a0), task.cred
    if gid == KEEP:
        return -EINVAL
    if cred.cap_raised(CAP_SETGID):
        cred.set_gids(gid)
    elif gid in (cred.gid, cred.sgid):
        cred.egid = cred.fsgid = gid
    else:
        return -EPERM
    return 0


def sys_setregid(task: Task, args: SyscallArgs) -> int:
    """setregid(rgid, egid): 0 or EPERM; -1 leaves an id as it is."""
    rgid, egid, cred = as_uint(args.a0), as_uint(args.a1), task.cred
    if not cred.cap_raised(CAP_SETGID):
        if rgid not in (KEEP, cred.gid, cred.egid):
            return -EPERM
        if egid not in (KEEP, cred.gid, cred.egid, cred.sgid):
            return -EPERM
    old = cred.gid
    if rgid != KEEP:
        cred.gid = rgid
    if egid != KEEP:
        cred.egid = egid
    if rgid != KEEP or (egid != KEEP and egid != old):
        cred.sgid = cred.egid
    cred.fsgid = cred.egid
    return 0


def sys_setresgid(task: Task, args: SyscallArgs) -> int:
    """setresgid(rgid, egid, sgid): 0 or EPERM; -1 leaves an id as it is."""
    rgid, egid, sgid = as_uint(args.a0), as_uint(args.a1), as_uint(args.a2)
    cred = task.cred
    if changes_nothing((rgid, egid, sgid), (cred.gid, cred.egid, cred.sgid), cred.fsgid):
        return 0
    allowed = (KEEP, cred.gid, cred.egid, cred.sgid)
    if not cred.cap_raised(CAP_SETGID):
        if rgid not in allowed or egid not in allowed or sgid not in allowed:
            return -EPERM
    cred.gid = cred.gid if rgid == KEEP else rgid
    cred.egid = cred.egid if egid == KEEP else egid
    cred.sgid = cred.sgid if sgid == KEEP else sgid
    cred.fsgid = cred.egid
    return 0


def sys_setfsgid(task: Task, args: SyscallArgs) -> int:
    """setfsgid(gid): the former id, whether it could be changed or not."""
    gid, cred = as_uint(args.a0), task.cred
    old = cred.fsgid
    if gid != KEEP:
        if gid in (cred.gid, cred.egid, cred.sgid, old) or cred.cap_raised(CAP_SETGID):
            cred.fsgid = gid
    return old


def sys_setgroups(task: Task, args: SyscallArgs) -> int:
    """setgroups(size, list): 0, EPERM, EINVAL (too many) or EFAULT."""
    if not task.cred.cap_raised(CAP_SETGID):
        return -EPERM
    size = as_uint(args.a0)
    if size > NGROUPS_MAX:
        return -EINVAL
    groups = [] if args.mem is None else args.mem.get(1, [])
    if not isinstance(groups, list) or (size != 0 and not groups):
        return -EFAULT
    task.cred.groups = [gid & 0xFFFFFFFF for gid in groups if isinstance(gid, int)]
    return 0


def sys_capset(task: Task, args: SyscallArgs) -> int:
    """capset(header, data): 0, EINVAL (version), EPERM (another process; not held) or EFAULT."""
    version, pid = args.field(0, "version"), args.field(0, "pid")
    if version == NO_NUMBER:
        return -EFAULT
    if version not in (
        _LINUX_CAPABILITY_VERSION_1,
        _LINUX_CAPABILITY_VERSION_2,
        _LINUX_CAPABILITY_VERSION_3,
    ):
        return -EINVAL
    if pid not in (0, NO_NUMBER) and as_int(pid) != task.pid:
        return -EPERM
    effective, permitted = args.field(1, "effective"), args.field(1, "permitted")
    inheritable = args.field(1, "inheritable")
    if NO_NUMBER in (effective, permitted, inheritable):
        return -EFAULT
    valid = CAP_FULL_SET
    if version == _LINUX_CAPABILITY_VERSION_1:
        valid = KEEP
    new = task.cred.copy()
    err = cap_capset(new, effective & valid, permitted & valid, inheritable & valid)
    if err == 0:
        task.cred = new
    return err


IDS_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "capset": sys_capset,
    "setfsgid": sys_setfsgid,
    "setfsuid": sys_setfsuid,
    "setgid": sys_setgid,
    "setgroups": sys_setgroups,
    "setregid": sys_setregid,
    "setresgid": sys_setresgid,
    "setresuid": sys_setresuid,
    "setreuid": sys_setreuid,
    "setuid": sys_setuid,
}
