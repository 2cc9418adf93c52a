# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of what only x86 has: arch_prctl and map_shadow_stack.

Mirrors arch/x86/kernel/process_64.c and process.c (v6.18), on a CPU without linear address masking
or CPUID faulting.  Whatever the segment bases are, no map shows them.
"""

from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs, as_uint
from vmalab.linux.arch.x86.entry.vdso import VDSO_NAMES, map_vdso
from vmalab.linux.arch.x86.shstk import ksys_map_shadow_stack, shstk_prctl
from vmalab.linux.fs.proc.task_mmu import mm_vmas, vma_name
from vmalab.linux.include.uapi.errno import EEXIST, EFAULT, EINVAL, ENODEV, ENOSYS, EPERM
from vmalab.linux.include.uapi.prctl import (
    ARCH_GET_CPUID,
    ARCH_GET_FS,
    ARCH_GET_GS,
    ARCH_GET_XCOMP_GUEST_PERM,
    ARCH_GET_XCOMP_PERM,
    ARCH_GET_XCOMP_SUPP,
    ARCH_MAP_VDSO_32,
    ARCH_MAP_VDSO_64,
    ARCH_MAP_VDSO_X32,
    ARCH_REQ_XCOMP_GUEST_PERM,
    ARCH_REQ_XCOMP_PERM,
    ARCH_SET_CPUID,
    ARCH_SET_FS,
    ARCH_SET_GS,
    ARCH_SHSTK_ENABLE,
    ARCH_SHSTK_STATUS,
)
from vmalab.linux.mm.refusal import REFUSED_OCCUPIED
from vmalab.linux.mm.usercopy import copy_to_user
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

# Options that write 64 bits for the caller.
GETTERS: Final = (
    ARCH_GET_FS,
    ARCH_GET_GS,
    ARCH_GET_XCOMP_GUEST_PERM,
    ARCH_GET_XCOMP_PERM,
    ARCH_GET_XCOMP_SUPP,
)


def sys_arch_prctl(task: Task, args: SyscallArgs) -> int:
    """arch_prctl(option, arg): 0, 1 (ARCH_GET_CPUID), bytes of a vdso, or -errno.

    Errors: EPERM (a base beyond the address space), EFAULT, ENODEV (CPUID faulting), EINVAL
    (options that the machine does not have), those of `prctl_map_vdso`; ENOSYS for asking for more
    processor state.
    """
    mm = task.mm
    option = as_uint(args.a0)
    if mm is None:
        return -EINVAL
    if option in (ARCH_SET_FS, ARCH_SET_GS):
        task_size: int = mm.task_size
        return -EPERM if args.a1 >= task_size else 0
    if option in GETTERS:
        return 0 if copy_to_user(mm, args.a1, 8) else -EFAULT
    if option == ARCH_GET_CPUID:
        return 1
    if option == ARCH_SET_CPUID:
        return -ENODEV
    if option == ARCH_MAP_VDSO_X32:
        return int(mm.blame(EINVAL, "option", "the kernel has no x32 programs"))
    if option in (ARCH_MAP_VDSO_32, ARCH_MAP_VDSO_64):
        config = mm.config
        size = config.vdso32_size if option == ARCH_MAP_VDSO_32 else config.vdso64_size
        return prctl_map_vdso(mm, size, args.a1)
    if ARCH_SHSTK_ENABLE <= option <= ARCH_SHSTK_STATUS:
        return shstk_prctl(task, mm, option, args.a1)
    if option in (ARCH_REQ_XCOMP_PERM, ARCH_REQ_XCOMP_GUEST_PERM):
        return -ENOSYS
    return -EINVAL


def prctl_map_vdso(mm: Mm, size: int, addr: int) -> int:
    """Map a vdso of `size` bytes at `addr`, or where there is room: its size, or -errno.

    Errors: EEXIST (some of a vdso, or of its data, is mapped), ENOMEM.  Kernel: prctl_map_vdso().
    """
    for vma in mm_vmas(mm):
        if vma_name(vma) in VDSO_NAMES:
            return int(mm.refuse_at(EEXIST, REFUSED_OCCUPIED, vma.vm_start))
    # Any hint beyond the end is as good as another: it is ignored.
    task_size: int = mm.task_size
    hint: i64 = addr if addr < task_size else task_size
    err = map_vdso(mm, size, hint)
    return size if err == 0 else int(err)


def sys_map_shadow_stack(task: Task, args: SyscallArgs) -> int:
    """map_shadow_stack(addr, size, flags), see `ksys_map_shadow_stack`."""
    return ksys_map_shadow_stack(task, args.a0, args.a1, args.a2)


ARCH_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "arch_prctl": sys_arch_prctl,
    "map_shadow_stack": sys_map_shadow_stack,
}
