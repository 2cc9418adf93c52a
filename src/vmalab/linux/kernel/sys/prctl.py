# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of prctl: the options that concern an address space.

Mirrors kernel/sys.c (v6.18).
"""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOSYS, EPERM
from vmalab.linux.include.uapi.prctl import (
    PR_GET_MDWE,
    PR_GET_MEMORY_MERGE,
    PR_GET_THP_DISABLE,
    PR_MDWE_NO_INHERIT,
    PR_MDWE_REFUSE_EXEC_GAIN,
    PR_SET_MDWE,
    PR_SET_MEMORY_MERGE,
    PR_SET_MM,
    PR_SET_THP_DISABLE,
    PR_SET_VMA,
    PR_SET_VMA_ANON_NAME,
    PR_THP_DISABLE_EXCEPT_ADVISED,
)
from vmalab.linux.kernel.sys.prctl_cred import CRED_OPTIONS, prctl_cred
from vmalab.linux.kernel.sys.prctl_mm import prctl_set_mm
from vmalab.linux.mm.anon_name import (
    is_valid_anon_name,
    ksm_set_merge_any,
    madvise_set_anon_name,
)
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task


def prctl_set_vma(mm: Mm, args: SyscallArgs) -> int:
    """PR_SET_VMA: name a range: 0, EINVAL (also when the kernel has no names), or as madvise."""
    if args.a1 != PR_SET_VMA_ANON_NAME:
        return mm.refusal.blame(EINVAL, "attr", "not PR_SET_VMA_ANON_NAME")
    if not mm.config.anon_vma_name:
        return mm.refusal.blame(EINVAL, "option", "the kernel has no names of anonymous memory")
    name: str | None = None
    if args.a4 != 0:
        name = args.text(4)
        if name is None:
            return mm.refusal.blame(EFAULT, "val", "the name cannot be read")
        if not is_valid_anon_name(name):
            return mm.refusal.blame(
                EINVAL, "val", "the name is too long, or has characters that are not allowed"
            )
    return madvise_set_anon_name(mm, args.a2, args.a3, name)


def prctl_set_mdwe(mm: Mm, args: SyscallArgs) -> int:
    """PR_SET_MDWE: memory that was writable never becomes executable; cannot be taken back."""
    if not mm.features.mdwe:
        return mm.refusal.blame(EINVAL, "option", "the kernel has no PR_SET_MDWE")
    bits = args.a1
    if args.a2 != 0 or args.a3 != 0 or args.a4 != 0:
        return mm.refusal.blame(EINVAL, "arg3", "must be 0")
    if bits & ~(PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT) != 0:
        return mm.refusal.blame(EINVAL, "mask", "unknown bit")
    if bits & PR_MDWE_NO_INHERIT != 0 and bits & PR_MDWE_REFUSE_EXEC_GAIN == 0:
        return mm.refusal.blame(
            EINVAL, "mask", "PR_MDWE_NO_INHERIT without PR_MDWE_REFUSE_EXEC_GAIN"
        )
    current = current_mdwe(mm)
    if current not in (0, bits):
        return mm.refusal.blame(EPERM, "mask", "cannot be taken back")
    mm.mdwe_no_inherit = bits & PR_MDWE_NO_INHERIT != 0
    mm.mdwe = bits & PR_MDWE_REFUSE_EXEC_GAIN
    return 0


def current_mdwe(mm: Mm) -> int:
    """Return the PR_MDWE_* bits in force."""
    return mm.mdwe | (PR_MDWE_NO_INHERIT if mm.mdwe_no_inherit else 0)


def prctl_set_thp_disable(mm: Mm, args: SyscallArgs) -> int:
    """PR_SET_THP_DISABLE: no huge pages, or none but where advised: 0 or EINVAL."""
    excepts = mm.features.thp_disable_except_advised
    flags = PR_THP_DISABLE_EXCEPT_ADVISED if excepts else 0
    if args.a3 != 0:
        return mm.refusal.blame(EINVAL, "arg4", "must be 0")
    if args.a4 != 0:
        return mm.refusal.blame(EINVAL, "arg4", "must be 0")
    if args.a2 & ~flags != 0:
        return mm.refusal.blame(EINVAL, "flags", "unknown flag")
    if args.a1 == 0 and args.a2 != 0:
        return mm.refusal.blame(EINVAL, "flags", "flags without disabling")
    mm.thp_disable = args.a1 != 0 and args.a2 == 0
    mm.thp_disable_except_advised = args.a1 != 0 and args.a2 != 0
    return 0


def knows_option(config: KernelConfig, option: int) -> bool:
    """Tell whether the kernel has an option, if it is one of those that not all have."""
    if option == PR_GET_MDWE:
        return config.features.mdwe
    if option in (PR_SET_MEMORY_MERGE, PR_GET_MEMORY_MERGE):
        return config.ksm and config.features.memory_merge_prctl
    return True


def sys_prctl(task: Task, args: SyscallArgs) -> int:
    """prctl(option, ...): the options that concern memory; ENOSYS for those not modelled."""
    mm = task.mm
    option = args.a0 & 0xFFFFFFFF
    if option in CRED_OPTIONS:
        return prctl_cred(task, option, args)
    if mm is None:
        return -EINVAL
    if option == PR_SET_VMA:
        return prctl_set_vma(mm, args)
    if option == PR_SET_MDWE:
        return prctl_set_mdwe(mm, args)
    if option == PR_SET_THP_DISABLE:
        return prctl_set_thp_disable(mm, args)
    if option == PR_SET_MM:
        return prctl_set_mm(task, mm, args)
    rest = args.a2 | args.a3 | args.a4
    if not knows_option(mm.config, option):
        return mm.refusal.blame(EINVAL, "option", "unknown option")
    if option == PR_SET_MEMORY_MERGE:
        if rest != 0:
            return mm.refusal.blame(EINVAL, "arg3", "must be 0")
        ksm_set_merge_any(mm, args.a1 != 0)
        return 0
    if option in (PR_GET_MDWE, PR_GET_THP_DISABLE, PR_GET_MEMORY_MERGE):
        if rest | args.a1 != 0:
            return mm.refusal.blame(EINVAL, "arg2", "must be 0")
        if option == PR_GET_MDWE:
            return current_mdwe(mm)
        if option == PR_GET_MEMORY_MERGE:
            return int(mm.ksm_merge_any)
        if mm.thp_disable_except_advised:
            return 1 | PR_THP_DISABLE_EXCEPT_ADVISED
        return int(mm.thp_disable)
    return -ENOSYS


PRCTL_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {"prctl": sys_prctl}
