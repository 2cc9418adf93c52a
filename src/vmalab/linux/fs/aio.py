# SPDX-License-Identifier: GPL-2.0-or-later
"""Contexts of asynchronous I/O: their rings are mapped into the process by the kernel itself.

Mirrors fs/aio.c (v6.18).
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_DONTCOPY, VM_DONTEXPAND
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE
from vmalab.linux.include.uapi.errno import EAGAIN, EINVAL
from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE, I_OTHER, File, FileOps, Inode
from vmalab.linux.types.files import fput
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.mm_types import Kioctx, Mm, Vma, VmOps

AIO_DEV: Final = "00:13"
# Bytes of the ring's head and of one event.
AIO_RING_SIZE: Final = 32
IO_EVENT_SIZE: Final = 32
# No ring has more events.
MAX_EVENTS: Final = 0x10000000 // IO_EVENT_SIZE


class AioRingVmOps(VmOps):
    """vm_operations_struct of a ring: its context moves with it."""

    def mremap(self, vma: Vma) -> i64:
        """0, or -EINVAL when it is not (or only a part of) the ring of a context."""
        for ctx in vma.vm_mm.ioctx_table:
            if ctx is not None and ctx.aio_ring_file is vma.vm_file:
                whole = ctx.mmap_size == vma.vm_end - vma.vm_start
                if not whole and vma.vm_mm.features.aio_ring_moves_whole:
                    return vma.vm_mm.refusal.blame_at(
                        EINVAL,
                        "old_address",
                        "a part of the ring of asynchronous I/O cannot be moved: the mapping",
                        vma.vm_start,
                    )
                ctx.mmap_base = vma.vm_start
                return 0
        return vma.vm_mm.refusal.blame_at(
            EINVAL, "old_address", "not the ring of a context: the mapping", vma.vm_start
        )


class AioRingFileOps(FileOps):
    """file_operations of a ring's file."""

    def __init__(self) -> None:
        super().__init__()
        self.can_fallocate = False
        self.can_fsync = False
        self.vm_ops: VmOps = AioRingVmOps()

    def mmap(self, file: File, vma: Vma) -> i64:
        """Give the VMA its operations."""
        vma.vm_flags |= VM_DONTEXPAND
        if vma.vm_mm.features.aio_ring_not_inherited:
            vma.vm_flags |= VM_DONTCOPY
        vma.vm_ops = self.vm_ops
        return 0


aio_ring_fops: Final = AioRingFileOps()


def aio_ring_size(machine: MachineState, nr_events: int) -> int:
    """Bytes of the ring for a number of events (unsigned 32-bit), or EINVAL, EAGAIN (too many)."""
    config = machine.config
    doubled = max(nr_events, config.possible_cpus * 4) * 2 & 0xFFFFFFFF
    if doubled > MAX_EVENTS:
        return machine.kernel.refusal.blame(EINVAL, "nr_events", "more than any ring holds")
    if doubled == 0 or nr_events > config.aio_max_nr:
        return -EAGAIN
    return (AIO_RING_SIZE + IO_EVENT_SIZE * (doubled + 2) + PAGE_SIZE - 1) & PAGE_MASK


def aio_ring_file(size: int) -> File:
    """Return the file of a new ring; it allows no execution."""
    inode = Inode(I_OTHER, AIO_DEV, -1)
    inode.size = size
    file = File(inode, "/[aio] (deleted)", FMODE_READ | FMODE_WRITE, aio_ring_fops)
    file.noexec = True
    return file


def ioctx_add_table(mm: Mm, ctx: Kioctx) -> int:
    """Enter a context under the first free number: it."""
    for number in range(len(mm.ioctx_table)):
        if mm.ioctx_table[number] is None:
            mm.ioctx_table[number] = ctx
            return number
    mm.ioctx_table.append(ctx)
    return len(mm.ioctx_table) - 1


def kill_ioctx(machine: MachineState, mm: Mm, number: int) -> None:
    """Forget a context and let its file go; its mapping is the caller's to undo."""
    ctx = mm.ioctx_table[number]
    mm.ioctx_table[number] = None
    if ctx is not None:
        machine.aio_nr -= ctx.max_reqs
        fput(ctx.aio_ring_file)


def exit_aio(mm: Mm) -> None:
    """The address space ends: so do its contexts (`exit_aio`)."""
    owner = mm.owner
    if owner is not None:
        for number in range(len(mm.ioctx_table)):
            kill_ioctx(owner.machine, mm, number)
    mm.ioctx_table.clear()
