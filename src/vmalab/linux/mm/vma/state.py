# SPDX-License-Identifier: GPL-2.0-or-later
"""The structs that the VMA operations thread through their steps.

Fields are grouped by who may write them: the caller's inputs, the caller's options, internal state.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.mm.vma_internal import (
    PAGE_SHIFT,
    AnonVma,
    File,
    FileAddressSpace,
    Mempolicy,
    Mm,
    MmapAction,
    UserfaultfdCtx,
    Vma,
    Vmi,
    VmOps,
    vma_dummy_vm_ops,
)

VMA_MERGE_START: Final = 0
VMA_MERGE_ERROR_NOMEM: Final = 1
VMA_MERGE_NOMERGE: Final = 2
VMA_MERGE_SUCCESS: Final = 3


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Vmg:
    """struct vma_merge_struct: a proposed range, its neighbours, and what became of it.

        |------|--------|------|
        | prev | middle | next |
        |------|--------|------|

    `middle` is the existing VMA that is modified, or None for a range that is new.
    """

    def __init__(self, mm: Mm, vmi: Vmi, start: i64, end: i64, vm_flags: i64, pgoff: i64) -> None:
        # Inputs; a merge widens start, end and pgoff to the merged range.
        self.mm: Mm = mm
        self.vmi: Vmi = vmi
        self.prev: Vma | None = None
        self.middle: Vma | None = None
        self.next: Vma | None = None
        self.start: i64 = start
        self.end: i64 = end
        self.vm_flags: i64 = vm_flags
        self.pgoff: i64 = pgoff
        self.file: File | None = None
        self.anon_vma: AnonVma | None = None
        self.policy: Mempolicy | None = None
        self.uffd_ctx: UserfaultfdCtx | None = None
        self.anon_name: str | None = None
        self.anon_delta: i64 = 0
        # The source of a move, for which the range is new.
        self.copied_from: Vma | None = None
        # Options.
        # Only prev may grow; there is nothing to the right.
        self.just_expand: bool = False
        # A merge that runs out of memory is given up silently.
        self.give_up_on_oom: bool = False
        # When prev and next fit the range but not each other, next is the one that grows.
        self.prefers_next: bool = False
        # Outcome: the state, the VMA that became the merged one, and for vma_modify* the VMA that
        # covers the range or the errno.
        self.state: i64 = VMA_MERGE_START
        self.target: Vma | None = None
        self.result: Vma | None = None
        self.error: i64 = 0
        # Internal.
        self.adjust_middle_start: bool = False
        self.adjust_next_start: bool = False
        self.remove_middle: bool = False
        self.remove_next: bool = False


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class VmaPrepare:
    """struct vma_prepare: the VMAs and locks that one alteration of the tree involves."""

    def __init__(self, vma: Vma) -> None:
        self.vma: Vma = vma
        self.adj_next: Vma | None = None
        self.file: File | None = vma.vm_file
        self.mapping: FileAddressSpace | None = None
        self.anon_vma: AnonVma | None = vma.anon_vma
        self.insert: Vma | None = None
        self.remove: Vma | None = None
        self.remove2: Vma | None = None


# What an unmapping begins with; nobody adds to it.
NO_VMAS: Final[list[Vma]] = []


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Vms:
    """struct vma_munmap_struct: a range to unmap, the VMAs gathered from it, and their sums."""

    def __init__(self, vmi: Vmi, vma: Vma | None, start: i64, end: i64) -> None:
        self.vmi: Vmi = vmi
        # The first VMA of the range; the ones before and after it.
        self.vma: Vma | None = vma
        self.prev: Vma | None = None
        self.next: Vma | None = None
        # Bytes.
        self.start: i64 = start
        self.end: i64 = end
        # Page tables may be freed up to the neighbours.
        self.unmap_start: i64 = 0
        self.unmap_end: i64 = 0
        # The VMAs taken out, lowest first.
        self.detached: list[Vma] = NO_VMAS
        self.clear_ptes: bool = False
        # Pages.
        self.nr_pages: i64 = 0
        self.locked_vm: i64 = 0
        self.nr_accounted: i64 = 0
        self.exec_vm: i64 = 0
        self.stack_vm: i64 = 0
        self.data_vm: i64 = 0
        # Contexts that userfaultfd must tell of the unmapping; None when nobody waits for that.
        self.uf: list[object] | None = None


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class MmapState:
    """struct mmap_state: one mapping that is being made."""

    def __init__(
        self,
        mm: Mm,
        vmi: Vmi,
        addr: i64,
        length: i64,
        pgoff: i64,
        vm_flags: i64,
        file: File | None,
        vms: Vms,
    ) -> None:
        self.mm: Mm = mm
        self.vmi: Vmi = vmi
        # Bytes; pages.
        self.addr: i64 = addr
        self.end: i64 = addr + length
        self.pgoff: i64 = pgoff
        self.pglen: i64 = length >> PAGE_SHIFT
        self.vm_flags: i64 = vm_flags
        self.file: File | None = file
        # Another file than was asked for, with a reference that is the mapping's.
        self.file_doesnt_need_get: bool = False
        self.vm_ops: VmOps | None = vma_dummy_vm_ops
        self.action: MmapAction | None = None
        # Pages charged against the commit limit.
        self.charged: i64 = 0
        # Of these, what the mappings were charged that it replaces.
        self.charged_before: i64 = 0
        self.prev: Vma | None = None
        self.next: Vma | None = None
        self.vms: Vms = vms


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class UnmappedAreaInfo:
    """struct vm_unmapped_area_info: what a search for a free range must satisfy, in bytes."""

    def __init__(self, length: i64, low_limit: i64, high_limit: i64) -> None:
        self.topdown: bool = False
        self.length: i64 = length
        self.low_limit: i64 = low_limit
        self.high_limit: i64 = high_limit
        # The result is `align_offset` modulo `align_mask + 1`.
        self.align_mask: i64 = 0
        self.align_offset: i64 = 0
        # Left free below the result, for shadow stacks.
        self.start_gap: i64 = 0
