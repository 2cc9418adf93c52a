# SPDX-License-Identifier: GPL-2.0-or-later
"""The seam: all that the VMA core needs from the rest of the kernel, and the only thing it imports.

`mm/vma/`, `mm/vma_init.py` and `mm/vma_exec.py` import this module and nothing else, as mm/vma.c
includes vma_internal.h: types, constants, and functions of the rest of the kernel, which stay in
the files where the kernel has them.  What a test may want to vary or to watch is a method, a
*hook*, of the class `VmaInternal`, of which every `Mm` holds an instance: allocation, locks,
references, reverse maps, policies, page tables, checks.  A test replaces a hook by subclassing,
never by patching.

Each hook says what it is, as its docstring's first word:

* *Custom*: works differently from the kernel, on purpose (it counts, can fail, or can check).
* *Same*: does what the kernel does.
* *Stub*: does nothing here, and says why that is right.
"""

from __future__ import annotations

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_ACCOUNT,
    VM_ARCH_1,
    VM_DATA_DEFAULT_FLAGS,
    VM_DONTEXPAND,
    VM_DROPPABLE,
    VM_GROWSDOWN,
    VM_HUGETLB,
    VM_LOCKED,
    VM_LOCKED_MASK,
    VM_MAYBE_GUARD,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
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
    VM_WRITE,
    is_data_mapping,
    is_exec_mapping,
    is_stack_mapping,
)
from vmalab.linux.include.page import (
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    PMD_SIZE,
    STACK_TOP_MAX,
    TASK_SIZE_5LEVEL,
)
from vmalab.linux.include.uapi.errno import (
    EFAULT,
    EINTR,
    EINVAL,
    ENOMEM,
    EPERM,
)
from vmalab.linux.include.uapi.resource import RLIMIT_STACK
from vmalab.linux.lib.interval_tree import IntervalNode
from vmalab.linux.lib.slab import KmemCache
from vmalab.linux.mm.accounting import (
    forget_charge,
    map_deny_write_exec,
    may_expand_vm,
    mlock_future_ok,
    security_vm_enough_memory_mm,
    vm_stat_account,
    vm_unacct_memory,
)
from vmalab.linux.mm.debug import VM_WARN_ON_VMA, dump_mm, dump_vma, flag_text
from vmalab.linux.mm.ksm import ksm_is_early, ksm_vma_flags
from vmalab.linux.mm.mmap_action import mmap_action_prepare
from vmalab.linux.mm.refusal import (
    REFUSED_GAP,
    REFUSED_MAP_COUNT,
    REFUSED_MIN_ADDR,
    REFUSED_SEAL,
    REFUSED_STACK,
    REFUSED_STACK_GAP,
)
from vmalab.linux.mm.rmap import anon_vma_clone, attach_anon_vma, unlink_anon_vmas
from vmalab.linux.mm.shmem import shmem_zero_setup
from vmalab.linux.mm.userfaultfd_k import userfaultfd_unmap_prep, vma_has_uffd_without_event_remap
from vmalab.linux.mm.vm_ops import (
    call_vma_mapped,
    mmap_file,
    vfs_mmap_prepare,
    vma_close,
    vma_may_split,
    vma_open,
)
from vmalab.linux.types.file import (
    File,
    FileAddressSpace,
    mapping_allow_writable,
    mapping_map_writable,
    mapping_maps,
    mapping_unmap_writable,
)
from vmalab.linux.types.mm_rb import vma_rb_erase, vma_rb_right_parents, vma_rb_unmapping
from vmalab.linux.types.mm_types import (
    AnonVma,
    Mempolicy,
    Mm,
    MmapAction,
    UserfaultfdCtx,
    Vma,
    VmAreaDesc,
    VmOps,
    vma_dummy_vm_ops,
    vma_is_anonymous,
    vma_pages,
)
from vmalab.linux.types.seam import Seam
from vmalab.linux.types.task import NO_RLIMIT
from vmalab.linux.types.vma_iterator import Vmi, find_vma_intersection

__all__ = (
    "EFAULT",
    "EINTR",
    "EINVAL",
    "ENOMEM",
    "EPERM",
    "PAGE_MASK",
    "PAGE_SHIFT",
    "PAGE_SIZE",
    "PMD_SIZE",
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
    "VM_ARCH_1",
    "VM_DATA_DEFAULT_FLAGS",
    "VM_DONTEXPAND",
    "VM_DROPPABLE",
    "VM_GROWSDOWN",
    "VM_HUGETLB",
    "VM_LOCKED",
    "VM_LOCKED_MASK",
    "VM_MAYBE_GUARD",
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
    "VM_WARN_ON_VMA",
    "VM_WRITE",
    "AnonVma",
    "File",
    "FileAddressSpace",
    "Mempolicy",
    "Mm",
    "MmapAction",
    "Seam",
    "UserfaultfdCtx",
    "VmAreaDesc",
    "VmOps",
    "Vma",
    "Vmi",
    "call_vma_mapped",
    "dump_mm",
    "dump_vma",
    "find_vma_intersection",
    "flag_text",
    "forget_charge",
    "is_data_mapping",
    "is_exec_mapping",
    "is_stack_mapping",
    "ksm_is_early",
    "ksm_vma_flags",
    "map_deny_write_exec",
    "mapping_allow_writable",
    "mapping_map_writable",
    "mapping_maps",
    "mapping_unmap_writable",
    "may_expand_vm",
    "mlock_future_ok",
    "mmap_action_prepare",
    "mmap_file",
    "security_vm_enough_memory_mm",
    "shmem_zero_setup",
    "userfaultfd_unmap_prep",
    "vfs_mmap_prepare",
    "vm_stat_account",
    "vm_unacct_memory",
    "vma_close",
    "vma_dummy_vm_ops",
    "vma_has_uffd_without_event_remap",
    "vma_is_anonymous",
    "vma_may_split",
    "vma_open",
    "vma_pages",
    "vma_rb_erase",
    "vma_rb_right_parents",
    "vma_rb_unmapping",
)


@mypyc_attr(allow_interpreted_subclasses=True)
class VmaInternal(Seam):
    """The hooks between the VMA core and the rest of the kernel; one instance serves a machine."""

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

    def i_mmap_lock_write(self, mapping: FileAddressSpace) -> None:
        """Custom: mark the mapping's reverse map as locked."""
        mapping.i_mmap_locked = True

    def i_mmap_unlock_write(self, mapping: FileAddressSpace) -> None:
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

    def vma_interval_tree_insert(self, vma: Vma, mapping: FileAddressSpace) -> None:
        """Same: enter a VMA into its file's reverse map, by the page offsets that it maps."""
        last = vma.vm_pgoff + ((vma.vm_end - vma.vm_start) >> PAGE_SHIFT) - 1
        node = IntervalNode(vma.vm_pgoff, last, vma)
        vma.shared = node
        mapping.i_mmap.insert(node)

    def vma_interval_tree_remove(self, vma: Vma, mapping: FileAddressSpace) -> None:
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

    # Limits.

    def rlimit(self, mm: Mm, resource: i64) -> i64:
        """Same: the caller's soft limit in bytes; NO_RLIMIT for one that nothing reaches."""
        owner = mm.owner
        if owner is None:
            return NO_RLIMIT
        return owner.signal.rlim_cur.reached(resource)

    # Page tables.

    def unmap_region(self, mm: Mm, start: i64, end: i64, floor: i64, ceiling: i64) -> None:
        """Custom: drop the pages of `[start, end)`; floor and ceiling bound the tables to free."""
        if ceiling >= mm.task_size:
            ceiling = 0
        mm.page_tables.unmap(start, end, floor, ceiling)

    def move_page_tables(self, vma: Vma, old: i64, new: i64, length: i64) -> i64:
        """Custom: move pages from `old` to `new`; answers the bytes moved."""
        tables = vma.vm_mm.page_tables
        tables.move(old, new, length)
        if vma_has_uffd_without_event_remap(vma):
            tables.uffd.clear(new, new + length)
        return length

    # Checks.

    def validate_mm(self, mm: Mm) -> None:
        """Custom: nothing here; a checking seam validates the whole mm after each operation."""

    def warn_on(self, mm: Mm, what: str) -> None:
        """Custom: an assumption does not hold (WARN_ON): count it, keep what was dumped.

        A checking seam ends the test.
        """
        self.kernel.nr_warnings += 1
        self.kernel.last_warning = what
