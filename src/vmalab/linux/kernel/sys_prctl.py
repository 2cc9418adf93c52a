# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of prctl: the options that concern an address space.

Mirrors kernel/sys.c (v6.18).
"""

from collections.abc import Callable
from typing import Final

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
    PR_SET_MM_ARG_END,
    PR_SET_MM_ARG_START,
    PR_SET_MM_AUXV,
    PR_SET_MM_BRK,
    PR_SET_MM_END_CODE,
    PR_SET_MM_END_DATA,
    PR_SET_MM_ENV_END,
    PR_SET_MM_ENV_START,
    PR_SET_MM_MAP,
    PR_SET_MM_MAP_SIZE,
    PR_SET_MM_START_BRK,
    PR_SET_MM_START_CODE,
    PR_SET_MM_START_DATA,
    PR_SET_MM_START_STACK,
    PR_SET_THP_DISABLE,
    PR_SET_VMA,
    PR_SET_VMA_ANON_NAME,
    PR_THP_DISABLE_EXCEPT_ADVISED,
)
from vmalab.linux.kernel.sys_args import SyscallArgs
from vmalab.linux.kernel.task import CAP_SYS_RESOURCE, Task
from vmalab.linux.mm.anon_name import (
    is_valid_anon_name,
    ksm_set_merge_any,
    madvise_set_anon_name,
)
from vmalab.linux.mm.mm_types import Mm, find_vma

# PR_SET_MM_* options that set one address, in the order of the layout's checks.
MM_FIELDS: Final = {
    PR_SET_MM_START_CODE: "start_code",
    PR_SET_MM_END_CODE: "end_code",
    PR_SET_MM_START_DATA: "start_data",
    PR_SET_MM_END_DATA: "end_data",
    PR_SET_MM_START_BRK: "start_brk",
    PR_SET_MM_BRK: "brk",
    PR_SET_MM_START_STACK: "start_stack",
    PR_SET_MM_ARG_START: "arg_start",
    PR_SET_MM_ARG_END: "arg_end",
    PR_SET_MM_ENV_START: "env_start",
    PR_SET_MM_ENV_END: "env_end",
}
ON_STACK: Final = (
    PR_SET_MM_START_STACK,
    PR_SET_MM_ARG_START,
    PR_SET_MM_ARG_END,
    PR_SET_MM_ENV_START,
    PR_SET_MM_ENV_END,
)


def prctl_set_vma(mm: Mm, args: SyscallArgs) -> int:
    """PR_SET_VMA: name a range: 0, EINVAL (also when the kernel has no names), or as madvise."""
    if args.a1 != PR_SET_VMA_ANON_NAME or not mm.seam.config.anon_vma_name:
        return -EINVAL
    name: str | None = None
    if args.a4 != 0:
        name = args.text(4)
        if name is None:
            return -EFAULT
        if not is_valid_anon_name(name):
            return -EINVAL
    return madvise_set_anon_name(mm, args.a2, args.a3, name)


def prctl_set_mdwe(mm: Mm, args: SyscallArgs) -> int:
    """PR_SET_MDWE: memory that was writable never becomes executable; cannot be taken back."""
    if not mm.seam.config.features.mdwe:
        return -EINVAL
    bits = args.a1
    if args.a2 != 0 or args.a3 != 0 or args.a4 != 0:
        return -EINVAL
    if bits & ~(PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT) != 0:
        return -EINVAL
    if bits & PR_MDWE_NO_INHERIT != 0 and bits & PR_MDWE_REFUSE_EXEC_GAIN == 0:
        return -EINVAL
    current = current_mdwe(mm)
    if current not in (0, bits):
        return -EPERM
    mm.mdwe_no_inherit = bits & PR_MDWE_NO_INHERIT != 0
    mm.mdwe = bits & PR_MDWE_REFUSE_EXEC_GAIN
    return 0


def current_mdwe(mm: Mm) -> int:
    """The PR_MDWE_* bits in force."""
    return mm.mdwe | (PR_MDWE_NO_INHERIT if mm.mdwe_no_inherit else 0)


def prctl_set_thp_disable(mm: Mm, args: SyscallArgs) -> int:
    """PR_SET_THP_DISABLE: no huge pages, or none but where advised: 0 or EINVAL."""
    excepts = mm.seam.config.features.thp_disable_except_advised
    flags = PR_THP_DISABLE_EXCEPT_ADVISED if excepts else 0
    if args.a3 != 0 or args.a4 != 0 or args.a2 & ~flags != 0:
        return -EINVAL
    if args.a1 == 0 and args.a2 != 0:
        return -EINVAL
    mm.thp_disable = args.a1 != 0 and args.a2 == 0
    mm.thp_disable_except_advised = args.a1 != 0 and args.a2 != 0
    return 0


def prctl_set_mm(task: Task, mm: Mm, args: SyscallArgs) -> int:
    """PR_SET_MM: move one of the layout's addresses: 0, EPERM, EINVAL, or EFAULT (nothing mapped).

    Setting them all at once (PR_SET_MM_MAP), auxv and the executable are not modelled.
    """
    option, addr = args.a1, args.a2
    if args.a4 != 0 or (args.a3 != 0 and option not in (PR_SET_MM_AUXV, PR_SET_MM_MAP)):
        return -EINVAL
    if option in (PR_SET_MM_MAP, PR_SET_MM_MAP_SIZE):
        return -ENOSYS
    if not task.capable(CAP_SYS_RESOURCE):
        return -EPERM
    if option not in MM_FIELDS:
        return -ENOSYS if option <= PR_SET_MM_MAP_SIZE else -EINVAL
    if addr >= mm.task_size or addr < mm.seam.config.mmap_min_addr:
        return -EINVAL
    layout = layout_of(mm)
    layout[MM_FIELDS[option]] = addr
    if not valid_layout(mm, layout):
        return -EINVAL
    if option in ON_STACK and find_vma(mm, addr) is None:
        return -EFAULT
    set_layout(mm, layout)
    return 0


def layout_of(mm: Mm) -> dict[str, int]:
    """The addresses that PR_SET_MM can set, by field."""
    return {
        "start_code": mm.start_code,
        "end_code": mm.end_code,
        "start_data": mm.start_data,
        "end_data": mm.end_data,
        "start_brk": mm.start_brk,
        "brk": mm.brk,
        "start_stack": mm.start_stack,
        "arg_start": mm.arg_start,
        "arg_end": mm.arg_end,
        "env_start": mm.env_start,
        "env_end": mm.env_end,
    }


def set_layout(mm: Mm, layout: dict[str, int]) -> None:
    """Set the addresses of `layout_of`."""
    mm.start_code, mm.end_code = layout["start_code"], layout["end_code"]
    mm.start_data, mm.end_data = layout["start_data"], layout["end_data"]
    mm.start_brk, mm.brk = layout["start_brk"], layout["brk"]
    mm.start_stack = layout["start_stack"]
    mm.arg_start, mm.arg_end = layout["arg_start"], layout["arg_end"]
    mm.env_start, mm.env_end = layout["env_start"], layout["env_end"]


def valid_layout(mm: Mm, layout: dict[str, int]) -> bool:
    """Tell whether all addresses are user addresses, and each pair is in order."""
    for value in layout.values():
        if not mm.seam.config.mmap_min_addr <= value < mm.task_size:
            return False
    return (
        layout["start_code"] < layout["end_code"]
        and layout["start_data"] <= layout["end_data"]
        and layout["start_brk"] <= layout["brk"]
        and layout["arg_start"] <= layout["arg_end"]
        and layout["env_start"] <= layout["env_end"]
    )


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
    if not knows_option(mm.seam.config, option):
        return -EINVAL
    if option == PR_SET_MEMORY_MERGE:
        if rest != 0:
            return -EINVAL
        ksm_set_merge_any(mm, args.a1 != 0)
        return 0
    if option in (PR_GET_MDWE, PR_GET_THP_DISABLE, PR_GET_MEMORY_MERGE):
        if rest | args.a1 != 0:
            return -EINVAL
        if option == PR_GET_MDWE:
            return current_mdwe(mm)
        if option == PR_GET_MEMORY_MERGE:
            return int(mm.ksm_merge_any)
        if mm.thp_disable_except_advised:
            return 1 | PR_THP_DISABLE_EXCEPT_ADVISED
        return int(mm.thp_disable)
    return -ENOSYS


PRCTL_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {"prctl": sys_prctl}
