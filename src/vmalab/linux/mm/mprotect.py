# SPDX-License-Identifier: GPL-2.0-or-later
"""mprotect and pkey_mprotect: other access rights for a range.

Mirrors mm/mprotect.c (v6.18).
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_ACCOUNT,
    VM_ARCH_1,
    VM_GROWSDOWN,
    VM_HUGETLB,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_NORESERVE,
    VM_PKEY_MASK,
    VM_SEALED,
    VM_SHARED,
    VM_WRITE,
)
from vmalab.linux.include.page import (
    LONG_MAX,
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    exceeds_ulong,
    page_align_ulong,
)
from vmalab.linux.include.uapi.errno import EACCES, EINVAL, ENOMEM, EPERM
from vmalab.linux.include.uapi.mman import (
    PROT_EXEC,
    PROT_GROWSDOWN,
    PROT_GROWSUP,
    PROT_READ,
    PROT_SEM,
    PROT_WRITE,
)
from vmalab.linux.include.uapi.personality import READ_IMPLIES_EXEC
from vmalab.linux.mm.accounting import (
    map_deny_write_exec,
    may_expand_vm,
    security_vm_enough_memory_mm,
    vm_stat_account,
    vm_unacct_memory,
)
from vmalab.linux.mm.gup import populate_vma_page_range
from vmalab.linux.mm.mmap import calc_vm_prot_bits
from vmalab.linux.mm.pkeys import arch_override_mprotect_pkey, mm_pkey_is_allocated
from vmalab.linux.mm.refusal import REFUSED_HOLE, REFUSED_LENGTH, REFUSED_RANGE, REFUSED_SEAL
from vmalab.linux.mm.userfaultfd_protect import protect_marked
from vmalab.linux.mm.vma.modify import vma_modify_flags
from vmalab.linux.types.mm_types import Mm, Vma, VmaResult, vma_is_anonymous
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi

PROT_KNOWN: Final = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM


def do_mprotect_pkey(task: Task, start: int, length: int, prot: int, pkey: int) -> int:
    """mprotect(2) (`pkey` -1) and pkey_mprotect(2): 0 or a negative errno.

    Errors: EINVAL (address not page aligned, unknown or contradicting bits, a key that is not
    allocated, PROT_GROWS* on what does not grow), ENOMEM (wrap-around, a hole, limits, map count),
    EACCES (rights that the VMA may never have, PR_SET_MDWE), EPERM (sealed).  VMAs before the one
    that fails stay changed.  Kernel: do_mprotect_pkey().
    """
    mm = task.mm
    grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
    prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP)
    if mm is None:
        return -EINVAL
    if grows == PROT_GROWSDOWN | PROT_GROWSUP:
        return mm.refusal.blame(EINVAL, "prot", "PROT_GROWSDOWN together with PROT_GROWSUP")
    if start & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "addr", "not a multiple of the page size")
    if length == 0:
        return 0
    end = start + page_align_ulong(length)
    if exceeds_ulong(end) or end <= start:
        return mm.refuse(ENOMEM, REFUSED_LENGTH, 0, 0)
    if prot & ~PROT_KNOWN != 0:
        return mm.refusal.blame(EINVAL, "prot", "unknown protection")
    if pkey != -1 and not mm_pkey_is_allocated(mm, pkey):
        return mm.refusal.blame(EINVAL, "pkey", "not an allocated protection key")
    if start >= mm.task_size:
        return mm.refuse(ENOMEM, REFUSED_RANGE, LONG_MAX, mm.task_size)
    # Nothing is mapped beyond the address space, so an end beyond it is like one just beyond it.
    end = min(end, mm.task_size + PAGE_SIZE)
    vmi = Vmi(mm, start)
    vma = vmi.find(end)
    if vma is None:
        return mm.refuse_at(ENOMEM, REFUSED_HOLE, start)
    if grows & PROT_GROWSDOWN != 0:
        start = vma.vm_start
        if vma.vm_flags & VM_GROWSDOWN == 0:
            return mm.refusal.blame(
                EINVAL, "prot", "PROT_GROWSDOWN on a mapping that does not grow down"
            )
    elif vma.vm_start > start:
        return mm.refuse_at(ENOMEM, REFUSED_HOLE, start)
    elif grows & PROT_GROWSUP != 0:
        end = vma.vm_end
        if not mm.config.stack_grows_up or vma.vm_flags & VM_ARCH_1 == 0:
            return mm.refusal.blame(
                EINVAL, "prot", "PROT_GROWSUP on a mapping that does not grow up"
            )
    rier = task.personality & READ_IMPLIES_EXEC != 0 and prot & PROT_READ != 0
    return change_range(mm, vmi, vma, start, end, prot, pkey, rier)


def change_range(
    mm: Mm, vmi: Vmi, first: Vma, start: i64, end: i64, prot: int, pkey: int, rier: bool
) -> i64:
    """Change one VMA after the other up to `end`, a hole or an error: 0 or -errno."""
    prev = vmi.prev()
    if start > first.vm_start:
        prev = first
    vmi.set(start)
    position = start
    while position < end:
        vma = vmi.find(end)
        if vma is None or vma.vm_start > position:
            return mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
        wanted = prot
        if rier and vma.vm_flags & VM_MAYEXEC != 0:
            wanted |= PROT_EXEC
        flags: i64 = calc_vm_prot_bits(wanted, arch_override_mprotect_pkey(vma, wanted, pkey))
        flags |= vma.vm_flags & ~(VM_ACCESS_FLAGS | VM_PKEY_MASK)
        if flags & ~(flags >> 4) & VM_ACCESS_FLAGS != 0:
            return mm.refusal.blame_at(
                EACCES,
                "prot",
                "the file was not opened for that, or must not be executed: the mapping",
                vma.vm_start,
            )
        err = map_deny_write_exec(mm, vma.vm_flags, flags)
        if err != 0:
            return err
        stop = min(vma.vm_end, end)
        ops = vma.vm_ops
        if ops is not None:
            err = ops.mprotect(vma, position, stop, flags)
            if err != 0:
                return err
        fixup = mprotect_fixup(vmi, vma, prev, position, stop, flags)
        if fixup.error != 0:
            return fixup.error
        prev = fixup.vma
        position = vmi.end()
    return 0


def mprotect_fixup(
    vmi: Vmi, vma: Vma, prev: Vma | None, start: i64, end: i64, flags: i64
) -> VmaResult:
    """Give `[start, end)` of one VMA the access rights in `flags`, with its accounting.

    Pages of a private VMA that becomes writable are charged; the charge is returned when a VMA that
    was never touched ceases to be writable.  Kernel: mprotect_fixup().
    """
    mm = vma.vm_mm
    seam = mm.seam
    old = vma.vm_flags
    pages = (end - start) >> PAGE_SHIFT
    if old & VM_SEALED != 0:
        return VmaResult(mm.refuse_at(EPERM, REFUSED_SEAL, vma.vm_start), vma)
    if flags == old:
        return VmaResult(0, vma)
    charged: i64 = 0
    if flags & VM_WRITE != 0:
        if not may_expand_vm(mm, flags, pages) and may_expand_vm(mm, old, pages):
            return VmaResult(-ENOMEM, vma)
        if old & (VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE) == 0:
            charged = pages
            if security_vm_enough_memory_mm(mm, charged) != 0:
                return VmaResult(-ENOMEM, vma)
            flags |= VM_ACCOUNT
    elif old & VM_ACCOUNT != 0 and vma_is_anonymous(vma) and vma.anon_vma is None:
        if mm.features.mprotect_uncharges_untouched:
            flags &= ~VM_ACCOUNT
    vmg = vma_modify_flags(vmi, prev, vma, start, end, flags)
    result = vmg.result
    if vmg.error != 0 or result is None:
        vm_unacct_memory(mm.kernel, charged)
        return VmaResult(vmg.error, vma)
    flags = vmg.vm_flags
    seam.vma_start_write(result)
    result.vm_flags = flags
    protect_marked(result, start, end)
    if old & VM_ACCOUNT != 0 and flags & VM_ACCOUNT == 0:
        vm_unacct_memory(mm.kernel, pages)
    if flags & VM_WRITE != 0 and old & (VM_LOCKED | VM_WRITE | VM_SHARED) == VM_LOCKED:
        populate_vma_page_range(result, start, end)
    vm_stat_account(mm, old, -pages)
    vm_stat_account(mm, flags, pages)
    return VmaResult(0, result)


def ksys_mprotect(task: Task, start: int, length: int, prot: int) -> int:
    """mprotect(2), see `do_mprotect_pkey`."""
    return do_mprotect_pkey(task, start, length, prot, -1)


def ksys_pkey_mprotect(task: Task, start: int, length: int, prot: int, pkey: int) -> int:
    """pkey_mprotect(2), see `do_mprotect_pkey`; the key is a signed 32-bit number."""
    pkey &= 0xFFFFFFFF
    return do_mprotect_pkey(task, start, length, prot, pkey - (1 << 32) if pkey >> 31 else pkey)
