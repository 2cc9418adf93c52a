# SPDX-License-Identifier: GPL-2.0-or-later
"""Making tasks: what a child shares, what it gets a copy of, and how an address space is copied.

Mirrors kernel/fork.c and dup_mmap() of mm/mmap.c (v6.18).
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_LOCKED_MASK,
    VM_NOHUGEPAGE,
    VM_UFFD_MASK,
    VM_WIPEONFORK,
)
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.errno import EINVAL, ENOMEM, ENOSPC
from vmalab.linux.include.uapi.sched import (
    CLONE_DETACHED,
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_PIDFD,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
)
from vmalab.linux.include.uapi.userfaultfd import UFFD_FEATURE_EVENT_FORK
from vmalab.linux.kernel.exit import enter_task, mmput
from vmalab.linux.kernel.user_namespace import create_user_ns
from vmalab.linux.mm.accounting import (
    security_vm_enough_memory_mm,
    vm_stat_account,
    vm_unacct_memory,
)
from vmalab.linux.mm.hugetlb import hugetlb_share_pages, is_vm_hugetlb_page
from vmalab.linux.mm.memory import copy_page_range
from vmalab.linux.mm.mmap_lock import mmap_write_lock, mmap_write_unlock
from vmalab.linux.mm.page_tables import PageTables
from vmalab.linux.mm.refusal import Refusal
from vmalab.linux.mm.rmap import anon_vma_fork
from vmalab.linux.mm.vma.munmap import free_pgtables, remove_vma
from vmalab.linux.mm.vma.prepare import vma_link_file
from vmalab.linux.mm.vma_init import vm_area_dup, vm_area_free
from vmalab.linux.types.fs_struct import FsStruct
from vmalab.linux.types.mm_types import Mempolicy, Mm, UserfaultfdCtx, Vma, vma_pages
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi

# The default flags of new VMAs that a new address space inherits.
VM_INIT_DEF_MASK: Final = VM_NOHUGEPAGE


def mm_init(mm: Mm, oldmm: Mm) -> None:
    """Set what every new address space inherits from its maker's, at fork and at exec.

    Kernel: mm_init().
    """
    mm.def_flags = oldmm.def_flags & VM_INIT_DEF_MASK
    mm.topdown = oldmm.topdown
    mm.thp_disable = oldmm.thp_disable
    mm.thp_disable_except_advised = oldmm.thp_disable_except_advised
    mm.ksm_merge_any = oldmm.ksm_merge_any
    if not oldmm.mdwe_no_inherit:
        mm.mdwe = oldmm.mdwe


def copy_layout(mm: Mm, oldmm: Mm) -> None:
    """Copy the addresses, in bytes, that make up the layout of a program."""
    mm.task_size = oldmm.task_size
    mm.mmap_base = oldmm.mmap_base
    mm.mmap_legacy_base = oldmm.mmap_legacy_base
    mm.mmap_compat_base = oldmm.mmap_compat_base
    mm.mmap_compat_legacy_base = oldmm.mmap_compat_legacy_base
    mm.start_code, mm.end_code = oldmm.start_code, oldmm.end_code
    mm.start_data, mm.end_data = oldmm.start_data, oldmm.end_data
    mm.start_brk, mm.brk = oldmm.start_brk, oldmm.brk
    mm.start_stack = oldmm.start_stack
    mm.arg_start, mm.arg_end = oldmm.arg_start, oldmm.arg_end
    mm.env_start, mm.env_end = oldmm.env_start, oldmm.env_end


def dup_userfaultfd(
    vma: Vma, originals: list[UserfaultfdCtx], copies: list[UserfaultfdCtx]
) -> None:
    """Give a copied VMA its userfaultfd: none, unless the monitor wants to hear of forks.

    One new context for each old one; the lists pair them.  Kernel: dup_userfaultfd().
    """
    old = vma.vm_userfaultfd_ctx
    if old is None:
        return
    if old.features & UFFD_FEATURE_EVENT_FORK == 0:
        vma.vm_userfaultfd_ctx = None
        vma.vm_flags &= ~VM_UFFD_MASK
        return
    if old not in originals:
        new = UserfaultfdCtx()
        new.features, new.flags = old.features, old.flags
        new.state_api = old.state_api
        new.mm = vma.vm_mm
        originals.append(old)
        copies.append(new)
    vma.vm_userfaultfd_ctx = copies[originals.index(old)]


def dup_vma(
    mm: Mm, mpnt: Vma, originals: list[UserfaultfdCtx], copies: list[UserfaultfdCtx]
) -> Vma | None:
    """Return a copy of a parent's VMA for the child, charged but in no tree yet; None: -ENOMEM."""
    oldmm = mpnt.vm_mm
    seam = mm.seam
    charge = vma_pages(mpnt) if mpnt.vm_flags & VM_ACCOUNT != 0 else 0
    # The parent's address space is the one that is asked whether there is enough.
    if charge != 0 and security_vm_enough_memory_mm(oldmm, charge) != 0:
        return None
    tmp = vm_area_dup(mpnt)
    if tmp is not None:
        if seam.vma_dup_policy(mpnt, tmp) == 0:
            tmp.vm_mm = mm
            dup_userfaultfd(tmp, originals, copies)
            if tmp.vm_flags & VM_WIPEONFORK != 0:
                tmp.anon_vma = None
                return tmp
            if anon_vma_fork(tmp, mpnt) == 0:
                return tmp
            seam.mpol_put(tmp.vm_policy)
        vm_area_free(tmp)
    vm_unacct_memory(mm.kernel, charge)
    return None


def link_copy(vmi: Vmi, tmp: Vma, mpnt: Vma) -> None:
    """Let a copy take its parent's place in the child's tree.  Cannot fail."""
    mm = tmp.vm_mm
    seam = mm.seam
    seam.vma_start_write(tmp)
    tmp.vm_flags &= ~VM_LOCKED_MASK
    if is_vm_hugetlb_page(tmp):
        hugetlb_share_pages(tmp)
    # The very same range, so it needs no node.
    vmi.store_new(tmp)
    mm.map_count += 1
    ops = tmp.vm_ops
    if ops is not None:
        ops.open(tmp)
    if tmp.vm_file is not None:
        seam.get_file(tmp.vm_file)
        vma_link_file(seam, tmp, False)
    if tmp.vm_flags & VM_WIPEONFORK == 0:
        copy_page_range(mm, tmp, mpnt)


def dup_mmap(mm: Mm, oldmm: Mm) -> i64:
    """Fill the empty `mm` with copies of all VMAs of `oldmm`: 0 or -ENOMEM.

    VM_DONTCOPY VMAs are left out, locks are not inherited, VM_WIPEONFORK ones come empty.  On
    failure `mm` is empty and nothing is charged for it.  Kernel: dup_mmap().
    """
    seam = mm.seam
    tree = oldmm.mm_mt.dup()
    if tree is None:
        return -ENOMEM
    mm.mm_mt = tree
    mm.total_vm, mm.data_vm = oldmm.total_vm, oldmm.data_vm
    mm.exec_vm, mm.stack_vm = oldmm.exec_vm, oldmm.stack_vm
    originals: list[UserfaultfdCtx] = []
    copies: list[UserfaultfdCtx] = []
    made: list[Vma] = []
    vmi = Vmi(mm, 0)
    mpnt = vmi.find(TASK_SIZE_5LEVEL)
    while mpnt is not None:
        end = mpnt.vm_end
        seam.vma_start_write(mpnt)
        if mpnt.vm_flags & VM_DONTCOPY != 0:
            if vmi.clear_gfp(mpnt.vm_start, end) != 0:
                undo_dup_mmap(mm, made)
                return -ENOMEM
            vm_stat_account(mm, mpnt.vm_flags, -vma_pages(mpnt))
        else:
            tmp = dup_vma(mm, mpnt, originals, copies)
            if tmp is None:
                undo_dup_mmap(mm, made)
                return -ENOMEM
            link_copy(vmi, tmp, mpnt)
            made.append(tmp)
        vmi.set(end)
        mpnt = vmi.find(TASK_SIZE_5LEVEL)
    mm.pkey_allocation_map = oldmm.pkey_allocation_map
    mm.execute_only_pkey = oldmm.execute_only_pkey
    return 0


def undo_dup_mmap(mm: Mm, made: list[Vma]) -> None:
    """Empty an address space whose copying failed: the rest of its tree are the parent's VMAs."""
    seam = mm.seam
    mm.page_tables.destroy()
    free_pgtables(mm, made)
    for vma in made:
        if vma.vm_flags & VM_ACCOUNT != 0:
            vm_unacct_memory(mm.kernel, vma_pages(vma))
        remove_vma(seam, vma)
    mm.mm_mt.destroy()
    if mm.mm_rb is not None:
        mm.mm_rb.destroy()
    mm.map_count = 0
    mm.total_vm, mm.data_vm, mm.exec_vm, mm.stack_vm = 0, 0, 0, 0


def dup_mm(oldmm: Mm) -> Mm | None:
    """Return a copy of an address space, or None for -ENOMEM.  Kernel: dup_mm()."""
    mm = Mm(oldmm.seam, PageTables())
    copy_layout(mm, oldmm)
    mm_init(mm, oldmm)
    seam = mm.seam
    # A call that forks holds the parent's lock already; a record that says so does not.
    taken = mmap_write_lock(oldmm)
    seam.mmap_write_lock(mm)
    err = dup_mmap(mm, oldmm)
    if err == 0:
        seam.validate_mm(mm)
    seam.mmap_write_unlock(mm)
    mmap_write_unlock(oldmm, taken)
    if err != 0:
        mmput(mm)
        return None
    mm.hiwater_vm = mm.total_vm
    mm.page_tables.inherit(oldmm.page_tables)
    return mm


def copy_mm(task: Task, child: Task, flags: int) -> i64:
    """Give a child its address space, the parent's own or a copy: 0 or -ENOMEM (`copy_mm`)."""
    oldmm = task.mm
    if oldmm is None:
        return 0
    if flags & CLONE_VM != 0:
        oldmm.mm_users += 1
        child.mm = oldmm
        return 0
    oldmm.owner = task
    mm = dup_mm(oldmm)
    if mm is None:
        return -ENOMEM
    mm.owner = child
    child.mm = mm
    return 0


def check_clone_flags(refusal: Refusal, flags: int) -> int:
    """0, or -EINVAL for combinations of CLONE_* flags that make no sense."""
    if flags & (CLONE_NEWNS | CLONE_FS) == CLONE_NEWNS | CLONE_FS:
        return refusal.blame(EINVAL, "flags", "CLONE_NEWNS together with CLONE_FS")
    if flags & (CLONE_NEWUSER | CLONE_FS) == CLONE_NEWUSER | CLONE_FS:
        return refusal.blame(EINVAL, "flags", "CLONE_NEWUSER together with CLONE_FS")
    if flags & CLONE_THREAD != 0 and flags & CLONE_SIGHAND == 0:
        return refusal.blame(EINVAL, "flags", "CLONE_THREAD without CLONE_SIGHAND")
    if flags & CLONE_SIGHAND != 0 and flags & CLONE_VM == 0:
        return refusal.blame(EINVAL, "flags", "CLONE_SIGHAND without CLONE_VM")
    if flags & CLONE_THREAD != 0 and flags & (CLONE_NEWUSER | CLONE_NEWPID) != 0:
        return refusal.blame(EINVAL, "flags", "CLONE_THREAD together with a new namespace")
    if flags & CLONE_PIDFD != 0 and flags & CLONE_DETACHED != 0:
        return refusal.blame(EINVAL, "flags", "CLONE_PIDFD together with CLONE_DETACHED")
    return 0


def copy_process(task: Task, flags: int, child_pid: int) -> int:
    """Make a child of `task` with the thread id `child_pid`: it, or -errno with nothing made.

    Errors: EINVAL (flags that contradict each other), ENOMEM (overcommit, memory), ENOSPC (user
    namespaces nest too deep).
    Kernel: copy_process().
    """
    err = check_clone_flags(task.machine.kernel.refusal, flags)
    if err != 0:
        return err
    machine = task.machine
    cred = task.cred.copy()
    if flags & CLONE_NEWUSER != 0 and create_user_ns(cred) != 0:
        return machine.kernel.refusal.blame(ENOSPC, "flags", "user namespaces nest too deep")
    policy = task.mempolicy
    if policy is not None and not machine.kernel.mempolicy_cache.alloc():
        return -ENOMEM
    tgid = task.tgid if flags & CLONE_THREAD != 0 else child_pid
    child = Task(machine, child_pid, tgid, None, task.files)
    if policy is not None:
        child.mempolicy = Mempolicy(policy.mode, policy.flags, policy.nodes, policy.home_node)
    result = copy_mm(task, child, flags)
    if result != 0:
        machine.seam.mpol_put(child.mempolicy)
        return int(result)
    if flags & CLONE_FILES != 0:
        task.files.count += 1
    else:
        child.files = task.files.copy()
    child.fs = task.fs if flags & CLONE_FS != 0 else FsStruct(task.fs.pwd)
    child.signal = task.signal if flags & CLONE_THREAD != 0 else task.signal.copy()
    child.cred = cred
    child.seccomp_mode, child.filter_count = task.seccomp_mode, task.filter_count
    child.personality = task.personality
    child.compat = task.compat
    child.randomize = task.randomize
    child.pkru = task.pkru
    child.shstk_features, child.shstk_locked = task.shstk_features, task.shstk_locked
    child.shstk_base, child.shstk_size = task.shstk_base, task.shstk_size
    enter_task(child)
    return child_pid


def do_fork(task: Task, flags: int, child_pid: int) -> Task | None:
    """`copy_process` that answers the child; None when it failed."""
    if copy_process(task, flags, child_pid) < 0:
        return None
    return task.machine.find_task(child_pid)
