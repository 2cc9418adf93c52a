# SPDX-License-Identifier: GPL-2.0-or-later
"""PR_SET_MM: a process that moves the addresses of its own layout.

Mirrors the part of kernel/sys.c (v7.3).  The auxiliary vector and which file is the executable show
in no map and are not kept.
"""

from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import NO_NUMBER, SyscallArgs
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.uapi.capability import (
    CAP_CHECKPOINT_RESTORE,
    CAP_SYS_ADMIN,
    CAP_SYS_RESOURCE,
)
from vmalab.linux.include.uapi.errno import EACCES, EBADF, EBUSY, EFAULT, EINVAL, ENOSYS, EPERM
from vmalab.linux.include.uapi.prctl import (
    PR_SET_MM_ARG_END,
    PR_SET_MM_ARG_START,
    PR_SET_MM_AUXV,
    PR_SET_MM_BRK,
    PR_SET_MM_END_CODE,
    PR_SET_MM_END_DATA,
    PR_SET_MM_ENV_END,
    PR_SET_MM_ENV_START,
    PR_SET_MM_EXE_FILE,
    PR_SET_MM_MAP,
    PR_SET_MM_MAP_SIZE,
    PR_SET_MM_START_BRK,
    PR_SET_MM_START_CODE,
    PR_SET_MM_START_DATA,
    PR_SET_MM_START_STACK,
)
from vmalab.linux.include.uapi.resource import RLIMIT_DATA
from vmalab.linux.mm.usercopy import copy_from_user, copy_to_user
from vmalab.linux.types.file import I_REG
from vmalab.linux.types.files import fget
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import RLIM_INFINITY, Task
from vmalab.linux.types.vma_iterator import find_vma, vma_lookup

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
# Bytes of struct prctl_mm_map, and of the auxiliary vector that an mm keeps.
MAP_BYTES: Final = 104
NO_FD: Final = 0xFFFFFFFF


def prctl_set_mm(task: Task, mm: Mm, args: SyscallArgs) -> int:
    """PR_SET_MM: move addresses of the layout: 0 or -errno.

    Errors: EPERM (no CAP_SYS_RESOURCE), EINVAL (option, address, an order that is wrong,
    RLIMIT_DATA), EFAULT (nothing mapped there, no structure), and those of a file.
    """
    option, addr = args.a1, args.a2
    with_size = (PR_SET_MM_AUXV, PR_SET_MM_MAP, PR_SET_MM_MAP_SIZE)
    if args.a4 != 0:
        return mm.refusal.blame(EINVAL, "arg5", "must be 0")
    if args.a3 != 0 and option not in with_size:
        return mm.refusal.blame(EINVAL, "arg4", "must be 0")
    if mm.config.checkpoint_restore:
        if option == PR_SET_MM_MAP_SIZE:
            if copy_to_user(mm, addr, 4):
                return 0
            return mm.refusal.blame(EFAULT, "addr", "the result cannot be written there")
        if option == PR_SET_MM_MAP:
            return prctl_set_mm_map(task, mm, args)
    if not task.capable(CAP_SYS_RESOURCE):
        return mm.refusal.blame(EPERM, "option", "needs CAP_SYS_RESOURCE")
    if option == PR_SET_MM_EXE_FILE:
        return prctl_set_mm_exe_file(task, mm, addr & 0xFFFFFFFF)
    if option == PR_SET_MM_AUXV:
        if args.a3 > auxv_bytes(mm):
            return mm.refusal.blame(EINVAL, "arg4", "longer than the auxiliary vector")
        if copy_from_user(mm, addr, args.a3):
            return 0
        return mm.refusal.blame(EFAULT, "addr", "cannot be read")
    if option not in MM_FIELDS:
        return mm.refusal.blame(EINVAL, "arg2", "unknown option of PR_SET_MM")
    if addr >= mm.task_size:
        return mm.refusal.blame(EINVAL, "addr", "beyond the end of the address space")
    if addr < mm.config.mmap_min_addr:
        return mm.refusal.blame(EINVAL, "addr", "below vm.mmap_min_addr")
    layout = layout_of(mm)
    layout[MM_FIELDS[option]] = addr
    if not valid_layout(task, mm, layout):
        return mm.refusal.blame(EINVAL, "addr", "addresses in a wrong order, or beyond RLIMIT_DATA")
    if option in ON_STACK and find_vma(mm, addr) is None:
        return mm.refusal.blame(EFAULT, "addr", "nothing is mapped from there on")
    set_layout(mm, layout)
    return 0


def auxv_bytes(mm: Mm) -> int:
    """Return the bytes of an auxiliary vector, which grew with what it can tell."""
    features = mm.features
    entries = 20
    if features.auxv_has_rseq:
        entries = 24 if features.auxv_is_longer else 22
    return 8 * 2 * (3 + entries + 1)


def prctl_set_mm_map(task: Task, mm: Mm, args: SyscallArgs) -> int:
    """PR_SET_MM_MAP: move all addresses at once, which may be those of nothing: 0 or -errno.

    Errors: EINVAL (size, addresses), EFAULT, EPERM (another executable without the right to restore
    checkpoints) and those of its file.  A structure that is not known changes nothing.
    """
    if args.a3 != MAP_BYTES:
        return mm.refusal.blame(EINVAL, "arg4", "not the size of struct prctl_mm_map")
    if not copy_from_user(mm, args.a2, MAP_BYTES):
        return mm.refusal.blame(EFAULT, "addr", "cannot be read")
    layout: dict[str, int] = {}
    for name in MM_FIELDS.values():
        value = args.field(2, name)
        if value == NO_NUMBER:
            return mm.refusal.blame(ENOSYS, "", "the structure is not in the recording")
        layout[name] = value
    if not valid_layout(task, mm, layout):
        return mm.refusal.blame(EINVAL, "addr", "addresses in a wrong order, or beyond RLIMIT_DATA")
    size, exe = args.field(2, "auxv_size"), args.field(2, "exe_fd")
    if size not in (0, NO_NUMBER):
        auxv = args.field(2, "auxv")
        if auxv == 0:
            return mm.refusal.blame(EINVAL, "addr", "no auxiliary vector, but a size of one")
        if size > auxv_bytes(mm):
            return mm.refusal.blame(EINVAL, "addr", "the auxiliary vector is too long")
        if auxv != NO_NUMBER and not copy_from_user(mm, auxv, size):
            return mm.refusal.blame(EFAULT, "addr", "the auxiliary vector cannot be read")
    if exe not in (NO_FD, NO_NUMBER):
        if not (task.capable(CAP_SYS_ADMIN) or task.capable(CAP_CHECKPOINT_RESTORE)):
            return mm.refusal.blame(
                EPERM, "addr", "another executable needs CAP_CHECKPOINT_RESTORE"
            )
        error = prctl_set_mm_exe_file(task, mm, exe & 0xFFFFFFFF)
        if error != 0:
            return error
    set_layout(mm, layout)
    return 0


def prctl_set_mm_exe_file(task: Task, mm: Mm, fd: int) -> int:
    """PR_SET_MM_EXE_FILE: 0, EBADF, EACCES (no regular file, noexec) or EBUSY.

    EBUSY: the file that the code is of is still mapped.  Whether a file's mode lets it be executed
    is not known here.
    """
    file = fget(task.files, fd)
    if file is None:
        return mm.refusal.blame(EBADF, "fd", "not an open descriptor")
    if file.inode.kind != I_REG or file.noexec:
        return mm.refusal.blame(EACCES, "fd", "not a file that may be executed")
    code = vma_lookup(mm, mm.start_code)
    if code is None or code.vm_file is None:
        return 0
    for vma in mm_vmas(mm):
        if vma.vm_file is not None and vma.vm_file.inode is code.vm_file.inode:
            return mm.refusal.blame(EBUSY, "fd", "the executable is still mapped")
    return 0


def layout_of(mm: Mm) -> dict[str, int]:
    """Return the addresses that PR_SET_MM can set, by field."""
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


def valid_layout(task: Task, mm: Mm, layout: dict[str, int]) -> bool:
    """Tell whether all are user addresses, each pair in order, and the data within its limit."""
    for value in layout.values():
        if not mm.config.mmap_min_addr <= value < mm.task_size:
            return False
    ordered = (
        layout["start_code"] < layout["end_code"]
        and layout["start_data"] <= layout["end_data"]
        and layout["start_brk"] <= layout["brk"]
        and layout["arg_start"] <= layout["arg_end"]
        and layout["env_start"] <= layout["env_end"]
    )
    limit = task.signal.rlim_cur[RLIMIT_DATA]
    data = layout["brk"] - layout["start_brk"] + layout["end_data"] - layout["start_data"]
    return ordered and (limit == RLIM_INFINITY or data <= limit)
