# SPDX-License-Identifier: GPL-2.0-or-later
"""The seam: all that the VMA core needs from the rest of the kernel, and the only thing it imports.

`mm/vma/`, `mm/vma_init.py` and `mm/vma_exec.py` import this module and nothing else: the names
below the imports are types and constants, and everything that does something is a method of
`VmaInternal`, of which every `Mm` holds an instance.  A test replaces behaviour by subclassing it,
never by patching.

Each method says what it is, as its docstring's first word:

* *Custom*: works differently from the kernel, on purpose (it counts, can fail, or can check).
* *Same*: does what the kernel does.
* *Stub*: does nothing here, and says why that is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.fs.file import AddressSpace, File
from vmalab.linux.include.config import OVERCOMMIT_ALWAYS, OVERCOMMIT_GUESS
from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_ACCOUNT,
    VM_DATA_DEFAULT_FLAGS,
    VM_DONTEXPAND,
    VM_DROPPABLE,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_HUGETLB,
    VM_LOCKED,
    VM_LOCKED_MASK,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_MERGEABLE,
    VM_NONE,
    VM_NORESERVE,
    VM_SEALED,
    VM_SHADOW_STACK,
    VM_SHARED,
    VM_SOFTDIRTY,
    VM_SPECIAL,
    VM_STACK_FLAGS,
    VM_STACK_INCOMPLETE_SETUP,
    VM_STARTGAP_FLAGS,
    VM_STICKY,
    VM_UFFD_MASK,
    VM_WRITE,
    is_data_mapping,
    is_exec_mapping,
    is_stack_mapping,
)
from vmalab.linux.include.page import STACK_TOP_MAX, TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EAGAIN,
    EFAULT,
    EINTR,
    EINVAL,
    ENOMEM,
    EPERM,
)
from vmalab.linux.include.uapi.resource import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_FEATURE_EVENT_REMAP,
    UFFD_FEATURE_EVENT_UNMAP,
)
from vmalab.linux.kernel.task import CAP_IPC_LOCK, CAP_SYS_ADMIN, NO_RLIMIT
from vmalab.linux.lib.interval_tree import IntervalNode
from vmalab.linux.lib.slab import KmemCache
from vmalab.linux.mm.debug import VM_WARN_ON_VMA, VM_WARN_ON_VMG
from vmalab.linux.mm.mm_types import (
    AnonVma,
    Mempolicy,
    Mm,
    UserfaultfdCtx,
    Vma,
    Vmi,
    VmOps,
    find_vma_intersection,
    vma_is_anonymous,
    vma_pages,
)
from vmalab.linux.mm.refusal import (
    REFUSED_AS,
    REFUSED_COMMIT,
    REFUSED_DATA,
    REFUSED_GAP,
    REFUSED_GUESS,
    REFUSED_MAP_COUNT,
    REFUSED_MDWE,
    REFUSED_MEMLOCK,
    REFUSED_MIN_ADDR,
    REFUSED_SEAL,
    REFUSED_STACK,
    REFUSED_STACK_GAP,
)
from vmalab.linux.mm.rmap import anon_vma_clone, attach_anon_vma, unlink_anon_vmas
from vmalab.linux.mm.shmem import AnonShmemFileOps, shmem_zero_setup
from vmalab.linux.types.kernel_state import KernelState

if TYPE_CHECKING:
    from vmalab.linux.mm.vma.state import Vmg

__all__ = (
    "EFAULT",
    "EINTR",
    "EINVAL",
    "ENOMEM",
    "EPERM",
    "REFUSED_GAP",
    "REFUSED_MAP_COUNT",
    "REFUSED_MIN_ADDR",
    "REFUSED_SEAL",
    "REFUSED_STACK",
    "REFUSED_STACK_GAP",
    "RLIMIT_STACK",
    "STACK_TOP_MAX",
    "TASK_SIZE_5LEVEL",
    "VM_ACCESS_FLAGS",
    "VM_ACCOUNT",
    "VM_DATA_DEFAULT_FLAGS",
    "VM_DONTEXPAND",
    "VM_DROPPABLE",
    "VM_GROWSDOWN",
    "VM_HUGETLB",
    "VM_LOCKED",
    "VM_LOCKED_MASK",
    "VM_MAYEXEC",
    "VM_MAYREAD",
    "VM_MAYWRITE",
    "VM_NONE",
    "VM_NORESERVE",
    "VM_SEALED",
    "VM_SHADOW_STACK",
    "VM_SHARED",
    "VM_SOFTDIRTY",
    "VM_SPECIAL",
    "VM_STACK_FLAGS",
    "VM_STACK_INCOMPLETE_SETUP",
    "VM_STARTGAP_FLAGS",
    "VM_STICKY",
    "VM_WRITE",
    "AddressSpace",
    "AnonVma",
    "File",
    "Mempolicy",
    "Mm",
    "UserfaultfdCtx",
    "VmOps",
    "Vma",
    "VmaInternal",
    "Vmi",
    "find_vma_intersection",
    "is_data_mapping",
    "is_exec_mapping",
    "is_stack_mapping",
    "vma_is_anonymous",
    "vma_pages",
)


@mypyc_attr(native_class=False)
class VmaBug(AssertionError):
    """The engine broke one of its own rules: a defect of vmalab, never of the caller."""


@mypyc_attr(allow_interpreted_subclasses=True)
class VmaInternal:
    """The rest of the kernel, as the VMA core sees it; one instance serves all mms of a machine."""

    def __init__(self, kernel: KernelState) -> None:
        # What belongs to the machine.
        self.kernel: KernelState = kernel
        # Flags that do not keep VMAs apart (VM_IGNORE_MERGE): a merged VMA has them if a part did,
        # when they are sticky, else those of the VMA that grows.
        self.vm_ignore_merge: i64 = VM_STICKY
        self.anon_shmem_fops: AnonShmemFileOps = AnonShmemFileOps(kernel)
        # What vm_ops becomes once the owner was told of the end.
        self.vma_dummy_vm_ops: VmOps = VmOps()
        # The number of broken assumptions seen, and the last one with its dump.
        self.nr_warnings: i64 = 0
        self.last_warning: str = ""

    # Allocation.

    def kmem_cache_alloc(self, cache: KmemCache) -> bool:
        """Custom: count one object of a cache; False is -ENOMEM, when a failure was arranged."""
        return cache.alloc()

    def kmem_cache_free(self, cache: KmemCache, obj: object) -> None:
        """Custom: count one object of a cache as gone."""
        cache.free(obj)

    # Locks.

    def mmap_write_lock(self, mm: Mm) -> None:
        """Custom: a call that may change the map begins; there is one at a time."""
        mm.mmap_lock = 1

    def mmap_write_unlock(self, mm: Mm) -> None:
        """Custom: the call ends, and with it every VMA's write lock."""
        mm.mmap_lock = 0

    def mmap_assert_write_locked(self, mm: Mm) -> None:
        """Custom: nothing here; a checking seam looks at `mm.mmap_lock`."""

    def vma_start_write(self, vma: Vma) -> None:
        """Custom: nothing here; a checking seam notes the VMA as locked for writing."""

    def i_mmap_lock_write(self, mapping: AddressSpace) -> None:
        """Custom: mark the mapping's reverse map as locked."""
        mapping.i_mmap_locked = True

    def i_mmap_unlock_write(self, mapping: AddressSpace) -> None:
        """Custom: mark the mapping's reverse map as not locked."""
        mapping.i_mmap_locked = False

    def anon_vma_lock_write(self, anon_vma: AnonVma) -> None:
        """Custom: mark the anon_vma's whole family as locked: the lock is the root's."""
        anon_vma.root.locked = True

    def anon_vma_unlock_write(self, anon_vma: AnonVma) -> None:
        """Custom: mark the anon_vma's family as not locked."""
        anon_vma.root.locked = False

    def signal_pending(self, mm: Mm) -> bool:
        """Same: whether the calling task should give up a long operation."""
        return mm.owner is not None and mm.owner.signal_pending

    # Reverse maps.

    def anon_vma_attach(self, vma: Vma, mergeable: AnonVma | None) -> i64:
        """Same: the first anon_vma of a VMA, shared or new: 0 or -ENOMEM."""
        return attach_anon_vma(vma, mergeable)

    def anon_vma_clone(self, dst: Vma, src: Vma) -> i64:
        """Same: chain `dst` to all anon_vmas of `src`: 0 or -ENOMEM."""
        return anon_vma_clone(dst, src)

    def unlink_anon_vmas(self, vma: Vma) -> None:
        """Same: take a VMA off its anon_vmas."""
        unlink_anon_vmas(vma)

    def anon_vma_interval_tree_pre_update_vma(self, vma: Vma) -> None:
        """Stub: chains are lists of links here, which do not depend on the range."""

    def anon_vma_interval_tree_post_update_vma(self, vma: Vma) -> None:
        """Stub: chains do not depend on the range, so nothing has to go back in."""

    def vma_interval_tree_insert(self, vma: Vma, mapping: AddressSpace) -> None:
        """Same: enter a VMA into its file's reverse map, by the page offsets that it maps."""
        last = vma.vm_pgoff + ((vma.vm_end - vma.vm_start) >> 12) - 1
        node = IntervalNode(vma.vm_pgoff, last, vma)
        vma.shared = node
        mapping.i_mmap.insert(node)

    def vma_interval_tree_remove(self, vma: Vma, mapping: AddressSpace) -> None:
        """Same: take a VMA out of its file's reverse map."""
        node = vma.shared
        if node is not None:
            mapping.i_mmap.remove(node)
            vma.shared = None

    # Files.

    def get_file(self, file: File) -> None:
        """Same: take a reference."""
        file.f_count += 1

    def fput(self, file: File) -> None:
        """Same: drop a reference; the last one releases the file."""
        file.f_count -= 1
        if file.f_count == 0:
            file.f_op.release(file)

    def mmap_prepare(self, file: File, mm: Mm, vm_flags: i64, length: i64) -> i64:
        """Same: let the file choose the flags of `length` bytes before merging: they, or -errno."""
        return file.f_op.mmap_prepare(file, mm, vm_flags, length)

    def mmap_file(self, file: File, vma: Vma) -> i64:
        """Same: let the file set up a VMA: 0 or -errno."""
        return file.f_op.mmap(file, vma)

    def shmem_zero_setup(self, vma: Vma) -> i64:
        """Same: back a shared anonymous VMA by a new shmem file: 0 or -ENOMEM."""
        return shmem_zero_setup(vma)

    # NUMA policies.

    def mpol_equal(self, a: Mempolicy | None, b: Mempolicy | None) -> bool:
        """Same: compare policies by what they say."""
        if a is b:
            return True
        if a is None or b is None:
            return False
        return (
            a.mode == b.mode
            and a.flags == b.flags
            and a.nodes == b.nodes
            and a.home_node == b.home_node
            and a.user_nodes == b.user_nodes
        )

    def vma_dup_policy(self, src: Vma, dst: Vma) -> i64:
        """Custom: give `dst` a counted copy of the policy of `src`: 0 or -ENOMEM."""
        policy = src.vm_policy
        if policy is None:
            return 0
        if not self.kernel.mempolicy_cache.alloc():
            return -ENOMEM
        dst.vm_policy = policy.copy()
        return 0

    def mpol_put(self, policy: Mempolicy | None) -> None:
        """Custom: drop a reference to a policy; the last one frees it."""
        if policy is not None:
            policy.refcnt -= 1
            if policy.refcnt == 0:
                self.kernel.mempolicy_cache.free(policy)

    # Accounting and limits.

    def rlimit(self, mm: Mm, resource: i64) -> i64:
        """Same: the caller's soft limit in bytes; NO_RLIMIT for one that nothing reaches."""
        owner = mm.owner
        if owner is None:
            return NO_RLIMIT
        return owner.signal.rlim_cur.reached(resource)

    def may_expand_vm(self, mm: Mm, vm_flags: i64, npages: i64) -> bool:
        """Same: whether `npages` more pages of such flags stay within RLIMIT_AS and RLIMIT_DATA."""
        allowed = self.rlimit(mm, RLIMIT_AS) >> 12
        if mm.total_vm + npages > allowed:
            mm.refuse(ENOMEM, REFUSED_AS, mm.total_vm + npages, allowed)
            return False
        if not is_data_mapping(vm_flags):
            return True
        limit = self.rlimit(mm, RLIMIT_DATA)
        if mm.data_vm + npages <= limit >> 12:
            return True
        # A soft limit of 0 is let through for old valgrind, up to the hard one.
        owner = mm.owner
        if limit == 0 and owner is not None:
            if mm.data_vm + npages <= owner.signal.rlim_max.reached(RLIMIT_DATA) >> 12:
                return True
        mm.refuse(ENOMEM, REFUSED_DATA, mm.data_vm + npages, limit >> 12)
        return False

    def mlock_future_ok(self, mm: Mm, vm_flags: i64, length: i64) -> bool:
        """Same: whether `length` more bytes of such flags may be locked (RLIMIT_MEMLOCK)."""
        owner = mm.owner
        if vm_flags & VM_LOCKED == 0 or owner is None or owner.capable(CAP_IPC_LOCK):
            return True
        locked, limit = (length >> 12) + mm.locked_vm, self.rlimit(mm, RLIMIT_MEMLOCK) >> 12
        if locked <= limit:
            return True
        mm.refuse(EAGAIN, REFUSED_MEMLOCK, locked, limit)
        return False

    def security_vm_enough_memory_mm(self, mm: Mm, pages: i64) -> i64:
        """Same: charge pages against the overcommit policy: 0, or -ENOMEM with nothing charged."""
        kernel, config = self.kernel, self.kernel.config
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

    def vm_unacct_memory(self, pages: i64) -> None:
        """Same: return charged pages."""
        self.kernel.committed_as -= pages

    def vm_stat_account(self, mm: Mm, vm_flags: i64, npages: i64) -> None:
        """Same: add pages (negative: take off) to the mm's counters by kind."""
        mm.total_vm += npages
        if is_exec_mapping(vm_flags):
            mm.exec_vm += npages
        elif is_stack_mapping(vm_flags):
            mm.stack_vm += npages
        elif is_data_mapping(vm_flags):
            mm.data_vm += npages

    def map_deny_write_exec(self, mm: Mm, old_flags: i64, new_flags: i64) -> i64:
        """Same: -EACCES when PR_SET_MDWE forbids going from the old to the new flags, else 0."""
        if mm.mdwe == 0 or new_flags & VM_EXEC == 0:
            return 0
        if new_flags & VM_WRITE != 0 or old_flags & VM_EXEC == 0:
            return mm.refuse(EACCES, REFUSED_MDWE, 0, 0)
        return 0

    # Page tables, huge pages, KSM, probes.

    def unmap_region(self, mm: Mm, start: i64, end: i64, floor: i64, ceiling: i64) -> None:
        """Custom: drop the pages of `[start, end)`; floor and ceiling bound the tables to free."""
        if ceiling >= mm.task_size:
            ceiling = 0
        mm.page_tables.unmap(start, end, floor, ceiling)

    def move_page_tables(self, vma: Vma, old: i64, new: i64, length: i64) -> i64:
        """Custom: move pages from `old` to `new`; answers the bytes moved."""
        tables = vma.vm_mm.page_tables
        tables.move(old, new, length)
        if self.vma_has_uffd_without_event_remap(vma):
            tables.uffd.clear(new, new + length)
        return length

    def vma_adjust_trans_huge(self, vma: Vma, start: i64, end: i64) -> None:
        """Stub: pages have no size here that a new boundary could cut."""

    def khugepaged_enter_vma(self, vma: Vma, vm_flags: i64) -> None:
        """Stub: nothing collapses pages in the background here."""

    def ksm_is_early(self, file: File | None) -> bool:
        """Same: whether KSM's flag is set before a mapping is merged (no driver can veto it)."""
        if not self.kernel.config.features.ksm_flag_before_merge:
            return False
        return file is None or file.f_op.is_shmem or file.f_op.has_mmap_prepare

    def ksm_vma_flags(self, mm: Mm, file: File | None, vm_flags: i64) -> i64:
        """Same: add VM_MERGEABLE when the process asked for KSM and the flags allow it."""
        if not mm.ksm_merge_any:
            return vm_flags
        forbidden = VM_SHARED | VM_MAYSHARE | VM_HUGETLB | VM_DROPPABLE | VM_SPECIAL
        return vm_flags | VM_MERGEABLE if vm_flags & forbidden == 0 else vm_flags

    def uprobe_mmap(self, vma: Vma) -> None:
        """Stub: nobody places uprobes in a model's pages."""

    def uprobe_munmap(self, vma: Vma) -> None:
        """Stub: nobody places uprobes in a model's pages, so none have to go."""

    # userfaultfd.

    def userfaultfd_unmap_prep(self, vma: Vma, start: i64, end: i64, uf: list[object]) -> i64:
        """Same: note the context that must hear of an unmapping: 0 or -ENOMEM."""
        ctx = vma.vm_userfaultfd_ctx
        if ctx is not None and ctx.features & UFFD_FEATURE_EVENT_UNMAP != 0 and ctx not in uf:
            uf.append(ctx)
        return 0

    def vma_has_uffd_without_event_remap(self, vma: Vma) -> bool:
        """Same: whether a move makes the VMA lose its context (UFFD_FEATURE_EVENT_REMAP is off)."""
        ctx = vma.vm_userfaultfd_ctx
        if ctx is None or vma.vm_flags & VM_UFFD_MASK == 0:
            return False
        return ctx.features & UFFD_FEATURE_EVENT_REMAP == 0

    # Observation and checks.

    def perf_event_mmap(self, vma: Vma) -> None:
        """Custom: nothing here; an observing seam hears of every VMA that was mapped or changed."""

    def validate_mm(self, mm: Mm) -> None:
        """Custom: nothing here; a checking seam validates the whole mm after each operation."""

    def warn_on(self, mm: Mm, what: str) -> None:
        """Custom: an assumption does not hold (WARN_ON): count it, keep what was dumped.

        A checking seam raises VmaBug.
        """
        self.nr_warnings += 1
        self.last_warning = what

    def bug_on(self, mm: Mm, what: str) -> None:
        """Custom: nothing can go on like this (BUG_ON): raise VmaBug."""
        raise VmaBug(what)

    def vm_warn_on_vma(self, condition: bool, vma: Vma, what: str) -> None:
        """Same: VM_WARN_ON_VMA, where `debug_vm` asks for it."""
        VM_WARN_ON_VMA(condition, vma, what)

    def vm_warn_on_vmg(self, condition: bool, vmg: Vmg, what: str) -> None:
        """Same: VM_WARN_ON_VMG, where `debug_vm` asks for it."""
        VM_WARN_ON_VMG(condition, vmg, what)
