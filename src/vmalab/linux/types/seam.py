# SPDX-License-Identifier: GPL-2.0-or-later
"""The hooks between the VMA core and the rest of the kernel, as every address space has them.

What each does stands at `VmaInternal` of mm/vma_internal.py, which carries them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.mm_flags import VM_STICKY
from vmalab.linux.lib.slab import KmemCache
from vmalab.linux.types.kernel_state import KernelState

if TYPE_CHECKING:
    from vmalab.linux.types.file import File, FileAddressSpace
    from vmalab.linux.types.mm_types import AnonVma, Mempolicy, Mm, Vma


@mypyc_attr(allow_interpreted_subclasses=True)
class Seam:
    """The hooks, and what every seam carries besides."""

    def __init__(self, kernel: KernelState) -> None:
        # What belongs to the machine.
        self.kernel: KernelState = kernel
        # Flags that do not keep VMAs apart (VM_IGNORE_MERGE): a merged VMA has them if a part did,
        # when they are sticky, else those of the VMA that grows.
        self.vm_ignore_merge: i64 = VM_STICKY

    # Allocation.

    def kmem_cache_alloc(self, cache: KmemCache) -> bool:
        raise NotImplementedError

    def kmem_cache_free(self, cache: KmemCache, obj: object) -> None:
        raise NotImplementedError

    # Locks.

    def mmap_write_lock(self, mm: Mm) -> None:
        raise NotImplementedError

    def mmap_write_unlock(self, mm: Mm) -> None:
        raise NotImplementedError

    def mmap_assert_write_locked(self, mm: Mm) -> None:
        raise NotImplementedError

    def vma_start_write(self, vma: Vma) -> None:
        raise NotImplementedError

    def i_mmap_lock_write(self, mapping: FileAddressSpace) -> None:
        raise NotImplementedError

    def i_mmap_unlock_write(self, mapping: FileAddressSpace) -> None:
        raise NotImplementedError

    def anon_vma_lock_write(self, anon_vma: AnonVma) -> None:
        raise NotImplementedError

    def anon_vma_unlock_write(self, anon_vma: AnonVma) -> None:
        raise NotImplementedError

    def signal_pending(self, mm: Mm) -> bool:
        raise NotImplementedError

    # Reverse maps.

    def anon_vma_attach(self, vma: Vma, mergeable: AnonVma | None) -> i64:
        raise NotImplementedError

    def anon_vma_clone(self, dst: Vma, src: Vma) -> i64:
        raise NotImplementedError

    def unlink_anon_vmas(self, vma: Vma) -> None:
        raise NotImplementedError

    def anon_vma_interval_tree_pre_update_vma(self, vma: Vma) -> None:
        raise NotImplementedError

    def anon_vma_interval_tree_post_update_vma(self, vma: Vma) -> None:
        raise NotImplementedError

    def vma_interval_tree_insert(self, vma: Vma, mapping: FileAddressSpace) -> None:
        raise NotImplementedError

    def vma_interval_tree_remove(self, vma: Vma, mapping: FileAddressSpace) -> None:
        raise NotImplementedError

    # Files.

    def get_file(self, file: File) -> None:
        raise NotImplementedError

    def fput(self, file: File) -> None:
        raise NotImplementedError

    # NUMA policies.

    def mpol_equal(self, a: Mempolicy | None, b: Mempolicy | None) -> bool:
        raise NotImplementedError

    def vma_dup_policy(self, src: Vma, dst: Vma) -> i64:
        raise NotImplementedError

    def mpol_put(self, policy: Mempolicy | None) -> None:
        raise NotImplementedError

    # Limits.

    def rlimit(self, mm: Mm, resource: i64) -> i64:
        raise NotImplementedError

    # Page tables.

    def unmap_region(self, mm: Mm, start: i64, end: i64, floor: i64, ceiling: i64) -> None:
        raise NotImplementedError

    def move_page_tables(self, vma: Vma, old: i64, new: i64, length: i64) -> i64:
        raise NotImplementedError

    # Checks.

    def validate_mm(self, mm: Mm) -> None:
        raise NotImplementedError

    def warn_on(self, mm: Mm, what: str) -> None:
        raise NotImplementedError
