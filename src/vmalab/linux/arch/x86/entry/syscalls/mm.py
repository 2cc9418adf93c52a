# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table's rows of memory management: from registers to mm's entry points."""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs
from vmalab.linux.mm.brk import ksys_brk
from vmalab.linux.mm.madvise import ksys_madvise
from vmalab.linux.mm.mincore import ksys_mincore
from vmalab.linux.mm.mlock import (
    ksys_mlock,
    ksys_mlock2,
    ksys_mlockall,
    ksys_munlock,
    ksys_munlockall,
)
from vmalab.linux.mm.mmap import ksys_mmap, ksys_munmap, ksys_remap_file_pages
from vmalab.linux.mm.mprotect import ksys_mprotect, ksys_pkey_mprotect
from vmalab.linux.mm.mremap.mremap import ksys_mremap
from vmalab.linux.mm.mseal import ksys_mseal
from vmalab.linux.mm.msync import ksys_msync
from vmalab.linux.mm.pkeys import ksys_pkey_alloc, ksys_pkey_free
from vmalab.linux.types.task import Task


def sys_brk(task: Task, args: SyscallArgs) -> int:
    """brk(2)."""
    return ksys_brk(task, args.a0)


def sys_madvise(task: Task, args: SyscallArgs) -> int:
    """madvise(2)."""
    return ksys_madvise(task, args.a0, args.a1, args.a2)


def sys_mincore(task: Task, args: SyscallArgs) -> int:
    """mincore(2)."""
    return ksys_mincore(task, args.a0, args.a1, args.a2)


def sys_mlock(task: Task, args: SyscallArgs) -> int:
    """mlock(2)."""
    return ksys_mlock(task, args.a0, args.a1)


def sys_mlock2(task: Task, args: SyscallArgs) -> int:
    """mlock2(2)."""
    return ksys_mlock2(task, args.a0, args.a1, args.a2)


def sys_mlockall(task: Task, args: SyscallArgs) -> int:
    """mlockall(2)."""
    return ksys_mlockall(task, args.a0)


def sys_mmap(task: Task, args: SyscallArgs) -> int:
    """mmap(2)."""
    return ksys_mmap(task, args.a0, args.a1, args.a2, args.a3, args.a4, args.a5)


def sys_mprotect(task: Task, args: SyscallArgs) -> int:
    """mprotect(2)."""
    return ksys_mprotect(task, args.a0, args.a1, args.a2)


def sys_mremap(task: Task, args: SyscallArgs) -> int:
    """mremap(2)."""
    return ksys_mremap(task, args.a0, args.a1, args.a2, args.a3, args.a4)


def sys_mseal(task: Task, args: SyscallArgs) -> int:
    """mseal(2)."""
    return ksys_mseal(task, args.a0, args.a1, args.a2)


def sys_msync(task: Task, args: SyscallArgs) -> int:
    """msync(2)."""
    return ksys_msync(task, args.a0, args.a1, args.a2)


def sys_munlock(task: Task, args: SyscallArgs) -> int:
    """munlock(2)."""
    return ksys_munlock(task, args.a0, args.a1)


def sys_munlockall(task: Task, args: SyscallArgs) -> int:
    """munlockall(2)."""
    return ksys_munlockall(task)


def sys_munmap(task: Task, args: SyscallArgs) -> int:
    """munmap(2)."""
    return ksys_munmap(task, args.a0, args.a1)


def sys_pkey_alloc(task: Task, args: SyscallArgs) -> int:
    """pkey_alloc(2)."""
    return ksys_pkey_alloc(task, args.a0, args.a1)


def sys_pkey_free(task: Task, args: SyscallArgs) -> int:
    """pkey_free(2)."""
    return ksys_pkey_free(task, args.a0 & 0xFFFFFFFF)


def sys_pkey_mprotect(task: Task, args: SyscallArgs) -> int:
    """pkey_mprotect(2)."""
    return ksys_pkey_mprotect(task, args.a0, args.a1, args.a2, args.a3)


def sys_remap_file_pages(task: Task, args: SyscallArgs) -> int:
    """remap_file_pages(2)."""
    return ksys_remap_file_pages(task, args.a0, args.a1, args.a2, args.a3, args.a4)


MM_SYSCALLS: Final[dict[str, Callable[[Task, SyscallArgs], int]]] = {
    "brk": sys_brk,
    "madvise": sys_madvise,
    "mincore": sys_mincore,
    "mlock": sys_mlock,
    "mlock2": sys_mlock2,
    "mlockall": sys_mlockall,
    "mmap": sys_mmap,
    "mprotect": sys_mprotect,
    "mremap": sys_mremap,
    "mseal": sys_mseal,
    "msync": sys_msync,
    "munlock": sys_munlock,
    "munlockall": sys_munlockall,
    "munmap": sys_munmap,
    "pkey_alloc": sys_pkey_alloc,
    "pkey_free": sys_pkey_free,
    "pkey_mprotect": sys_pkey_mprotect,
    "remap_file_pages": sys_remap_file_pages,
}
