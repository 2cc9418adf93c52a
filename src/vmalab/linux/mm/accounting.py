# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of an address space, its counters of pages, and the charge against the commit limit.

Mirrors parts of mm/mmap.c, mm/util.c (`__vm_enough_memory`) and include/linux/mman.h.
"""

from mypy_extensions import i64

from vmalab.linux.include.config import OVERCOMMIT_ALWAYS, OVERCOMMIT_GUESS
from vmalab.linux.include.mm_flags import (
    VM_EXEC,
    VM_LOCKED,
    VM_WRITE,
    is_data_mapping,
    is_exec_mapping,
    is_stack_mapping,
)
from vmalab.linux.include.page import LONG_MAX, PAGE_SHIFT
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK, CAP_SYS_ADMIN
from vmalab.linux.include.uapi.errno import EACCES, EAGAIN, ENOMEM
from vmalab.linux.include.uapi.resource import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK
from vmalab.linux.mm.refusal import (
    REFUSED_AS,
    REFUSED_COMMIT,
    REFUSED_DATA,
    REFUSED_GUESS,
    REFUSED_MDWE,
    REFUSED_MEMLOCK,
)
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import Mm


def may_expand_vm(mm: Mm, vm_flags: i64, npages: i64) -> bool:
    """Tell whether `npages` more pages of such flags stay within RLIMIT_AS and RLIMIT_DATA."""
    allowed = mm.seam.rlimit(mm, RLIMIT_AS) >> PAGE_SHIFT
    if mm.total_vm + npages > allowed:
        mm.refuse(ENOMEM, REFUSED_AS, mm.total_vm + npages, allowed)
        return False
    if not is_data_mapping(vm_flags):
        return True
    limit = mm.seam.rlimit(mm, RLIMIT_DATA)
    if mm.data_vm + npages <= limit >> PAGE_SHIFT:
        return True
    # A soft limit of 0 is let through for old valgrind, up to the hard one.
    owner = mm.owner
    if limit == 0 and owner is not None:
        if mm.data_vm + npages <= owner.signal.rlim_max.reached(RLIMIT_DATA) >> PAGE_SHIFT:
            return True
    mm.refuse(ENOMEM, REFUSED_DATA, mm.data_vm + npages, limit >> PAGE_SHIFT)
    return False


def mlock_future_ok(mm: Mm, vm_flags: i64, length: i64) -> bool:
    """Tell whether `length` more bytes of such flags may be locked (RLIMIT_MEMLOCK)."""
    if vm_flags & VM_LOCKED == 0:
        return True
    owner = mm.owner
    if owner is not None and owner.capable(CAP_IPC_LOCK):
        return True
    locked = unsigned_count((length >> PAGE_SHIFT) + mm.locked_vm)
    limit = mm.seam.rlimit(mm, RLIMIT_MEMLOCK) >> PAGE_SHIFT
    if locked <= limit:
        return True
    mm.refuse(EAGAIN, REFUSED_MEMLOCK, locked, limit)
    return False


def unsigned_count(pages: i64) -> i64:
    """Return a count of pages as checks compare it, without a sign.

    What was counted wrongly may be less than nothing, which is more than any limit.
    """
    if pages < 0:
        return LONG_MAX
    return pages


def security_vm_enough_memory_mm(mm: Mm, pages: i64) -> i64:
    """Charge pages against the overcommit policy: 0, or -ENOMEM with nothing charged."""
    kernel, config = mm.kernel, mm.config
    kernel.committed_as += pages
    if config.overcommit_memory == OVERCOMMIT_ALWAYS:
        return 0
    if config.overcommit_memory == OVERCOMMIT_GUESS:
        if pages <= config.total_ram_pages + config.total_swap_pages:
            return 0
        total: i64 = config.total_ram_pages + config.total_swap_pages
        mm.refuse(ENOMEM, REFUSED_GUESS, pages, total)
    else:
        allowed: i64 = config.commit_limit
        owner = mm.owner
        if owner is not None and not owner.capable(CAP_SYS_ADMIN):
            allowed -= config.admin_reserve_pages
        reserve: i64 = config.user_reserve_pages
        allowed -= min(mm.total_vm // 32, reserve)
        if kernel.committed_as < allowed:
            return 0
        commit_limit: i64 = config.commit_limit
        over = kernel.committed_as - allowed + 1
        mm.refuse(ENOMEM, REFUSED_COMMIT, commit_limit + over, commit_limit)
    kernel.committed_as -= pages
    return -ENOMEM


def vm_unacct_memory(kernel: KernelState, pages: i64) -> None:
    """Return charged pages."""
    kernel.committed_as -= pages


def forget_charge(kernel: KernelState, pages: i64) -> None:
    """Leave pages charged that nobody holds any more: some versions of the kernel do."""
    kernel.commit_miscount += pages


def vm_stat_account(mm: Mm, vm_flags: i64, npages: i64) -> None:
    """Add pages (negative: take off) to the mm's counters by kind."""
    mm.total_vm += npages
    if is_exec_mapping(vm_flags):
        mm.exec_vm += npages
    elif is_stack_mapping(vm_flags):
        mm.stack_vm += npages
    elif is_data_mapping(vm_flags):
        mm.data_vm += npages


def map_deny_write_exec(mm: Mm, old_flags: i64, new_flags: i64) -> i64:
    """Answer -EACCES when PR_SET_MDWE forbids going from the old to the new flags, else 0."""
    if mm.mdwe == 0 or new_flags & VM_EXEC == 0:
        return 0
    if new_flags & VM_WRITE != 0 or old_flags & VM_EXEC == 0:
        return mm.refuse(EACCES, REFUSED_MDWE, 0, 0)
    return 0
