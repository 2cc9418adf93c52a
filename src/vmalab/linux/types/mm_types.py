# SPDX-License-Identifier: GPL-2.0-or-later
"""The data of memory management: VMAs, address spaces, anon_vmas, policies, contexts.

Each class is the kernel's customary variable, capitalised; its docstring names the struct.
Addresses are bytes, half-open `[vm_start, vm_end)`; `vm_pgoff`, counters and limits are pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.features import Features
from vmalab.linux.include.mm_flags import VM_NONE
from vmalab.linux.include.page import PAGE_SHIFT, TASK_SIZE_MAX, TASK_UNMAPPED_BASE
from vmalab.linux.lib.interval_tree import IntervalNode
from vmalab.linux.lib.maple_tree import MapleTree
from vmalab.linux.mm.page_tables import PageTables
from vmalab.linux.mm.refusal import Refusal
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_rb import MmRb

if TYPE_CHECKING:
    from vmalab.linux.types.file import File
    from vmalab.linux.types.seam import Seam
    from vmalab.linux.types.task import Task


@final
@mypyc_attr(native_class=True, free_list_len=1)
class AnonVma:
    """struct anon_vma: what a set of VMAs shares whose anonymous pages may be the same."""

    def __init__(self) -> None:
        self.root: AnonVma = self
        self.parent: AnonVma = self
        # Anon_vmas that have this one as parent (a root counts itself), and VMAs whose own
        # anon_vma it is; together they decide whether a fork child may reuse it.
        self.num_children: i64 = 0
        self.num_active_vmas: i64 = 0
        # Chain links into this anon_vma (the kernel's interval tree of them).
        self.nr_links: i64 = 0
        # Held for each anon_vma whose root this is, and for its own life.
        self.refcount: i64 = 1
        # Of a root only: the lock of its whole family is held.
        self.locked: bool = False


@final
@mypyc_attr(native_class=True, free_list_len=1)
class AnonVmaChain:
    """struct anon_vma_chain: one link between a VMA and an anon_vma."""

    def __init__(self, vma: Vma, anon_vma: AnonVma) -> None:
        self.vma: Vma = vma
        self.anon_vma: AnonVma = anon_vma


# The chain of a VMA that is chained to nothing; nobody adds to it.
NO_LINKS: Final[list[AnonVmaChain]] = []


@final
@mypyc_attr(native_class=True)
class Mempolicy:
    """struct mempolicy: a NUMA policy; equality is by mode, flags, nodes and home node."""

    def __init__(self, mode: int, flags: int, nodes: int, home_node: int) -> None:
        self.mode: int = mode
        self.flags: int = flags
        # Bit mask of nodes.
        self.nodes: int = nodes
        self.home_node: int = home_node
        # The mask as it was asked for, when MPOL_F_STATIC_NODES or _RELATIVE_NODES keep it.
        self.user_nodes: int = 0
        self.refcnt: i64 = 1

    def copy(self) -> Mempolicy:
        """Return the same policy with one reference of its own (`mpol_dup`)."""
        new = Mempolicy(self.mode, self.flags, self.nodes, self.home_node)
        new.user_nodes = self.user_nodes
        return new


@final
@mypyc_attr(native_class=True)
class UserfaultfdCtx:
    """struct userfaultfd_ctx, as far as merging asks: its identity, and the remap event."""

    def __init__(self) -> None:
        self.features: int = 0
        self.flags: int = 0
        self.state_api: bool = False
        self.released: bool = False
        self.mm: Mm | None = None


@mypyc_attr(allow_interpreted_subclasses=True)
class VmOps:
    """struct vm_operations_struct: what a mapping's owner hooks into the life of its VMAs.

    A VMA without operations is anonymous.  Subclasses set `has_close` when `close` does something:
    such a VMA is never removed by a merge.
    """

    def __init__(self) -> None:
        self.has_close: bool = False
        # Pages come when they are touched; False: all were put there when the VMA was made.
        self.has_fault: bool = True
        # Shows in smaps and maps instead of a file's path, "" for none.
        self.label: str = ""

    def open(self, vma: Vma) -> None:
        """A copy of a VMA was made by a split, a move or a fork."""

    def close(self, vma: Vma) -> None:
        """The VMA goes away."""

    def mapped(self, vma: Vma) -> i64:
        """Hear that a VMA, whose file said beforehand what it would be, stands: 0 or -errno."""
        return 0

    def may_split(self, vma: Vma, addr: i64) -> i64:
        """Answer 0 when the VMA may be split at `addr` (bytes), or -EINVAL."""
        return 0

    def mremap(self, vma: Vma) -> i64:
        """Hear that the VMA is a moved copy: 0, or an errno that undoes the move."""
        return 0

    def mprotect(self, vma: Vma, start: i64, end: i64, flags: i64) -> i64:
        """Answer 0 when the protection of `[start, end)` may become that of `flags`."""
        return 0


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Vma:
    """struct vm_area_struct: one range of addresses with one set of properties.

    Python's collector does not watch VMAs when compiled: following a hundred thousand of them costs
    more than the calls do.  A machine that is no longer needed is told so: `LinuxMachine.shutdown`.
    """

    def __init__(self, mm: Mm) -> None:
        self.vm_mm: Mm = mm
        # Bytes, page aligned, half-open.
        self.vm_start: i64 = 0
        self.vm_end: i64 = 0
        self.vm_flags: i64 = VM_NONE
        # Page offset into the file; for anonymous VMAs the page number of the address at which the
        # VMA was first mapped.
        self.vm_pgoff: i64 = 0
        # By how many pages the offset of a private file mapping's anonymous pages is off what its
        # address implies, since it was moved (Features.private_file_anon_pgoff); else 0.
        self.anon_delta: i64 = 0
        self.vm_file: File | None = None
        self.vm_ops: VmOps | None = None
        self.anon_vma: AnonVma | None = None
        self.vm_policy: Mempolicy | None = None
        self.vm_userfaultfd_ctx: UserfaultfdCtx | None = None
        # Name given by prctl(PR_SET_VMA_ANON_NAME), None without.
        self.anon_name: str | None = None
        # True from the store into the tree to the removal from it.
        self.attached: bool = False
        # Up to here is what merging looks at, close together for the processor's cache.
        # Oldest link first.
        self.anon_vma_chain: list[AnonVmaChain] = NO_LINKS
        # Its place in the file's reverse map, None while it is in none.
        self.shared: IntervalNode | None = None
        self.vm_private_data: object | None = None


# What an owner wants to be done once its mapping stands (enum mmap_action_type).
MMAP_NOTHING: Final = 0
MMAP_REMAP_PFN: Final = 1
MMAP_MAP_KERNEL_PAGES: Final = 4


@final
@mypyc_attr(native_class=True)
class MmapAction:
    """struct mmap_action: what completes a mapping after its VMA was made."""

    def __init__(self) -> None:
        self.type: int = MMAP_NOTHING
        # Bytes `[start, start + size)` of the mapping show the frames from `start_pfn` on.
        self.start: i64 = 0
        self.size: i64 = 0
        self.start_pfn: i64 = 0
        # An errno (negative) that is answered in place of any other, 0 for none.
        self.error_override: i64 = 0
        self.hide_from_rmap_until_complete: bool = False


# The operations of a VMA whose owner has none, or was told of the end.
vma_dummy_vm_ops: Final = VmOps()


@final
@mypyc_attr(native_class=True)
class VmAreaDesc:
    """struct vm_area_desc: a mapping before its VMA is made, as a file's mmap_prepare sees it."""

    def __init__(self, mm: Mm, file: File, start: i64, end: i64, pgoff: i64, vm_flags: i64) -> None:
        # Not to be changed; bytes.
        self.mm: Mm = mm
        self.file: File = file
        self.start: i64 = start
        self.end: i64 = end
        # May be changed. Another file comes with a reference of its own.
        self.pgoff: i64 = pgoff
        self.vm_file: File = file
        self.vm_flags: i64 = vm_flags
        # None: anonymous memory. Left alone, what the file's mmap sets stays.
        self.vm_ops: VmOps | None = vma_dummy_vm_ops
        self.action: MmapAction | None = None


@final
@mypyc_attr(native_class=True)
class Kioctx:
    """struct kioctx: a context of asynchronous I/O, and where its ring is mapped."""

    def __init__(self, ring_file: File, mmap_size: i64, max_reqs: int) -> None:
        self.aio_ring_file: File = ring_file
        # Bytes; the address is the context's id as well.
        self.mmap_base: i64 = 0
        self.mmap_size: i64 = mmap_size
        # Requests that it counts for against fs.aio-max-nr.
        self.max_reqs: int = max_reqs


@final
@mypyc_attr(native_class=True)
class Mm:
    """struct mm_struct: one address space."""

    def __init__(self, seam: Seam, page_tables: PageTables) -> None:
        self.seam: Seam = seam
        # What all address spaces of a kernel share, and two parts that are asked for all the time.
        self.kernel: KernelState = seam.kernel
        self.config: KernelConfig = self.kernel.config
        self.refusal: Refusal = self.kernel.refusal
        self.mm_mt: MapleTree = MapleTree(self.kernel.maple_node_cache)
        # None in kernels that have the maple tree alone.
        self.mm_rb: MmRb | None = MmRb() if self.config.features.guard_gaps_are_no_room else None
        self.map_count: i64 = 0
        # Pages.
        self.total_vm: i64 = 0
        self.locked_vm: i64 = 0
        # How far locked_vm is wrong by the kernel's own doing (dontunmap_keeps_locked_vm).
        self.locked_vm_miscount: i64 = 0
        self.pinned_vm: i64 = 0
        self.data_vm: i64 = 0
        self.exec_vm: i64 = 0
        self.stack_vm: i64 = 0
        self.hiwater_vm: i64 = 0
        # Flags that new VMAs get (mlockall(MCL_FUTURE), PR_SET_THP_DISABLE).
        self.def_flags: i64 = VM_NONE
        # Layout, bytes.
        # A plain int: registers of any size are compared with it.
        self.task_size: int = TASK_SIZE_MAX
        self.mmap_base: i64 = TASK_SIZE_MAX
        self.mmap_legacy_base: i64 = TASK_UNMAPPED_BASE
        # The same for 32-bit calls of a 64-bit program; 0: not known, their random part is another.
        self.mmap_compat_base: i64 = 0
        self.mmap_compat_legacy_base: i64 = 0
        self.topdown: bool = True
        self.start_code: i64 = 0
        self.end_code: i64 = 0
        self.start_data: i64 = 0
        self.end_data: i64 = 0
        self.start_brk: i64 = 0
        self.brk: i64 = 0
        self.start_stack: i64 = 0
        self.arg_start: i64 = 0
        self.arg_end: i64 = 0
        self.env_start: i64 = 0
        self.env_end: i64 = 0
        # MMF_* bits the engine needs.
        self.mdwe: i64 = 0
        self.mdwe_no_inherit: bool = False
        self.ksm_merge_any: bool = False
        self.thp_disable: bool = False
        self.thp_disable_except_advised: bool = False
        # Protection keys: bit mask of allocated ones, and the one for PROT_EXEC alone.
        self.pkey_allocation_map: i64 = 1 if self.config.pkeys else 0
        self.execute_only_pkey: i64 = -1
        # mmap_lock: 1 while write-locked, 2 while every lock is taken (mm_take_all_locks).
        self.mmap_lock: i64 = 0
        self.mm_users: i64 = 1
        self.page_tables: PageTables = page_tables
        # By number, None for one that was destroyed (the kernel's kioctx_table).
        self.ioctx_table: list[Kioctx | None] = []
        # The task whose limits and capabilities apply to the call at hand (the kernel's `current`).
        self.owner: Task | None = None

    @property
    def features(self) -> Features:
        """What distinguishes the kernel's version."""
        return self.config.features

    def validate_tree(self) -> None:
        """Raise where the tree of VMAs is broken in itself (`mt_validate`)."""
        self.mm_mt.validate()

    def refuse(self, errno: i64, check: i64, needed: i64, limit: i64) -> i64:
        """Note which check says no, and what its limit would have to be; answer -errno."""
        return self.refusal.refuse(errno, check, needed, limit)

    def refuse_at(self, errno: i64, check: i64, addr: i64) -> i64:
        """Note which check says no, and the address that it is about; answer -errno."""
        return self.refusal.refuse_at(errno, check, addr)

    def refuse_search(self, errno: i64, check: i64, needed: i64, low: i64, high: i64) -> i64:
        """Note which check says no, the bytes it looked for and where; answer -errno."""
        return self.refusal.refuse_search(errno, check, needed, low, high)

    def blame(self, errno: i64, argument: str, why: str) -> i64:
        """Note that an argument is against the rules; answer -errno."""
        return self.refusal.blame(errno, argument, why)

    def blame_at(self, errno: i64, argument: str, why: str, at: i64) -> i64:
        """Note that an argument is against the rules, and the address that tells; answer -errno."""
        return self.refusal.blame_at(errno, argument, why, at)

    def answer(self, errno: i64) -> i64:
        """Note that the call returns another errno than the check said; answer -errno."""
        return self.refusal.answer(errno)


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class VmaResult:
    """A VMA together with an errno that is 0 when all went well (the kernel's ERR_PTR)."""

    def __init__(self, error: i64, vma: Vma) -> None:
        self.error: i64 = error
        self.vma: Vma = vma


def vma_pages(vma: Vma) -> i64:
    """Return length of a VMA in pages."""
    return (vma.vm_end - vma.vm_start) >> PAGE_SHIFT


def vma_is_anonymous(vma: Vma) -> bool:
    """Tell whether a VMA has no operations, hence private zero-filled pages."""
    return vma.vm_ops is None


def linear_page_index(vma: Vma, addr: i64) -> i64:
    """Return page offset that belongs to an address (bytes) of the VMA."""
    return ((addr - vma.vm_start) >> PAGE_SHIFT) + vma.vm_pgoff
