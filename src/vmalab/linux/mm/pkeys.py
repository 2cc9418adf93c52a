# SPDX-License-Identifier: GPL-2.0-or-later
"""Protection keys of an mm: allocation, and the key that makes PROT_EXEC mean execute only.

Mirrors arch/x86/mm/pkeys.c (v6.18).
"""

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_EXEC,
    VM_PKEY_MASK,
    VM_PKEY_SHIFT,
)
from vmalab.linux.include.uapi.errno import EINVAL, ENOSPC
from vmalab.linux.include.uapi.mman import PROT_EXEC
from vmalab.linux.lib.find_bit import first_zero
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.task import Task

NR_PKEYS = 16
# Two bits for each key in PKRU.
PKEY_DISABLE_ACCESS = 1
PKEY_DISABLE_WRITE = 2
PKEY_ACCESS_MASK = PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE


def mm_pkey_is_allocated(mm: Mm, pkey: int) -> bool:
    """Tell whether a program may use a key: never the execute-only one, which is 0 without keys."""
    if not mm.config.pkeys:
        return False
    if not 0 <= pkey < NR_PKEYS or pkey == mm.execute_only_pkey:
        return False
    return mm.pkey_allocation_map >> pkey & 1 != 0


def mm_pkey_alloc(mm: Mm) -> i64:
    """Allocate the lowest free key, or answer -1."""
    pkey = first_zero(int(mm.pkey_allocation_map))
    if pkey >= NR_PKEYS:
        return -1
    mm.pkey_allocation_map |= 1 << pkey
    return pkey


def ksys_pkey_alloc(task: Task, flags: int, access_rights: int) -> int:
    """pkey_alloc(2): a key, EINVAL (flags, rights) or ENOSPC (none left)."""
    mm = task.mm
    if flags != 0:
        return task.machine.kernel.refusal.blame(EINVAL, "flags", "must be 0")
    if access_rights & ~PKEY_ACCESS_MASK != 0:
        return task.machine.kernel.refusal.blame(EINVAL, "access_rights", "unknown access rights")
    if mm is None:
        return -EINVAL
    if not mm.config.pkeys:
        # Without the CPU's support the first attempt may take key 0, fail to set its rights, and
        # not give it back: a zeroed context says that 0 is the execute-only key.
        tries = mm.features.pkey_alloc_tries_without_keys
        taken = mm.pkey_allocation_map != 0
        mm.pkey_allocation_map = 1 if tries else 0
        if taken or not tries:
            return task.machine.kernel.refusal.blame(
                ENOSPC, "", "the processor has no protection keys"
            )
        return task.machine.kernel.refusal.blame(EINVAL, "", "the processor has no protection keys")
    pkey = mm_pkey_alloc(mm)
    if pkey < 0:
        return task.machine.kernel.refusal.blame(ENOSPC, "", "no protection key is left")
    set_user_pkey_access(task, pkey, access_rights if task.machine.knows_pkru else 0)
    return pkey


def ksys_pkey_free(task: Task, pkey: int) -> int:
    """pkey_free(2): 0, or EINVAL (not an allocated key)."""
    mm = task.mm
    if mm is None:
        return -EINVAL
    if pkey >= 1 << 31:
        return mm.refusal.blame(EINVAL, "pkey", "not an allocated protection key")
    if not mm_pkey_is_allocated(mm, pkey):
        return mm.refusal.blame(EINVAL, "pkey", "not an allocated protection key")
    mm.pkey_allocation_map &= ~(1 << pkey)
    return 0


def execute_only_pkey(mm: Mm) -> int:
    """Return the key that denies data access, allocated at its first use.

    0 when there are no keys.
    """
    if not mm.config.pkeys:
        return 0
    if mm.execute_only_pkey < 0:
        mm.execute_only_pkey = mm_pkey_alloc(mm)
    if mm.execute_only_pkey < 0:
        return 0
    if mm.owner is not None:
        set_user_pkey_access(mm.owner, mm.execute_only_pkey, PKEY_DISABLE_ACCESS)
    return mm.execute_only_pkey


def set_user_pkey_access(task: Task, pkey: i64, rights: int) -> None:
    """Set what a key forbids a thread (`arch_set_user_pkey_access`)."""
    shift = 2 * int(pkey)
    task.pkru = task.pkru & ~(PKEY_ACCESS_MASK << shift) | rights << shift


def vma_access_permitted(vma: Vma, write: bool) -> bool:
    """Tell whether the key of a VMA lets its user read it, or write to it.

    A page is the business of the thread that calls; nobody else is asked for its rights.
    Kernel: arch_vma_access_permitted().
    """
    user = vma.vm_mm.owner
    if user is None or not vma.vm_mm.config.pkeys:
        return True
    rights = user.pkru >> 2 * vma_pkey(vma) & PKEY_ACCESS_MASK
    return rights == 0 or (rights == PKEY_DISABLE_WRITE and not write)


def vma_pkey(vma: Vma) -> int:
    """Return the protection key of a VMA."""
    return (vma.vm_flags & VM_PKEY_MASK) >> VM_PKEY_SHIFT


def arch_override_mprotect_pkey(vma: Vma, prot: int, pkey: int) -> int:
    """Return the key a VMA gets from mprotect (`pkey` -1) or pkey_mprotect.

    A VMA that was execute only gets key 0 when it becomes accessible again.
    """
    mm = vma.vm_mm
    if not mm.config.pkeys:
        return 0
    if pkey != -1:
        return pkey
    if prot == PROT_EXEC:
        return execute_only_pkey(mm) or vma_pkey(vma)
    only_exec = vma.vm_flags & VM_ACCESS_FLAGS == VM_EXEC
    if only_exec and vma_pkey(vma) == mm.execute_only_pkey:
        return 0
    return vma_pkey(vma)
