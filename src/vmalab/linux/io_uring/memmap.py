# SPDX-License-Identifier: GPL-2.0-or-later
"""Making an io_uring, and mapping its rings.

Mirrors io_uring/memmap.c and the checks of io_uring/io_uring.c (v6.18).  Of a ring's contents only
its size is kept.  Rings of provided buffers, which io_uring_register makes, are not modelled.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.features import Features
from vmalab.linux.include.mm_flags import VM_DONTEXPAND, VM_MIXEDMAP
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM, EOVERFLOW
from vmalab.linux.include.uapi.io_uring import (
    IORING_OFF_CQ_RING,
    IORING_OFF_MMAP_MASK,
    IORING_OFF_SQ_RING,
    IORING_OFF_SQES,
    IORING_SETUP_CLAMP,
    IORING_SETUP_COOP_TASKRUN,
    IORING_SETUP_CQE32,
    IORING_SETUP_CQE_MIXED,
    IORING_SETUP_CQSIZE,
    IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_HYBRID_IOPOLL,
    IORING_SETUP_IOPOLL,
    IORING_SETUP_NO_MMAP,
    IORING_SETUP_NO_SQARRAY,
    IORING_SETUP_REGISTERED_FD_ONLY,
    IORING_SETUP_SINGLE_ISSUER,
    IORING_SETUP_SQ_AFF,
    IORING_SETUP_SQ_REWIND,
    IORING_SETUP_SQE128,
    IORING_SETUP_SQE_MIXED,
    IORING_SETUP_SQPOLL,
    IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_TASKRUN_FLAG,
)
from vmalab.linux.include.uapi.resource import RLIMIT_MEMLOCK
from vmalab.linux.mm.page_tables import PTE_FILE
from vmalab.linux.mm.refusal import REFUSED_MEMLOCK
from vmalab.linux.types.file import (
    FMODE_READ,
    FMODE_WRITE,
    I_OTHER,
    PLACE_IO_URING,
    File,
    FileOps,
    Inode,
)
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.mm_types import Vma, VmOps
from vmalab.linux.types.task import Task

IORING_MAX_ENTRIES: Final = 32768
IORING_MAX_CQ_ENTRIES: Final = 2 * IORING_MAX_ENTRIES
ANON_INODE_DEV: Final = "00:10"
# Bytes: what both rings have besides their entries, and the entries.
RINGS_SIZE: Final = 64
CQE_SIZE: Final = 16
SQE_SIZE: Final = 64


@final
@mypyc_attr(native_class=True)
class IoRing:
    """struct io_ring_ctx: the sizes of what can be mapped, in pages; 0: nothing can be."""

    def __init__(self, ring_pages: i64, sqe_pages: i64) -> None:
        self.ring_pages: i64 = ring_pages
        self.sqe_pages: i64 = sqe_pages
        # Whose locked pages it counts among, and how many; None: it is not counted.
        self.kernel: KernelState | None = None
        self.uid: int = 0
        self.accounted: int = 0

    def region(self, pgoff: i64) -> i64:
        """Return the pages of the region that a page offset names, 0 when there is none."""
        which = pgoff << PAGE_SHIFT & IORING_OFF_MMAP_MASK
        if which in (IORING_OFF_SQ_RING, IORING_OFF_CQ_RING):
            return self.ring_pages
        return self.sqe_pages if which == IORING_OFF_SQES else 0


class IoUringVmOps(VmOps):
    """The rings' pages are put into the page tables at once, and no fault brings them back."""

    def __init__(self) -> None:
        super().__init__()
        self.has_fault = False


class IoUringFileOps(FileOps):
    """file_operations of an io_uring."""

    def __init__(self) -> None:
        super().__init__()
        self.placement = PLACE_IO_URING
        self.can_fsync = False
        self.vm_ops: VmOps = IoUringVmOps()

    def has_region(self, file: File, pgoff: i64) -> bool:
        """Tell whether there is a ring to map at the offset."""
        ctx = file.private_data
        return isinstance(ctx, IoRing) and ctx.region(pgoff) != 0

    def mmap(self, file: File, vma: Vma) -> i64:
        """Insert the ring's pages: 0, EINVAL (no such ring) or EFAULT (entries do not fit).

        Of the rings themselves a part will do.  Kernel: io_uring_mmap(), io_region_mmap().
        """
        ctx = file.private_data
        if not isinstance(ctx, IoRing):
            return -EINVAL
        pages = ctx.region(vma.vm_pgoff)
        if pages == 0:
            return vma.vm_mm.refusal.blame(EINVAL, "offset", "the io_uring has no such ring")
        room = (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
        if vma.vm_pgoff << PAGE_SHIFT & IORING_OFF_MMAP_MASK != IORING_OFF_SQES:
            pages = min(pages, room)
        if pages > room:
            return vma.vm_mm.refusal.blame(EFAULT, "length", "longer than the ring")
        vma.vm_flags |= VM_DONTEXPAND | VM_MIXEDMAP
        vma.vm_ops = self.vm_ops
        tables = vma.vm_mm.page_tables
        tables.set(vma.vm_start, vma.vm_start + (pages << PAGE_SHIFT), PTE_FILE)
        return 0

    def release(self, file: File) -> None:
        """Count its pages as locked no more."""
        ctx = file.private_data
        if isinstance(ctx, IoRing) and ctx.kernel is not None:
            ctx.kernel.locked_vm[ctx.uid] -= ctx.accounted
            ctx.kernel = None


io_uring_fops: Final = IoUringFileOps()


def roundup_pow_of_two(n: int) -> int:
    """Return the least power of two that is not below `n`, which is positive."""
    return 1 << (n - 1).bit_length()


def known_setup_flags(features: Features) -> int:
    """Return the flags of io_uring_setup that a kernel knows."""
    known = IORING_SETUP_SUBMIT_ALL - 1
    if features.io_uring_taskrun:
        known = IORING_SETUP_NO_MMAP - 1
    if features.io_uring_no_mmap:
        known |= IORING_SETUP_NO_MMAP | IORING_SETUP_REGISTERED_FD_ONLY | IORING_SETUP_NO_SQARRAY
    if features.io_uring_hybrid_iopoll:
        known |= IORING_SETUP_HYBRID_IOPOLL
    if features.io_uring_mixed_cqes:
        known |= IORING_SETUP_CQE_MIXED
    if features.io_uring_mixed_sqes:
        known |= IORING_SETUP_SQE_MIXED
    if features.io_uring_rewind:
        known |= IORING_SETUP_SQ_REWIND
    return known


def check_setup_flags(features: Features, flags: int) -> int:
    """0, or -EINVAL for unknown flags and those that contradict each other."""
    if flags & ~known_setup_flags(features) != 0:
        return -EINVAL
    if flags & IORING_SETUP_SQ_REWIND != 0:
        if flags & IORING_SETUP_SQPOLL != 0 or flags & IORING_SETUP_NO_SQARRAY == 0:
            return -EINVAL
    if flags & IORING_SETUP_REGISTERED_FD_ONLY != 0 and flags & IORING_SETUP_NO_MMAP == 0:
        return -EINVAL
    if flags & IORING_SETUP_SQPOLL != 0:
        if flags & (
            IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_DEFER_TASKRUN
        ):
            return -EINVAL
    elif flags & IORING_SETUP_SQ_AFF != 0:
        return -EINVAL
    notified = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN
    if flags & IORING_SETUP_TASKRUN_FLAG != 0 and flags & notified == 0:
        return -EINVAL
    if flags & IORING_SETUP_HYBRID_IOPOLL != 0 and flags & IORING_SETUP_IOPOLL == 0:
        return -EINVAL
    if flags & IORING_SETUP_DEFER_TASKRUN != 0 and flags & IORING_SETUP_SINGLE_ISSUER == 0:
        return -EINVAL
    both = IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED
    if flags & both == both:
        return -EINVAL
    both = IORING_SETUP_SQE128 | IORING_SETUP_SQE_MIXED
    return -EINVAL if flags & both == both else 0


def ring_entries(entries: int, flags: int, cq_entries: int) -> tuple[int, int]:
    """Return how many entries the two rings get; (-errno, 0) when they may not have so many.

    Errors: EINVAL, and EOVERFLOW for one entry where an entry may take the place of two.
    """
    clamp = flags & IORING_SETUP_CLAMP != 0
    if entries == 0 or (entries > IORING_MAX_ENTRIES and not clamp):
        return (-EINVAL, 0)
    sq = roundup_pow_of_two(min(entries, IORING_MAX_ENTRIES))
    if flags & IORING_SETUP_SQE_MIXED != 0 and sq < 2:
        return (-EOVERFLOW, 0)
    if flags & IORING_SETUP_CQSIZE == 0:
        return (sq, 2 * sq)
    if cq_entries <= 0 or (cq_entries > IORING_MAX_CQ_ENTRIES and not clamp):
        return (-EINVAL, 0)
    cq = roundup_pow_of_two(min(cq_entries, IORING_MAX_CQ_ENTRIES))
    if flags & IORING_SETUP_CQE_MIXED != 0 and cq < 2:
        return (-EOVERFLOW, 0)
    return (-EINVAL, 0) if cq < sq else (sq, cq)


def ring_pages(sq: int, cq: int, flags: int) -> tuple[int, int]:
    """Return how many pages the rings of `sq` and `cq` entries have, and the entries for calls."""
    rings = RINGS_SIZE + cq * CQE_SIZE * (2 if flags & IORING_SETUP_CQE32 != 0 else 1)
    if flags & IORING_SETUP_NO_SQARRAY == 0:
        rings = ((rings + 63) & ~63) + 4 * sq
    sqes = sq * SQE_SIZE * (2 if flags & IORING_SETUP_SQE128 != 0 else 1)
    return (rings + PAGE_SIZE - 1) >> PAGE_SHIFT, (sqes + PAGE_SIZE - 1) >> PAGE_SHIFT


def io_account_mem(task: Task, pages: int) -> i64:
    """Count pages of an io_uring as locked by the task's user: 0, or -ENOMEM (RLIMIT_MEMLOCK).

    Nothing is counted for who has CAP_IPC_LOCK.  Kernel: __io_account_mem().
    """
    kernel, uid = task.machine.kernel, task.cred.uid
    if not kernel.config.features.io_uring_rings_are_locked or task.capable(CAP_IPC_LOCK):
        return 0
    locked = kernel.locked_vm.get(uid, 0) + pages
    limit = task.signal.rlim_cur.reached(RLIMIT_MEMLOCK) >> PAGE_SHIFT
    if locked > limit:
        return kernel.refusal.refuse(ENOMEM, REFUSED_MEMLOCK, locked, limit)
    kernel.locked_vm[uid] = locked
    return 0


def io_uring_file(machine: MachineState, sq: int, cq: int, flags: int) -> File:
    """Return a new io_uring with rings of `sq` and `cq` entries."""
    rings, sqes = ring_pages(sq, cq, flags)
    if flags & IORING_SETUP_NO_MMAP != 0:
        # The caller brought the memory itself.
        rings = sqes = 0
    inode = Inode(I_OTHER, ANON_INODE_DEV, -1)
    mode = FMODE_READ | FMODE_WRITE
    file = File(inode, "anon_inode:[io_uring]", mode, io_uring_fops)
    file.noexec = machine.config.features.anon_inodes_are_noexec
    file.private_data = IoRing(rings, sqes)
    return file
