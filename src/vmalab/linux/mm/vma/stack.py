# SPDX-License-Identifier: GPL-2.0-or-later
"""Growing a stack: a VM_GROWSDOWN mapping down, where the architecture has them another one up."""

from mypy_extensions import i64

from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.mm.vma_internal import (
    EFAULT,
    ENOMEM,
    EPERM,
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    REFUSED_MIN_ADDR,
    REFUSED_STACK,
    REFUSED_STACK_GAP,
    RLIMIT_STACK,
    VM_ACCESS_FLAGS,
    VM_ARCH_1,
    VM_GROWSDOWN,
    VM_LOCKED,
    Vma,
    Vmi,
    find_vma_intersection,
    may_expand_vm,
    mlock_future_ok,
    security_vm_enough_memory_mm,
    vm_stat_account,
)


def acct_stack_growth(vma: Vma, size: i64, grow: i64) -> i64:
    """Check a stack of `size` bytes that grows by `grow` pages against limits: 0 or -ENOMEM."""
    mm = vma.vm_mm
    seam = mm.seam
    if not may_expand_vm(mm, vma.vm_flags, grow):
        return -ENOMEM
    if size > seam.rlimit(mm, RLIMIT_STACK):
        return mm.refuse(ENOMEM, REFUSED_STACK, size, seam.rlimit(mm, RLIMIT_STACK))
    if not mlock_future_ok(mm, vma.vm_flags, grow << PAGE_SHIFT):
        return -ENOMEM
    return -ENOMEM if security_vm_enough_memory_mm(mm, grow) != 0 else 0


def expand_downwards(vma: Vma, address: i64) -> i64:
    """Grow `vma` down to the page of `address` (bytes): 0 or -errno.

    Errors: EFAULT (it does not grow), EPERM (below mmap_min_addr), ENOMEM (into the guard gap of an
    accessible mapping below that does not grow itself, limits, memory).  Kernel:
    expand_downwards().
    """
    mm = vma.vm_mm
    if vma.vm_flags & VM_GROWSDOWN == 0:
        return -EFAULT
    address &= PAGE_MASK
    if address < mm.config.mmap_min_addr:
        return mm.refuse(EPERM, REFUSED_MIN_ADDR, address, mm.config.mmap_min_addr)
    vmi = Vmi(mm, vma.vm_start)
    vmi.load()
    prev = vmi.prev()
    if (
        prev is not None
        and prev.vm_flags & VM_GROWSDOWN == 0
        and prev.vm_flags & VM_ACCESS_FLAGS != 0
        and address - prev.vm_end < mm.config.stack_guard_gap
    ):
        return mm.refuse_at(ENOMEM, REFUSED_STACK_GAP, prev.vm_start)
    return _expand(vmi, vma, address, vma.vm_end)


def expand_upwards(vma: Vma, address: i64) -> i64:
    """Grow `vma` up to the page of `address` (bytes), where stacks grow up: 0 or -errno.

    Errors: EFAULT (it does not grow), ENOMEM (beyond the address space, into the guard gap of an
    accessible mapping above that does not grow itself, limits, memory).  Kernel: expand_upwards().
    """
    mm = vma.vm_mm
    if not mm.config.stack_grows_up or vma.vm_flags & VM_ARCH_1 == 0:
        return -EFAULT
    address &= PAGE_MASK
    task_size: i64 = mm.task_size
    if address >= task_size:
        return mm.blame(ENOMEM, "addr", "beyond the end of the address space")
    address += PAGE_SIZE
    gap_addr: i64 = min(address + mm.config.stack_guard_gap, task_size)
    nxt = find_vma_intersection(mm, vma.vm_end, gap_addr)
    if nxt is not None and nxt.vm_flags & VM_ACCESS_FLAGS != 0 and nxt.vm_flags & VM_ARCH_1 == 0:
        return mm.refuse_at(ENOMEM, REFUSED_STACK_GAP, nxt.vm_start)
    vmi = Vmi(mm, vma.vm_start)
    vmi.load()
    return _expand(vmi, vma, vma.vm_start, address)


def _expand(vmi: Vmi, vma: Vma, start: i64, end: i64) -> i64:
    """Let `vma`, at which `vmi` stands, reach over `[start, end)` (bytes): 0 or -ENOMEM."""
    vmi.config(start, end)
    if vmi.prealloc(vma) != 0:
        return -ENOMEM
    error = anon_vma_prepare(vma)
    if error == 0 and end - start > vma.vm_end - vma.vm_start:
        error = _grow(vmi, vma, start, end)
    vmi.free()
    vma.vm_mm.seam.validate_mm(vma.vm_mm)
    return error


def _grow(vmi: Vmi, vma: Vma, start: i64, end: i64) -> i64:
    """Account for and carry out the growth, from preallocated nodes: 0 or -ENOMEM."""
    mm = vma.vm_mm
    seam = mm.seam
    grow = (end - start - (vma.vm_end - vma.vm_start)) >> PAGE_SHIFT
    below = (vma.vm_start - start) >> PAGE_SHIFT
    if below > vma.vm_pgoff:
        return -ENOMEM
    error = acct_stack_growth(vma, end - start, grow)
    if error != 0:
        return error
    seam.vma_start_write(vma)
    if vma.vm_flags & VM_LOCKED != 0:
        mm.locked_vm += grow
    vm_stat_account(mm, vma.vm_flags, grow)
    anon_vma = vma.anon_vma
    if anon_vma is not None:
        seam.anon_vma_lock_write(anon_vma)
        seam.anon_vma_interval_tree_pre_update_vma(vma)
    vma.vm_start = start
    vma.vm_end = end
    vma.vm_pgoff -= below
    vmi.store_overwrite(vma)
    if anon_vma is not None:
        seam.anon_vma_interval_tree_post_update_vma(vma)
        seam.anon_vma_unlock_write(anon_vma)
    return 0
