# SPDX-License-Identifier: GPL-2.0-or-later
"""Shadow stacks: map_shadow_stack, and turning them on and off.

Mirrors arch/x86/kernel/shstk.c (v7.3).  The stacks that threads get when a process has turned them
on are not made.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_SHADOW_STACK, VM_WRITE
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE, page_align_ulong
from vmalab.linux.include.uapi.errno import (
    EFAULT,
    EINVAL,
    ENOSPC,
    ENOSYS,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
    ERANGE,
)
from vmalab.linux.include.uapi.mman import (
    MAP_ABOVE4G,
    MAP_ANONYMOUS,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    PROT_READ,
    SHADOW_STACK_SET_TOKEN,
)
from vmalab.linux.include.uapi.prctl import (
    ARCH_SHSTK_DISABLE,
    ARCH_SHSTK_LOCK,
    ARCH_SHSTK_SHSTK,
    ARCH_SHSTK_STATUS,
    ARCH_SHSTK_WRSS,
)
from vmalab.linux.include.uapi.resource import RLIMIT_STACK
from vmalab.linux.mm.memory import fault_range
from vmalab.linux.mm.mmap import do_mmap
from vmalab.linux.mm.usercopy import copy_to_user
from vmalab.linux.mm.vma.munmap import do_munmap
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup

SZ_4G: Final = 1 << 32
TOKEN_SIZE: Final = 8


def ksys_map_shadow_stack(task: Task, addr: int, size: int, flags: int) -> int:
    """map_shadow_stack(2): the address or -errno.

    Errors: ENOSYS (the kernel has none), EOPNOTSUPP (the processor has none), EINVAL (flags, a
    token that is not aligned), ENOSPC (no room for the token), ERANGE (below 4 GiB), EOVERFLOW,
    and those of mmap with MAP_FIXED_NOREPLACE.
    """
    mm = task.mm
    config = task.machine.config
    if mm is None:
        return -ENOSYS
    if not config.user_shadow_stack:
        return task.machine.kernel.refusal.blame(ENOSYS, "", "the kernel has no shadow stacks")
    if not config.features.user_shadow_stack:
        return task.machine.kernel.refusal.blame(ENOSYS, "", "the kernel has no shadow stacks")
    if not config.cpu_shadow_stack:
        return task.machine.kernel.refusal.blame(
            EOPNOTSUPP, "", "the processor has no shadow stacks"
        )
    token = flags & SHADOW_STACK_SET_TOKEN != 0
    if flags & 0xFFFFFFFF & ~SHADOW_STACK_SET_TOKEN != 0:
        return task.machine.kernel.refusal.blame(EINVAL, "flags", "unknown flag")
    if token and size < TOKEN_SIZE:
        return task.machine.kernel.refusal.blame(ENOSPC, "size", "too small for the token")
    if 0 < addr < SZ_4G:
        return task.machine.kernel.refusal.blame(ERANGE, "addr", "below 4 GiB")
    if size != 0 and page_align_ulong(size) == 0:
        return task.machine.kernel.refusal.blame(
            EOVERFLOW, "size", "wraps around when it is rounded up to pages"
        )
    place = alloc_shstk(mm, addr, page_align_ulong(size))
    if place < 0:
        mm.refusal.rename("length", "size")
    if place < 0 or not token:
        return place
    if not create_rstor_token(mm, place + size):
        do_munmap(mm, place, page_align_ulong(size), None)
        return task.machine.kernel.refusal.blame(EINVAL, "size", "the token would not be aligned")
    return place


def alloc_shstk(mm: Mm, addr: int, size: int) -> i64:
    """Map a shadow stack of `size` bytes: its address or -errno."""
    flags = MAP_ANONYMOUS | MAP_PRIVATE | MAP_ABOVE4G
    if addr != 0:
        flags |= MAP_FIXED_NOREPLACE
    return do_mmap(mm, None, addr, size, PROT_READ, flags, VM_SHADOW_STACK | VM_WRITE, 0, None)


def create_rstor_token(mm: Mm, ssp: i64) -> bool:
    """Write the token below `ssp` with which a stack is taken into use; False: not aligned."""
    if ssp & (TOKEN_SIZE - 1) != 0:
        return False
    page = (ssp - TOKEN_SIZE) & PAGE_MASK
    vma = vma_lookup(mm, page)
    return vma is not None and fault_range(vma, page, page + PAGE_SIZE, True) == 0


def shstk_prctl(task: Task, mm: Mm, option: int, arg: int) -> int:
    """Return the ARCH_SHSTK_* options of arch_prctl: 0 or -errno.

    Only a tracer can unlock; for the task itself that means to turn on.  Errors: EINVAL (the kernel
    has none, unknown or several features), EPERM (locked, WRSS without a stack), EOPNOTSUPP (the
    processor has none), EFAULT.
    """
    config = task.machine.config
    if not config.user_shadow_stack or not config.features.user_shadow_stack:
        return -EINVAL
    if option == ARCH_SHSTK_STATUS:
        return 0 if copy_to_user(mm, arg, 8) else -EFAULT
    if option == ARCH_SHSTK_LOCK:
        task.shstk_locked |= arg
        return 0
    if arg & task.shstk_locked != 0:
        return -EPERM
    if arg not in (ARCH_SHSTK_SHSTK, ARCH_SHSTK_WRSS):
        return -EINVAL
    enable = option != ARCH_SHSTK_DISABLE
    if arg == ARCH_SHSTK_WRSS:
        return wrss_control(task, enable)
    if enable and task.shstk_features & ARCH_SHSTK_SHSTK != 0:
        return 0
    if not config.cpu_shadow_stack or task.compat:
        return -EOPNOTSUPP
    return shstk_setup(task, mm) if enable else shstk_disable(task, mm)


def wrss_control(task: Task, enable: bool) -> int:
    """Let the task write to its shadow stack, or not: 0, EOPNOTSUPP or EPERM (it has none)."""
    if not task.machine.config.cpu_shadow_stack:
        return -EOPNOTSUPP
    if task.shstk_features & ARCH_SHSTK_SHSTK == 0:
        return -EPERM
    task.shstk_features &= ~ARCH_SHSTK_WRSS
    if enable:
        task.shstk_features |= ARCH_SHSTK_WRSS
    return 0


def shstk_setup(task: Task, mm: Mm) -> int:
    """Give the task a shadow stack as large as its stack may get, 4 GiB at most: 0 or -errno."""
    size = page_align_ulong(min(task.signal.rlim_cur[RLIMIT_STACK], SZ_4G))
    place = alloc_shstk(mm, 0, size)
    if place < 0:
        return place
    task.shstk_base, task.shstk_size = place, size
    task.shstk_features |= ARCH_SHSTK_SHSTK
    return 0


def shstk_disable(task: Task, mm: Mm) -> int:
    """Take the task's shadow stack away: 0."""
    if task.shstk_features & ARCH_SHSTK_SHSTK != 0:
        do_munmap(mm, task.shstk_base, task.shstk_size, None)
        task.shstk_features = 0
    return 0
