# SPDX-License-Identifier: GPL-2.0-or-later
"""Asking of System V shared memory, changing it, locking it and removing it.

Mirrors ksys_shmctl() of ipc/shm.c (v6.18).
"""

from typing import Final

from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK, CAP_SYS_ADMIN
from vmalab.linux.include.uapi.errno import EACCES, EFAULT, EINVAL, ENOMEM, EPERM
from vmalab.linux.include.uapi.resource import RLIMIT_MEMLOCK
from vmalab.linux.include.uapi.shm import (
    IPC_INFO,
    IPC_PRIVATE,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    SHM_INFO,
    SHM_LOCK,
    SHM_STAT,
    SHM_STAT_ANY,
    SHM_UNLOCK,
)
from vmalab.linux.ipc.shm import SHM_DEST, ipcperms, shm_destroy
from vmalab.linux.mm.usercopy import copy_from_user, copy_to_user
from vmalab.linux.types.ipc import IpcNamespace, Shmid
from vmalab.linux.types.task import Task

S_IRUGO: Final = 0o444
# Bytes of struct shmid_ds, and of the shorter one of the two that tell of all segments.
SHMID_DS_SIZE: Final = 112
SHM_INFO_SIZE: Final = 48


def may_change(ns: IpcNamespace, task: Task, shp: Shmid) -> bool:
    """Tell whether a task may remove or change a segment: owner, maker, or CAP_SYS_ADMIN."""
    owned = task.cred.euid in (shp.uid, shp.cuid)
    return owned or task.ns_capable(ns.user_ns, CAP_SYS_ADMIN)


def shm_rmid(ns: IpcNamespace, task: Task, shmid: int) -> int:
    """IPC_RMID: destroy a segment, or when it is attached have it go with the last one.

    0, EINVAL (no such id) or EPERM.
    """
    shp = ns.find(shmid)
    if shp is None:
        return -EINVAL
    if not may_change(ns, task, shp):
        return -EPERM
    if shp.shm_nattch > 0:
        shp.mode |= SHM_DEST
        # Nobody finds it by its key any more.
        shp.key = IPC_PRIVATE
    else:
        shm_destroy(ns, shp)
    return 0


def shm_set(ns: IpcNamespace, task: Task, shmid: int, values: object) -> int:
    """IPC_SET: another owner, group and other permission bits: 0, EINVAL (id, owner) or EPERM.

    `values` is the decoded struct; what a log has not kept of it stays as it was.
    """
    shp = ns.find(shmid)
    if shp is None:
        return -EINVAL
    if not may_change(ns, task, shp):
        return -EPERM
    perm = values.get("shm_perm") if isinstance(values, dict) else None
    uid = perm.get("uid") if isinstance(perm, dict) else None
    gid = perm.get("gid") if isinstance(perm, dict) else None
    mode = perm.get("mode") if isinstance(perm, dict) else None
    if isinstance(uid, int):
        if uid & 0xFFFFFFFF == 0xFFFFFFFF:
            return -EINVAL
        shp.uid = uid
    if isinstance(gid, int):
        shp.gid = gid
    if isinstance(mode, int):
        shp.mode = shp.mode & ~0o777 | mode & 0o777
    return 0


def shm_stat(ns: IpcNamespace, task: Task, shmid: int, cmd: int) -> int:
    """IPC_STAT: 0; SHM_STAT and SHM_STAT_ANY, which take an index: the id.  EINVAL or EACCES."""
    if cmd == IPC_STAT:
        shp = ns.find(shmid)
    else:
        shp = ns.at(shmid)
    if shp is None:
        return -EINVAL
    if cmd != SHM_STAT_ANY and not ipcperms(ns, task, shp, S_IRUGO):
        return -EACCES
    return 0 if cmd == IPC_STAT else shp.id


def shm_lock(ns: IpcNamespace, task: Task, shmid: int, lock: bool) -> int:
    """SHM_LOCK and SHM_UNLOCK: 0, EINVAL (id), EPERM or ENOMEM (RLIMIT_MEMLOCK).

    Locked segments count for the user who locked them, not for an address space; huge pages do
    not count.  No map shows it.  Kernel: shmctl_do_lock().
    """
    shp = ns.find(shmid)
    if shp is None:
        return -EINVAL
    cred = task.cred
    limit = task.signal.rlim_cur[RLIMIT_MEMLOCK]
    if not task.ns_capable(ns.user_ns, CAP_IPC_LOCK):
        if cred.euid not in (shp.uid, shp.cuid) or (lock and limit == 0):
            return -EPERM
    if shp.shm_file.f_op.is_hugetlb:
        return 0
    if not lock:
        shp.mlock_uid = -1
        return 0
    if shp.mlock_uid >= 0:
        return 0
    locked = (shp.shm_segsz + PAGE_SIZE - 1) >> PAGE_SHIFT
    for other in ns.segments():
        if other.mlock_uid == cred.uid:
            locked += (other.shm_segsz + PAGE_SIZE - 1) >> PAGE_SHIFT
    if locked > limit >> PAGE_SHIFT and not task.capable(CAP_IPC_LOCK):
        return -ENOMEM
    shp.mlock_uid = cred.uid
    return 0


def ksys_shmctl(
    ns: IpcNamespace, task: Task, shmid: int, cmd: int, buf: int, values: object
) -> int:
    """shmctl(2): 0, an index or an id, or -errno; `shmid` and `cmd` are signed.

    Errors: EINVAL (id, command), EFAULT (`buf`), EACCES, EPERM, ENOMEM.
    """
    mm = task.mm
    if cmd < 0 or shmid < 0 or mm is None:
        return -EINVAL
    if cmd == IPC_RMID:
        return shm_rmid(ns, task, shmid)
    if cmd in (SHM_LOCK, SHM_UNLOCK):
        return shm_lock(ns, task, shmid, cmd == SHM_LOCK)
    if cmd == IPC_SET:
        if not copy_from_user(mm, buf, SHMID_DS_SIZE):
            return -EFAULT
        return shm_set(ns, task, shmid, values)
    if cmd in (IPC_INFO, SHM_INFO):
        # The highest index in use.
        return max(int(ns.shm_ids.last()), 0) if copy_to_user(mm, buf, SHM_INFO_SIZE) else -EFAULT
    if cmd not in (IPC_STAT, SHM_STAT, SHM_STAT_ANY):
        return -EINVAL
    result = shm_stat(ns, task, shmid, cmd)
    if result >= 0 and not copy_to_user(mm, buf, SHMID_DS_SIZE):
        return -EFAULT
    return result
