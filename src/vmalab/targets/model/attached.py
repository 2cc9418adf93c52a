# SPDX-License-Identifier: GPL-2.0-or-later
"""Gives a process that a recording begins amid its life what it had before: settings, contexts.

Its map, limits and descriptors come from the first snapshot, as those of any program do.
"""

from typing import Final, NamedTuple

from vmalab.linux.arch.x86.entry.syscalls.args import args_of
from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall_64
from vmalab.linux.fs.aio import aio_ring_fops, ioctx_add_table
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.fs.userfaultfd import userfaultfd_file
from vmalab.linux.include.mm_flags import VM_MAYWRITE, VM_UFFD_MASK
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE
from vmalab.linux.include.uapi.fcntl import F_SEAL_SEAL
from vmalab.linux.include.uapi.mman import MADV_GUARD_INSTALL
from vmalab.linux.ipc.shm import alloc_file_clone, shm_file_data, shm_fops
from vmalab.linux.mm.rmap import anon_vma_alloc, attach_anon_vma, link_anon_vma, unlink_anon_vmas
from vmalab.linux.mm.shmem import SHMEM_DEV, shmem_fops
from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE, I_REG, File, Inode
from vmalab.linux.types.files import fput, get_file
from vmalab.linux.types.ipc import Shmid
from vmalab.linux.types.mm_types import AnonVma, Kioctx, Mm, UserfaultfdCtx, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.recording.format.meta import MetaImage

# What tells page offsets of one place from those of another.
_ELSEWHERE: Final = 1 << 40
_USERFAULTFD: Final = "anon_inode:[userfaultfd]"
_AIO_RING: Final = "/[aio]"
_SEGMENT: Final = "/SYSV"


class AttachedPast(NamedTuple):
    """What a process is supposed to have done before its recording began.

    calls: it made. events: features that its userfaultfd was asked for. forked: it is the child of
    a fork, and shares pages with its parent. written, moved, apart: starts of VMAs (bytes) that
    were written to, though no page is left; moved by mremap; or written to before the VMA below
    came beside them. joined: starts of VMAs that were once one with the next below, though there is
    a gap now.
    """

    calls: tuple[tuple[str, tuple[int, ...]], ...] = ()
    events: int = 0
    forked: bool = False
    written: frozenset[int] = frozenset()
    moved: frozenset[int] = frozenset()
    apart: frozenset[int] = frozenset()
    joined: frozenset[int] = frozenset()


def take_up(task: Task, image: MetaImage, past: AttachedPast) -> None:
    """Set what an image tells of a process that lives already, and what is supposed."""
    mm = task.mm
    if mm is None:
        return
    if image.personality is not None:
        # An exec clears some of it.
        task.personality = image.personality
    mm.ksm_merge_any = image.merge_any
    mm.thp_disable = image.status.get("THP_enabled") == "0"
    _take_up_segments(task, mm, image)
    _take_up_rings(mm)
    _take_up_userfaultfd(task, mm, image, past.events)
    guards = [("madvise", (start, end - start, MADV_GUARD_INSTALL)) for start, end in image.guards]
    for name, args in (*guards, *past.calls):
        do_syscall_64(task, name, args_of((*args, *(0,) * (6 - len(args))), None))
    if not image.rmap:
        _suppose_history(mm, past)


def _suppose_history(mm: Mm, past: AttachedPast) -> None:
    """Give VMAs the anon_vmas and page offsets that what was done before has left."""
    others: AnonVma | None = None
    below: Vma | None = None
    for vma in mm_vmas(mm):
        if vma.vm_start not in past.apart:
            _join(mm, vma)
        if vma.vm_start in past.joined and below is not None and below.anon_vma is not None:
            unlink_anon_vmas(vma)
            attach_anon_vma(vma, below.anon_vma)
        if vma.vm_start in past.moved and vma.vm_file is None:
            vma.vm_pgoff ^= _ELSEWHERE
        if past.forked and vma.anon_vma is not None:
            others = others or anon_vma_alloc(vma)
            if others is not None:
                link_anon_vma(vma, others)
        if vma.vm_start in past.written and vma.anon_vma is None:
            attach_anon_vma(vma, _neighbours(mm, vma))
        if vma.anon_vma is not None and vma.vm_file is None:
            below = vma


def _join(mm: Mm, vma: Vma) -> None:
    """Give a VMA the anon_vma of the one below that continues into it: mostly they were one."""
    below = vma_lookup(mm, vma.vm_start - 1)
    if below is None or below.anon_vma is None or vma.anon_vma is None:
        return
    pages = (vma.vm_start - below.vm_start) >> PAGE_SHIFT
    if below.vm_file is vma.vm_file and below.vm_pgoff + pages == vma.vm_pgoff:
        unlink_anon_vmas(vma)
        attach_anon_vma(vma, below.anon_vma)


def _neighbours(mm: Mm, vma: Vma) -> AnonVma | None:
    """Return the anon_vma of an anonymous VMA next to one, of which it may be a part."""
    for addr in (vma.vm_end, vma.vm_start - 1):
        other = vma_lookup(mm, addr)
        if other is not None and other.vm_file is None and vma.vm_file is None:
            return other.anon_vma
    return None


def _take_up_segments(task: Task, mm: Mm, image: MetaImage) -> None:
    """Make the segments that were there, and attachments of what maps them.

    A segment that nothing tells of is supposed to be as long as what is mapped of it.
    """
    ns = task.machine.ipc_ns
    mapped = [vma for vma in mm_vmas(mm) if vma.vm_file and vma.vm_file.path.startswith(_SEGMENT)]
    told = dict(image.segments)
    for vma in mapped:
        assert vma.vm_file is not None
        shmid, end = vma.vm_file.inode.ino, vma.vm_pgoff * PAGE_SIZE + vma.vm_end - vma.vm_start
        if shmid >= 0 and (shmid not in image.segments):
            size = max(end, told[shmid][2] if shmid in told else 0)
            told[shmid] = (0, 0o600, size, 0, *_owner(task), *_owner(task))
    for shmid, (key, mode, size, users, uid, gid, cuid, cgid) in told.items():
        own = [vma for vma in mapped if vma.vm_file and vma.vm_file.inode.ino == shmid]
        file = next((vma.vm_file for vma in own), None)
        inode = Inode(I_REG, SHMEM_DEV, shmid) if file is None else file.inode
        inode.size, inode.seals = size, F_SEAL_SEAL
        path = f"/SYSV{key:08x} (deleted)"
        base = File(inode, path, FMODE_READ | FMODE_WRITE, shmem_fops)
        # Another process may have been taken up that has it, or this one, before events were lost.
        shp = next((one for one in ns.segments() if one.id == shmid), None)
        if shp is None:
            shp = Shmid(key, mode & 0o1777, size, base, uid, gid)
            shp.cuid, shp.cgid = cuid, cgid
            ns.add_at(shp, shmid)
        shp.shm_nattch = max(users, len(own))
        files: dict[int, File] = {}
        for vma in own:
            # The parts of one attachment have one file.
            at = vma.vm_start - vma.vm_pgoff * PAGE_SIZE
            if at not in files:
                mode = FMODE_READ | (FMODE_WRITE if vma.vm_flags & VM_MAYWRITE else 0)
                files[at] = alloc_file_clone(ns, shp, mode)
            _attach(vma, files[at])
        for file in files.values():
            fput(file)


def _owner(task: Task) -> tuple[int, int]:
    return (task.cred.euid, task.cred.egid)


def _attach(vma: Vma, file: File) -> None:
    """Make a VMA an attachment by such a file; the segment has counted it."""
    sfd = shm_file_data(file)
    if sfd is not None:
        sfd.vm_ops = vma.vm_ops
    if vma.vm_file is not None:
        fput(vma.vm_file)
    vma.vm_file = get_file(file)
    vma.vm_ops = shm_fops.vm_ops


def _take_up_rings(mm: Mm) -> None:
    """Enter a context for each mapped ring of asynchronous I/O."""
    for vma in mm_vmas(mm):
        file = vma.vm_file
        if file is None or not file.path.startswith(_AIO_RING):
            continue
        file.f_op = aio_ring_fops
        vma.vm_ops = aio_ring_fops.vm_ops
        # How many events it was made for is not known; they count for other processes only.
        ctx = Kioctx(get_file(file), vma.vm_end - vma.vm_start, 0)
        ctx.mmap_base = vma.vm_start
        ioctx_add_table(mm, ctx)


def _take_up_userfaultfd(task: Task, mm: Mm, image: MetaImage, features: int) -> None:
    """Give the VMAs that are watched a context: of the descriptor, where there is only one.

    features: that it is supposed to have asked for; nothing tells of them.
    """
    fds = [fd for fd, (name, _) in image.fds.items() if name == _USERFAULTFD]
    ctx = UserfaultfdCtx()
    ctx.mm = mm
    ctx.state_api = True
    ctx.features = features
    if len(fds) == 1:
        file = userfaultfd_file(task.machine, mm)
        if isinstance(file.private_data, UserfaultfdCtx):
            ctx = file.private_data
            ctx.state_api = True
            ctx.features = features
        task.files.install_at(fds[0], file, fds[0] in task.files.close_on_exec)
    for vma in mm_vmas(mm):
        if vma.vm_flags & VM_UFFD_MASK:
            vma.vm_userfaultfd_ctx = ctx
