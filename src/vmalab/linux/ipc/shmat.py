# SPDX-License-Identifier: GPL-2.0-or-later
"""Attaching and detaching System V shared memory.

Mirrors do_shmat() and ksys_shmdt() of ipc/shm.c (v6.18).
"""

from vmalab.linux.include.mm_flags import VM_LOCKED
from vmalab.linux.include.page import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, TASK_SIZE_5LEVEL, ULONG_MAX
from vmalab.linux.include.uapi.errno import EACCES, EINVAL
from vmalab.linux.include.uapi.mman import (
    MAP_FIXED,
    MAP_SHARED,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from vmalab.linux.include.uapi.shm import SHM_EXEC, SHM_RDONLY, SHM_REMAP, SHM_RND, SHMLBA
from vmalab.linux.ipc.shm import alloc_file_clone, ipcperms, is_shm_vma, put_nattch
from vmalab.linux.mm.gup import mm_populate
from vmalab.linux.mm.mmap import do_mmap
from vmalab.linux.mm.refusal import Refusal
from vmalab.linux.mm.vma.munmap import do_vmi_align_munmap
from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE, File
from vmalab.linux.types.files import fput
from vmalab.linux.types.ipc import IpcNamespace, Shmid
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi, find_vma_intersection


def shm_address(refusal: Refusal, addr: int, shmflg: int) -> int:
    """Return the address to attach at, 0 for any, or -EINVAL.

    Errors: an address that is not page aligned without SHM_RND, SHM_REMAP without an address or
    with one that SHM_RND makes 0.
    """
    if addr == 0:
        if shmflg & SHM_REMAP != 0:
            return refusal.blame(EINVAL, "shmaddr", "SHM_REMAP without an address")
        return 0
    if addr & (SHMLBA - 1) != 0:
        if shmflg & SHM_RND == 0:
            return refusal.blame(
                EINVAL, "shmaddr", "not a multiple of SHMLBA, and SHM_RND is not set"
            )
        addr &= ~(SHMLBA - 1)
        if addr == 0 and shmflg & SHM_REMAP != 0:
            return refusal.blame(
                EINVAL, "shmaddr", "SHM_REMAP with an address that SHM_RND rounds down to 0"
            )
    return addr


def do_shmat(ns: IpcNamespace, task: Task, shmid: int, shmaddr: int, shmflg: int) -> int:
    """shmat(2): the address or -errno.  `shmid` is signed, `shmaddr` unsigned 64-bit.

    Errors: EINVAL (id, address, or something is mapped there and SHM_REMAP is not set), EACCES, and
    those of mmap.  Kernel: do_shmat().
    """
    mm = task.mm
    if mm is None:
        return -EINVAL
    if shmid < 0:
        return mm.refusal.blame(EINVAL, "shmid", "must not be negative")
    addr = shm_address(mm.refusal, shmaddr, shmflg)
    if addr < 0:
        return addr
    prot, mode, access = PROT_READ, FMODE_READ, 0o444
    if shmflg & SHM_RDONLY == 0:
        prot, mode, access = PROT_READ | PROT_WRITE, FMODE_READ | FMODE_WRITE, 0o666
    if shmflg & SHM_EXEC != 0:
        prot, access = prot | PROT_EXEC, access | 0o111
    shp = ns.find(shmid)
    if shp is None:
        return mm.refusal.blame(EINVAL, "shmid", "no such segment")
    if not ipcperms(ns, task, shp, access):
        return mm.refusal.blame(EACCES, "shmid", "the segment's permissions do not allow it")
    # The segment stays while it is being attached, even if this replaces its last attachment.
    shp.shm_nattch += 1
    file = alloc_file_clone(ns, shp, mode)
    # An address that SHM_RND rounded down to 0 is still a fixed one.
    flags = MAP_SHARED | MAP_FIXED if shmaddr != 0 else MAP_SHARED
    result = map_segment(mm, shp, file, addr, prot, flags, shmflg)
    fput(file)
    put_nattch(ns, shp)
    return result


def map_segment(
    mm: Mm, shp: Shmid, file: File, addr: int, prot: int, flags: int, shmflg: int
) -> int:
    """Map an attachment's file, all of it: the address or -errno."""
    size = shp.shm_file.inode.size
    if addr != 0 and shmflg & SHM_REMAP == 0:
        if addr + size > ULONG_MAX:
            return mm.refusal.blame(
                EINVAL, "shmaddr", "address and size wrap around the end of the address space"
            )
        # Nothing is mapped beyond the address space, and do_mmap refuses to.
        task_size: int = mm.task_size
        limit = min(addr + size, task_size)
        if addr < limit and find_vma_intersection(mm, addr, limit) is not None:
            return mm.refusal.blame(
                EINVAL, "shmaddr", "something is mapped there, and SHM_REMAP is not set"
            )
    result = do_mmap(mm, file, addr, size, prot, flags, 0, 0, None)
    if result < 0:
        mm.refusal.rename("addr", "shmaddr")
        mm.refusal.rename("length", "shmaddr")
    elif mm.def_flags & VM_LOCKED != 0:
        mm_populate(mm, result, (size + PAGE_SIZE - 1) & PAGE_MASK)
    return result


def ksys_shmdt(mm: Mm, addr: int) -> int:
    """shmdt(2): 0, or -EINVAL when no attachment begins at `addr` (bytes, unsigned 64-bit).

    Unmaps what is left of the attachment: each VMA of the same file that still lies where it was
    attached.  Kernel: ksys_shmdt().
    """
    task_size: int = mm.task_size
    if addr & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "shmaddr", "not a multiple of the page size")
    if addr > task_size:
        return mm.refusal.blame(EINVAL, "shmaddr", "beyond the end of the address space")
    vmi = Vmi(mm, addr)
    vma = vmi.find(TASK_SIZE_5LEVEL)
    while vma is not None and not attached_at(vma, addr):
        vma = vmi.find(TASK_SIZE_5LEVEL)
    if vma is None:
        return mm.refusal.blame(EINVAL, "shmaddr", "no segment is attached there")
    file = vma.vm_file
    size = 0 if file is None else (file.inode.size + PAGE_SIZE - 1) & PAGE_MASK
    vma = detach(vmi, vma)
    while vma is not None and vma.vm_end - addr <= size:
        if attached_at(vma, addr) and vma.vm_file is file:
            vma = detach(vmi, vma)
        else:
            vma = vmi.find(TASK_SIZE_5LEVEL)
    return 0


def detach(vmi: Vmi, vma: Vma) -> Vma | None:
    """Unmap one VMA and step to the next; a sealed one stays, which is no error."""
    mm, end = vma.vm_mm, vma.vm_end
    do_vmi_align_munmap(vmi, vma, mm, vma.vm_start, end, None)
    vmi.set(end)
    return vmi.find(TASK_SIZE_5LEVEL)


def attached_at(vma: Vma, addr: int) -> bool:
    """Tell whether a VMA is a part of an attachment at `addr`, by its page offset."""
    return is_shm_vma(vma) and (vma.vm_start - addr) >> PAGE_SHIFT == vma.vm_pgoff
