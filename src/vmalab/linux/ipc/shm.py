# SPDX-License-Identifier: GPL-2.0-or-later
"""System V shared memory: segments, their ids, and how their mappings count as attachments.

Mirrors ipc/shm.c and ipc/util.c (v6.18).  Attaching and detaching are in shmat.py.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.fs.hugetlbfs import can_do_hugetlb_shm, hugetlb_fops, hugetlb_inode
from vmalab.linux.include.config import OVERCOMMIT_NEVER
from vmalab.linux.include.mm_flags import VM_NORESERVE
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE
from vmalab.linux.include.uapi.capability import CAP_IPC_OWNER
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EEXIST,
    EINVAL,
    ENOENT,
    ENOMEM,
    ENOSPC,
    EPERM,
)
from vmalab.linux.include.uapi.fcntl import F_SEAL_SEAL
from vmalab.linux.include.uapi.shm import (
    IPC_CREAT,
    IPC_EXCL,
    IPC_PRIVATE,
    SHM_HUGE_MASK,
    SHM_HUGE_SHIFT,
    SHM_HUGETLB,
    SHM_NORESERVE,
)
from vmalab.linux.mm.accounting import security_vm_enough_memory_mm, vm_unacct_memory
from vmalab.linux.mm.hugetlb import hugetlb_reserve_pages
from vmalab.linux.mm.hugetlb_pool import hstate_sizelog
from vmalab.linux.mm.shmem import SHMEM_DEV, shmem_fops
from vmalab.linux.types.file import (
    FMODE_READ,
    FMODE_WRITE,
    I_REG,
    PLACE_DRIVER,
    PLACE_HUGETLB,
    File,
    FileOps,
    Inode,
)
from vmalab.linux.types.files import fput, get_file
from vmalab.linux.types.ipc import IPCMNI_SHIFT, IpcNamespace, Shmid
from vmalab.linux.types.mm_types import Vma, VmOps
from vmalab.linux.types.task import Task

# kernel.shmmax (bytes) and kernel.shmall (pages), as they are by default.
SHMMAX: Final = 0xFFFFFFFFFEFFFFFF
SHMALL: Final = 0xFFFFFFFFFEFFFFFF
# A segment that goes with its last attachment.
SHM_DEST: Final = 0o1000


@final
@mypyc_attr(native_class=True)
class ShmFileData:
    """struct shm_file_data: what ties an attachment's file to its segment."""

    def __init__(self, ns: IpcNamespace, shmid: int, file: File) -> None:
        self.ns: IpcNamespace = ns
        self.id: int = shmid
        # The segment's own file, of which it holds a reference.
        self.file: File = file
        self.vm_ops: VmOps | None = None


class ShmVmOps(VmOps):
    """vm_operations_struct of attachments: every VMA of a segment counts."""

    def __init__(self) -> None:
        super().__init__()
        self.has_close = True

    def open(self, vma: Vma) -> None:
        """Count the copy as an attachment (`shm_open`)."""
        sfd = shm_file_data(vma.vm_file)
        if sfd is not None and _shm_open(sfd) == 0 and sfd.vm_ops is not None:
            sfd.vm_ops.open(vma)

    def close(self, vma: Vma) -> None:
        """One attachment less; the last one of a removed segment destroys it (`shm_close`)."""
        sfd = shm_file_data(vma.vm_file)
        if sfd is not None:
            _shm_close(sfd)

    def may_split(self, vma: Vma, addr: i64) -> i64:
        """Return what the segment's own operations say."""
        sfd = shm_file_data(vma.vm_file)
        if sfd is None or sfd.vm_ops is None:
            return 0
        return sfd.vm_ops.may_split(vma, addr)


class ShmFileOps(FileOps):
    """file_operations of an attachment's file."""

    def __init__(self, huge: bool) -> None:
        super().__init__()
        self.placement = PLACE_HUGETLB if huge else PLACE_DRIVER
        self.is_shmem = not huge
        self.is_hugetlb = huge
        self.vm_ops: VmOps = ShmVmOps()

    def mmap(self, file: File, vma: Vma) -> i64:
        """Count an attachment, put its operations before the segment's: 0 or -EINVAL (removed)."""
        sfd = shm_file_data(file)
        if sfd is None:
            return vma.vm_mm.refusal.blame(EINVAL, "shmid", "the segment is gone")
        err = _shm_open(sfd)
        if err != 0:
            return vma.vm_mm.refusal.blame(-err, "shmid", "the segment is gone")
        err = sfd.file.f_op.mmap(sfd.file, vma)
        if err != 0:
            _shm_close(sfd)
            return err
        sfd.vm_ops = vma.vm_ops
        vma.vm_ops = self.vm_ops
        return 0

    def release(self, file: File) -> None:
        """Let go of the segment's own file."""
        sfd = shm_file_data(file)
        file.private_data = None
        if sfd is not None:
            fput(sfd.file)


shm_fops: Final = ShmFileOps(False)
shm_huge_fops: Final = ShmFileOps(True)


def shm_file_data(file: File | None) -> ShmFileData | None:
    """Return the segment behind a file, None when it is no attachment's."""
    if file is None or not isinstance(file.private_data, ShmFileData):
        return None
    return file.private_data


def is_shm_vma(vma: Vma) -> bool:
    """Tell whether a VMA is an attachment (its operations are `shm_vm_ops`)."""
    return isinstance(vma.vm_ops, ShmVmOps)


def _shm_open(sfd: ShmFileData) -> i64:
    """Count an attachment: 0, or -EINVAL when the id is gone or another segment's by now."""
    shp = sfd.ns.find(sfd.id)
    if shp is None or shp.shm_file is not sfd.file:
        return -EINVAL
    shp.shm_nattch += 1
    return 0


def _shm_close(sfd: ShmFileData) -> None:
    """Count one attachment less, and destroy a segment that nobody needs any more."""
    shp = sfd.ns.find(sfd.id)
    if shp is not None:
        put_nattch(sfd.ns, shp)


def put_nattch(ns: IpcNamespace, shp: Shmid) -> None:
    """One user less of a segment."""
    shp.shm_nattch -= 1
    if shp.shm_nattch == 0 and (ns.shm_rmid_forced or shp.mode & SHM_DEST != 0):
        shm_destroy(ns, shp)


def shm_destroy(ns: IpcNamespace, shp: Shmid) -> None:
    """Free a segment and its id."""
    ns.shm_ids.remove(shp.id & ((1 << IPCMNI_SHIFT) - 1))
    ns.shm_tot -= (shp.shm_segsz + PAGE_SIZE - 1) >> PAGE_SHIFT
    vm_unacct_memory(ns.kernel, shp.charged)
    fput(shp.shm_file)


def ipcperms(ns: IpcNamespace, task: Task, shp: Shmid, flag: int) -> bool:
    """Tell whether a task may use a segment in the ways of the permission bits in `flag`.

    Kernel: ipcperms().
    """
    cred = task.cred
    requested = (flag >> 6 | flag >> 3 | flag) & 7
    granted = shp.mode
    if cred.euid in (shp.uid, shp.cuid):
        granted >>= 6
    elif cred.in_group_p(shp.gid) or cred.in_group_p(shp.cgid):
        granted >>= 3
    if requested & ~granted & 7 == 0:
        return True
    return task.ns_capable(ns.user_ns, CAP_IPC_OWNER)


def huge_segment(task: Task, size: int, shmflg: int) -> Inode | int:
    """Return the inode of a segment of huge pages, reserved; or -errno.

    Errors: EINVAL (no pages of such a size), EPERM (no right to any), ENOMEM (not enough).
    """
    h = hstate_sizelog(task.machine.hstates, shmflg >> SHM_HUGE_SHIFT & SHM_HUGE_MASK)
    if h is None:
        return -EINVAL
    if not can_do_hugetlb_shm(task):
        return -EPERM
    page: int = h.size
    inode = hugetlb_inode(h, (size + page - 1) & ~(page - 1), True)
    flags = VM_NORESERVE if shmflg & SHM_NORESERVE != 0 else 0
    info = inode.hugetlb
    if info is None or hugetlb_reserve_pages(info, 0, inode.size // page, None, flags) != 0:
        return -ENOMEM
    return inode


def newseg(ns: IpcNamespace, task: Task, key: int, size: int, shmflg: int, shmid: int) -> int:
    """Make a segment of `size` bytes: its id or -errno; `shmid` not negative is an id to give it.

    Errors: EINVAL (size 0 or too large), ENOSPC (kernel.shmall, kernel.shmmni), ENOMEM
    (overcommit), and those of `huge_segment`.  Kernel: newseg().
    """
    if size < 1 or size > SHMMAX:
        return -EINVAL
    pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT
    if ns.shm_tot + pages > SHMALL:
        return -ENOSPC
    name = f"/SYSV{key & 0xFFFFFFFF:08x} (deleted)"
    huge = shmflg & SHM_HUGETLB != 0
    if huge:
        made = huge_segment(task, size, shmflg)
        if isinstance(made, int):
            return made
        inode = made
        f_op: FileOps = hugetlb_fops
    else:
        inode, f_op = Inode(I_REG, SHMEM_DEV, -1), shmem_fops
        inode.size = size
        inode.seals = F_SEAL_SEAL
    file = File(inode, name, FMODE_READ | FMODE_WRITE, f_op)
    shp = Shmid(key, shmflg & 0o777, size, file, task.cred.euid, task.cred.egid)
    never = ns.kernel.config.overcommit_memory == OVERCOMMIT_NEVER
    if not huge and (shmflg & SHM_NORESERVE == 0 or never):
        mm = task.mm
        if mm is not None and security_vm_enough_memory_mm(mm, pages) != 0:
            return -ENOMEM
        shp.charged = pages if mm is not None else 0
    if shmid >= 0:
        ns.add_at(shp, shmid)
    elif ns.add(shp) < 0:
        vm_unacct_memory(ns.kernel, shp.charged)
        fput(file)
        return -ENOSPC
    # The id is what maps shows as the number of the inode.
    inode.ino = shp.id
    ns.shm_tot += pages
    return shp.id


def ksys_shmget(ns: IpcNamespace, task: Task, key: int, size: int, shmflg: int) -> int:
    """shmget(2): an id or -errno.

    Errors: ENOENT (no such key, without IPC_CREAT), EEXIST (IPC_EXCL), EINVAL (smaller than asked
    for; a new one of no size), EACCES, ENOSPC, ENOMEM.
    """
    if key == IPC_PRIVATE:
        return newseg(ns, task, key, size, shmflg, -1)
    shp = ns.find_key(key)
    if shp is None:
        return newseg(ns, task, key, size, shmflg, -1) if shmflg & IPC_CREAT != 0 else -ENOENT
    if shmflg & (IPC_CREAT | IPC_EXCL) == IPC_CREAT | IPC_EXCL:
        return -EEXIST
    if shp.shm_segsz < size:
        return -EINVAL
    return shp.id if ipcperms(ns, task, shp, shmflg) else -EACCES


def alloc_file_clone(ns: IpcNamespace, shp: Shmid, f_mode: int) -> File:
    """Return a file for one attachment, over the segment's inode.

    It holds a reference of its file.
    """
    base = get_file(shp.shm_file)
    f_op = shm_huge_fops if base.f_op.is_hugetlb else shm_fops
    file = File(base.inode, base.path, f_mode, f_op)
    file.private_data = ShmFileData(ns, shp.id, base)
    return file
