# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of asynchronous I/O: contexts with rings, and io_urings."""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import NO_NUMBER, SyscallArgs, as_uint
from vmalab.linux.arch.x86.entry.syscalls.fs import nofile
from vmalab.linux.fs.aio import aio_ring_file, aio_ring_size, ioctx_add_table, kill_ioctx
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK, CAP_SYS_ADMIN
from vmalab.linux.include.uapi.errno import EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM
from vmalab.linux.include.uapi.mman import MAP_SHARED, PROT_READ, PROT_WRITE
from vmalab.linux.io_uring.memmap import (
    IoRing,
    check_setup_flags,
    io_account_mem,
    io_uring_file,
    ring_entries,
    ring_pages,
)
from vmalab.linux.mm.mmap import do_mmap
from vmalab.linux.mm.refusal import REFUSED_AIO
from vmalab.linux.mm.usercopy import copy_from_user, copy_to_user
from vmalab.linux.mm.vma.munmap import do_munmap
from vmalab.linux.types.file import File
from vmalab.linux.types.files import fput
from vmalab.linux.types.mm_types import Kioctx, Mm
from vmalab.linux.types.task import Task

# Bytes of struct io_uring_params.
PARAMS_SIZE: Final = 120


def ioctx_alloc(task: Task, mm: Mm, nr_events: int) -> int:
    """Make a context and map its ring: its number or -errno.

    Errors: EINVAL and EAGAIN (too many events), ENOMEM (the ring cannot be mapped).
    Kernel: ioctx_alloc(), aio_setup_ring().
    """
    machine = task.machine
    size = aio_ring_size(machine, nr_events)
    if size < 0:
        if size == -EAGAIN:
            machine.kernel.refusal.refuse(EAGAIN, REFUSED_AIO, nr_events, machine.config.aio_max_nr)
        return size
    file = aio_ring_file(size)
    place = do_mmap(mm, file, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, 0, 0, None)
    if place < 0:
        fput(file)
        return -ENOMEM
    if machine.aio_nr + nr_events > machine.config.aio_max_nr:
        do_munmap(mm, place, size, None)
        fput(file)
        asked = machine.aio_nr + nr_events
        return machine.kernel.refusal.refuse(EAGAIN, REFUSED_AIO, asked, machine.config.aio_max_nr)
    ctx = Kioctx(file, size, nr_events)
    ctx.mmap_base = place
    machine.aio_nr += nr_events
    return ioctx_add_table(mm, ctx)


def sys_io_setup(task: Task, args: SyscallArgs) -> int:
    """io_setup(nr_events, ctxp): 0, EFAULT, EINVAL (no events) and `ioctx_alloc`'s errors.

    That the context's place held 0 before is taken for granted.
    """
    mm = task.mm
    nr_events = as_uint(args.a0)
    if mm is None or not copy_from_user(mm, args.a1, 8):
        return task.machine.kernel.refusal.blame(EFAULT, "ctxp", "cannot be read")
    if nr_events == 0:
        return task.machine.kernel.refusal.blame(EINVAL, "nr_events", "must not be 0")
    number = ioctx_alloc(task, mm, nr_events)
    if number < 0:
        return number
    if not copy_to_user(mm, args.a1, 8):
        destroy(task, mm, number)
        return task.machine.kernel.refusal.blame(
            EFAULT, "ctxp", "the context cannot be written there"
        )
    return 0


def destroy(task: Task, mm: Mm, number: int) -> None:
    """End a context of an address space and unmap what lies where its ring was mapped."""
    ctx = mm.ioctx_table[number]
    if ctx is not None:
        kill_ioctx(task.machine, mm, number)
        do_munmap(mm, ctx.mmap_base, ctx.mmap_size, None)


def sys_io_destroy(task: Task, args: SyscallArgs) -> int:
    """io_destroy(ctx): 0, or EINVAL when no context's ring can be read at that address."""
    mm = task.mm
    if mm is None or not copy_from_user(mm, args.a0, 4):
        return task.machine.kernel.refusal.blame(EINVAL, "ctx_id", "no such context")
    for number in range(len(mm.ioctx_table)):
        ctx = mm.ioctx_table[number]
        if ctx is not None and int(ctx.mmap_base) == args.a0:
            destroy(task, mm, number)
            return 0
    return task.machine.kernel.refusal.blame(EINVAL, "ctx_id", "no such context")


def account(task: Task, file: File, pages: int) -> None:
    """Note whose locked pages a new io_uring counts among, until it is closed."""
    ring, kernel = file.private_data, task.machine.kernel
    counted = kernel.config.features.io_uring_rings_are_locked and not task.capable(CAP_IPC_LOCK)
    if isinstance(ring, IoRing) and counted:
        ring.kernel, ring.uid, ring.accounted = kernel, task.cred.uid, pages


def sys_io_uring_setup(task: Task, args: SyscallArgs) -> int:
    """io_uring_setup(entries, params): the descriptor, EPERM, EFAULT, EINVAL, ENOMEM or EMFILE."""
    mm = task.mm
    disabled = task.machine.config.io_uring_disabled
    if disabled == 2 or (disabled == 1 and not task.capable(CAP_SYS_ADMIN)):
        why = f"kernel.io_uring_disabled is {disabled}"
        return task.machine.kernel.refusal.blame(EPERM, "", why)
    if mm is None or not copy_from_user(mm, args.a1, PARAMS_SIZE):
        return -EFAULT
    flags = args.field(1, "flags")
    if flags == NO_NUMBER:
        flags = 0
    err = check_setup_flags(task.machine.config.features, flags)
    if err != 0:
        return err
    sq, cq = ring_entries(as_uint(args.a0), flags, args.field(1, "cq_entries"))
    if sq < 0:
        return sq
    if not copy_to_user(mm, args.a1, PARAMS_SIZE):
        return -EFAULT
    pages = sum(ring_pages(sq, cq, flags))
    err = io_account_mem(task, pages)
    if err != 0:
        return err
    file = io_uring_file(task.machine, sq, cq, flags)
    account(task, file, pages)
    return task.files.install(file, True, nofile(task))


IO_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "io_destroy": sys_io_destroy,
    "io_setup": sys_io_setup,
    "io_uring_setup": sys_io_uring_setup,
}
