# SPDX-License-Identifier: GPL-2.0-or-later
"""userfaultfd: handing the faults of ranges to a file descriptor.

Mirrors fs/userfaultfd.c (v6.18); what happens to the VMAs is in mm/userfaultfd.py.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from vmalab.linux.fs.userfaultfd_known import (
    UFFD_RWP_FEATURES,
    knows_request,
    register_modes,
    uffd_api_available_features,
)
from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_MAYWRITE,
    VM_UFFD_MINOR,
    VM_UFFD_MISSING,
    VM_UFFD_RWP,
    VM_UFFD_WP,
)
from vmalab.linux.include.page import PAGE_MASK
from vmalab.linux.include.uapi.capability import CAP_SYS_PTRACE
from vmalab.linux.include.uapi.errno import (
    EBUSY,
    EFAULT,
    EINVAL,
    ENOMEM,
    EPERM,
    ESRCH,
)
from vmalab.linux.include.uapi.fcntl import O_CLOEXEC, O_NONBLOCK
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_API,
    UFFD_FEATURE_EVENT_FORK,
    UFFD_FEATURE_RWP,
    UFFD_FEATURE_RWP_ASYNC,
    UFFD_FEATURE_WP_ASYNC,
    UFFD_FEATURE_WP_UNPOPULATED,
    UFFD_USER_MODE_ONLY,
    UFFDIO_API,
    UFFDIO_CONTINUE,
    UFFDIO_COPY,
    UFFDIO_MOVE,
    UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES,
    UFFDIO_MOVE_MODE_DONTWAKE,
    UFFDIO_POISON,
    UFFDIO_REGISTER,
    UFFDIO_REGISTER_MODE_MINOR,
    UFFDIO_REGISTER_MODE_MISSING,
    UFFDIO_REGISTER_MODE_RWP,
    UFFDIO_REGISTER_MODE_WP,
    UFFDIO_RWPROTECT,
    UFFDIO_SET_MODE,
    UFFDIO_UNREGISTER,
    UFFDIO_WAKE,
    UFFDIO_WRITEPROTECT,
    UFFDIO_ZEROPAGE,
)
from vmalab.linux.mm.mmap_lock import mmap_write_lock, mmap_write_unlock
from vmalab.linux.mm.userfaultfd import (
    cuts_huge_page,
    prev_of,
    register_range,
    unregister_range,
    userfaultfd_release_all,
    vma_can_userfault,
)
from vmalab.linux.mm.userfaultfd_fill import (
    GONE,
    FillSource,
    filled,
    userfaultfd_continue,
    userfaultfd_copy,
    userfaultfd_poison,
    userfaultfd_zeropage,
)
from vmalab.linux.mm.userfaultfd_move import move_pages
from vmalab.linux.mm.userfaultfd_protect import userfaultfd_rwprotect, userfaultfd_writeprotect
from vmalab.linux.types.file import FMODE_READ, I_OTHER, File, FileOps, Inode
from vmalab.linux.types.files import FilesStruct
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.mm_types import Mm, UserfaultfdCtx, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi


class UserfaultfdFileOps(FileOps):
    """file_operations of a userfaultfd: it cannot be mapped, and unregisters all at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.can_mmap = False

    def release(self, file: File) -> None:
        """Take the context off every VMA of its mm."""
        ctx = file.private_data
        if isinstance(ctx, UserfaultfdCtx):
            userfaultfd_release_all(ctx)


_NO_LIMIT: Final = 1 << 30
userfaultfd_fops: Final = UserfaultfdFileOps()


def userfaultfd_file(machine: MachineState, mm: Mm) -> File:
    """Return a new userfaultfd for an mm."""
    ctx = UserfaultfdCtx()
    ctx.mm = mm
    return file_of_context(machine, ctx)


def resolve_userfault_fork(machine: MachineState, new: UserfaultfdCtx, files: FilesStruct) -> int:
    """Let whose descriptors `files` are read of a fork: that of the child's context, or EMFILE."""
    cloexec = new.flags & O_CLOEXEC != 0
    return files.install(file_of_context(machine, new), cloexec, _NO_LIMIT)


def file_of_context(machine: MachineState, ctx: UserfaultfdCtx) -> File:
    """Return a file of a context."""
    file = File(
        Inode(I_OTHER, "00:00", -1),
        "anon_inode:[userfaultfd]",
        FMODE_READ,
        userfaultfd_fops,
    )
    file.private_data = ctx
    file.noexec = machine.config.features.anon_inodes_are_noexec
    return file


def check_userfaultfd_flags(task: Task, flags: int) -> int:
    """Check userfaultfd(2)'s flags and permission: 0, EINVAL or EPERM."""
    user_only = task.machine.config.features.userfaultfd_user_mode_only
    allowed = (user_only and flags & UFFD_USER_MODE_ONLY != 0) or task.capable(CAP_SYS_PTRACE)
    if not allowed and not task.machine.config.unprivileged_userfaultfd:
        return -EPERM
    known = O_CLOEXEC | O_NONBLOCK
    if user_only:
        known |= UFFD_USER_MODE_ONLY
    return -EINVAL if flags & ~known != 0 else 0


def userfaultfd_ioctl(task: Task, ctx: UserfaultfdCtx, request: int, arg: object) -> int:
    """Return the ioctls of a userfaultfd: 0 or a negative errno; `arg` is the decoded struct.

    Errors: EINVAL (before UFFDIO_API, unknown request or mode, alignment, memory that cannot be
    registered), EPERM, EBUSY (another context), EFAULT (no struct), ENOMEM.
    """
    mm = ctx.mm
    if request == UFFDIO_API:
        return userfaultfd_api(task, ctx, arg)
    if not ctx.state_api or mm is None or not knows_request(mm.features, request):
        return task.machine.kernel.refusal.blame(
            EINVAL, "request", "unknown, or made before UFFDIO_API"
        )
    if not isinstance(arg, dict):
        return task.machine.kernel.refusal.blame(EFAULT, "argp", "cannot be read")
    if request == UFFDIO_REGISTER:
        bounds = arg.get("range")
        mode = number(arg, "mode")
        if not isinstance(bounds, dict):
            return task.machine.kernel.refusal.blame(EFAULT, "argp", "cannot be read")
        return userfaultfd_register(ctx, mm, number(bounds, "start"), number(bounds, "len"), mode)
    if request == UFFDIO_UNREGISTER:
        return userfaultfd_unregister(ctx, mm, number(arg, "start"), number(arg, "len"))
    if request == UFFDIO_SET_MODE:
        return userfaultfd_set_mode(ctx, mm, number(arg, "enable"), number(arg, "disable"))
    if request == UFFDIO_MOVE:
        return userfaultfd_move(task, ctx, mm, arg)
    return userfaultfd_page_ioctl(task, mm, request, arg)


def userfaultfd_page_ioctl(task: Task, mm: Mm, request: int, arg: dict[object, object]) -> int:
    """Return the ioctls that act on pages of an mm, perhaps another's: 0 or a negative errno."""
    mode = number(arg, "mode")
    if request == UFFDIO_COPY:
        start, length = number(arg, "dst"), number(arg, "len")
    else:
        bounds = arg if request == UFFDIO_WAKE else arg.get("range")
        if not isinstance(bounds, dict):
            return mm.refusal.blame(EFAULT, "argp", "cannot be read")
        start, length = number(bounds, "start"), number(bounds, "len")
    error = validate_range(mm, start, length)
    if error != 0 or request == UFFDIO_WAKE:
        return error
    if request == UFFDIO_COPY:
        source = FillSource(mm if task.mm is None else task.mm, number(arg, "src"))
        return userfaultfd_copy(mm, start, source, length, mode)
    if request == UFFDIO_ZEROPAGE:
        return userfaultfd_zeropage(mm, start, length, mode)
    if request == UFFDIO_CONTINUE:
        return userfaultfd_continue(mm, start, length, mode)
    if request == UFFDIO_POISON:
        return userfaultfd_poison(mm, start, length, mode)
    if request == UFFDIO_WRITEPROTECT:
        return userfaultfd_writeprotect(mm, start, length, mode)
    if request == UFFDIO_RWPROTECT:
        return userfaultfd_rwprotect(mm, start, length, mode)
    return mm.refusal.blame(EINVAL, "request", "unknown")


def userfaultfd_move(task: Task, ctx: UserfaultfdCtx, mm: Mm, arg: dict[object, object]) -> int:
    """UFFDIO_MOVE: 0, EINVAL (another process, ranges, mode), and `move_pages`' errors."""
    if mm is not task.mm:
        return task.machine.kernel.refusal.blame(
            EINVAL, "request", "UFFDIO_MOVE in another process's memory"
        )
    dst, src, length = number(arg, "dst"), number(arg, "src"), number(arg, "len")
    for start in (dst, src):
        error = validate_range(mm, start, length)
        if error != 0:
            return error
    mode = number(arg, "mode")
    if mode & ~(UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES | UFFDIO_MOVE_MODE_DONTWAKE) != 0:
        return task.machine.kernel.refusal.blame(EINVAL, "mode", "unknown flag")
    holes = mode & UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES != 0
    return filled(mm, length, move_pages(ctx, mm, dst, src, length, holes))


def userfaultfd_set_mode(ctx: UserfaultfdCtx, mm: Mm, enable: int, disable: int) -> int:
    """UFFDIO_SET_MODE: turn asynchronous RWP on or off: 0, or EINVAL.

    EINVAL: on and off at once, any other feature, or one that needs what the handshake did not ask
    for.
    """
    if enable & disable != 0:
        return mm.refusal.blame(EINVAL, "mode", "a feature both enabled and disabled")
    if (enable | disable) & ~UFFD_FEATURE_RWP_ASYNC != 0:
        return mm.refusal.blame(EINVAL, "mode", "unknown feature")
    if enable != 0 and ctx.features & UFFD_FEATURE_RWP == 0:
        return mm.refusal.blame(EINVAL, "mode", "UFFD_FEATURE_RWP was not enabled by UFFDIO_API")
    if mm.mm_users == 0:
        return mm.refusal.blame(ESRCH, "fd", GONE)
    taken = mmap_write_lock(mm)
    ctx.features = (ctx.features | enable) & ~disable
    mmap_write_unlock(mm, taken)
    return 0


def number(struct: dict[object, object], name: str) -> int:
    """Return a member of a decoded struct, 0 when it is not a number."""
    value = struct.get(name)
    return value if isinstance(value, int) else 0


def userfaultfd_api(task: Task, ctx: UserfaultfdCtx, arg: object) -> int:
    """Return the handshake that must come first, once: 0, EINVAL (version, features) or EPERM."""
    if not isinstance(arg, dict):
        return task.machine.kernel.refusal.blame(EFAULT, "argp", "cannot be read")
    features = number(arg, "features")
    if number(arg, "api") != UFFD_API:
        return task.machine.kernel.refusal.blame(EINVAL, "api", "not UFFD_API")
    if features & UFFD_FEATURE_EVENT_FORK != 0 and not task.capable(CAP_SYS_PTRACE):
        return task.machine.kernel.refusal.blame(
            EPERM, "features", "UFFD_FEATURE_EVENT_FORK needs CAP_SYS_PTRACE"
        )
    if features & UFFD_RWP_FEATURES == UFFD_FEATURE_RWP_ASYNC:
        return task.machine.kernel.refusal.blame(
            EINVAL, "features", "UFFD_FEATURE_RWP_ASYNC without UFFD_FEATURE_RWP"
        )
    available = uffd_api_available_features(task.machine.config.features)
    if features & ~available != 0:
        return task.machine.kernel.refusal.blame(
            EINVAL, "features", "features that the kernel does not have"
        )
    if ctx.state_api:
        return task.machine.kernel.refusal.blame(EINVAL, "request", "made before: UFFDIO_API")
    if features & UFFD_FEATURE_WP_ASYNC != 0:
        features |= UFFD_FEATURE_WP_UNPOPULATED
    ctx.features = features
    ctx.state_api = True
    return 0


def validate_range(mm: Mm, start: int, length: int) -> int:
    """Check a range given to an ioctl: 0 or -EINVAL."""
    if start & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "range", "the start is not a multiple of the page size")
    if length & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "range", "the length is not a multiple of the page size")
    if length == 0:
        return mm.refusal.blame(EINVAL, "range", "the length is 0")
    config = mm.config
    if start < config.mmap_min_addr and config.features.userfaultfd_lowest_address:
        return mm.refusal.blame(EINVAL, "range", "below vm.mmap_min_addr")
    task_size: int = mm.task_size
    if start + length > task_size:
        return mm.refusal.blame(EINVAL, "range", "beyond the end of the address space")
    return 0


def userfaultfd_register(ctx: UserfaultfdCtx, mm: Mm, start: int, length: int, mode: int) -> int:
    """Register what is mapped of a range; checked wholly before anything changes: 0 or -errno.

    Kernel: userfaultfd_register().
    """
    if mode == 0:
        return mm.refusal.blame(EINVAL, "mode", "must not be 0")
    if mode & ~register_modes(ctx, mm.features) != 0:
        return mm.refusal.blame(EINVAL, "mode", "unknown mode")
    both = UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_RWP
    if mode & both == both:
        return mm.refusal.blame(
            EINVAL, "mode", "UFFDIO_REGISTER_MODE_WP together with UFFDIO_REGISTER_MODE_RWP"
        )
    kinds: i64 = 0
    if mode & UFFDIO_REGISTER_MODE_RWP != 0:
        kinds |= VM_UFFD_RWP
    if mode & UFFDIO_REGISTER_MODE_MISSING != 0:
        kinds |= VM_UFFD_MISSING
    if mode & UFFDIO_REGISTER_MODE_WP != 0:
        kinds |= VM_UFFD_WP
    if mode & UFFDIO_REGISTER_MODE_MINOR != 0:
        kinds |= VM_UFFD_MINOR
    error = validate_range(mm, start, length)
    if error != 0:
        return error
    if mm.mm_users == 0:
        return mm.refusal.blame(ENOMEM, "fd", GONE)
    end = start + length
    wp_async = ctx.features & UFFD_FEATURE_WP_ASYNC != 0
    vmi = Vmi(mm, start)
    vma = vmi.find(end)
    if vma is None:
        return mm.refusal.blame(EINVAL, "range", "nothing is mapped in the range")
    while vma is not None:
        if not vma_can_userfault(vma, kinds, wp_async):
            return mm.refusal.blame_at(
                EINVAL, "range", "a userfaultfd cannot watch such memory: the mapping", vma.vm_start
            )
        if kinds & VM_UFFD_RWP != 0 and vma.vm_flags & VM_ACCESS_FLAGS == 0:
            return mm.refusal.blame_at(
                EINVAL, "range", "no access is allowed in the mapping", vma.vm_start
            )
        if vma.vm_flags & VM_MAYWRITE == 0:
            return mm.refusal.blame_at(
                EPERM, "range", "the file was not opened for writing: the mapping", vma.vm_start
            )
        if cuts_huge_page(vma, start, end):
            return mm.refusal.blame_at(
                EINVAL, "range", "the range cuts a huge page of the mapping", vma.vm_start
            )
        if vma.vm_userfaultfd_ctx is not None and vma.vm_userfaultfd_ctx is not ctx:
            return mm.refusal.blame_at(
                EBUSY, "range", "another userfaultfd is registered in the mapping", vma.vm_start
            )
        drops_wp = vma.vm_flags & (VM_UFFD_WP | VM_UFFD_RWP) & ~kinds != 0
        if drops_wp and mm.features.userfaultfd_keeps_wp:
            return mm.refusal.blame_at(
                EBUSY, "range", "registered for write protection: the mapping", vma.vm_start
            )
        vma = vmi.find(end)
    taken = mmap_write_lock(mm)
    error = register_range(ctx, mm, start, end, kinds)
    mmap_write_unlock(mm, taken)
    return error


def userfaultfd_unregister(ctx: UserfaultfdCtx, mm: Mm, start: int, length: int) -> int:
    """Take a range out of its context: 0 or -errno.

    Errors: EINVAL (nothing there, what cannot be registered, or another userfaultfd's), ENOMEM.
    Kernel: userfaultfd_unregister().
    """
    error = validate_range(mm, start, length)
    if error != 0:
        return error
    if mm.mm_users == 0:
        return mm.refusal.blame(ENOMEM, "fd", GONE)
    end = start + length
    wp_async = ctx.features & UFFD_FEATURE_WP_ASYNC != 0
    vmi = Vmi(mm, start)
    vma = vmi.find(end)
    if vma is None:
        return mm.refusal.blame(EINVAL, "range", "nothing is mapped in the range")
    first = vma
    own_only = mm.features.userfaultfd_unregisters_own
    while vma is not None:
        if own_only and vma.vm_userfaultfd_ctx is not None and vma.vm_userfaultfd_ctx is not ctx:
            return mm.refusal.blame_at(
                EINVAL, "range", "another userfaultfd is registered in the mapping", vma.vm_start
            )
        if not vma_can_userfault(vma, vma.vm_flags, wp_async):
            return mm.refusal.blame_at(
                EINVAL, "range", "a userfaultfd cannot watch such memory: the mapping", vma.vm_start
            )
        vma = vmi.find(end)
    vmi.set(start)
    prev: Vma | None = first if first.vm_start < start else prev_of(vmi, first)
    taken = mmap_write_lock(mm)
    error = unregister_range(vmi, prev, start, end)
    mmap_write_unlock(mm, taken)
    return error
