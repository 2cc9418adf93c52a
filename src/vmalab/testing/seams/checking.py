# SPDX-License-Identifier: GPL-2.0-or-later
"""Seams for tests: the rest of the kernel as the VMA core sees it, watching what the core does.

`CheckingInternal` checks the core's assumptions and, inside each operation, the whole tree of VMAs;
locks must be taken once and given back, and limits are the test's.
"""

from mypy_extensions import i64

from vmalab.linux.mm.vma.validate import tree_violations
from vmalab.linux.mm.vma_internal import FileAddressSpace, VmaInternal
from vmalab.linux.types.file import mapping_maps
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import AnonVma, Mm, Vma
from vmalab.linux.types.vma_iterator import find_vma_intersection

NO_LIMIT = 0x7FFFFFFFFFFFFFFF


class VmaBug(AssertionError):
    """The engine broke one of its own rules: a defect of vmalab, never of the caller."""


def is_private(mm: Mm) -> bool:
    """Whether nobody else can see an mm: it is being made for a task that has another one still."""
    return mm.owner is not None and mm.owner.mm is not mm


class CheckingInternal(VmaInternal):
    """A seam that raises `VmaBug` at the first broken rule.

    limits: soft limits in bytes by RLIMIT_* number; those missing are infinite.  The process is not
    privileged.  interrupted: what `signal_pending` answers.
    """

    def __init__(self, kernel: KernelState) -> None:
        super().__init__(kernel)
        kernel.debug_vm = True
        self.limits: dict[int, int] = {}
        self.interrupted = False
        # mmap locks that are held.
        self.nr_mmap_locks = 0
        # What was locked since `forget`, in order.
        self.locked: list[Vma | AnonVma | FileAddressSpace] = []
        # VMAs that are out of their anon_vmas' trees of ranges, and those that ever were.
        self.updating: list[Vma] = []
        self.updated: list[Vma] = []
        self.adjust()

    def adjust(self) -> None:
        """Change the kernel's configuration: a subclass may, whenever a test has settled it."""

    def forget(self) -> None:
        """Forget what was locked and updated."""
        self.locked.clear()
        self.updated.clear()

    def mmap_write_lock(self, mm: Mm) -> None:
        """Custom: count it."""
        self.nr_mmap_locks += 1
        super().mmap_write_lock(mm)

    def mmap_write_unlock(self, mm: Mm) -> None:
        """Custom: count it."""
        self.nr_mmap_locks -= 1
        super().mmap_write_unlock(mm)

    def mmap_assert_write_locked(self, mm: Mm) -> None:
        """Custom: the caller holds the mmap lock for writing.

        Between calls nobody does, when a target states how the map of a process is.
        """
        if mm.mmap_lock != 0 or is_private(mm):
            return
        if mm.owner is None or self.nr_mmap_locks != 0:
            raise VmaBug("the mmap lock is not held for writing")

    def vma_start_write(self, vma: Vma) -> None:
        """Custom: note the VMA as locked."""
        self.mmap_assert_write_locked(vma.vm_mm)
        self.locked.append(vma)

    def i_mmap_lock_write(self, mapping: FileAddressSpace) -> None:
        """Custom: lock a reverse map that is not locked."""
        if mapping.i_mmap_locked:
            raise VmaBug("a file's reverse map is locked twice")
        self.locked.append(mapping)
        super().i_mmap_lock_write(mapping)

    def i_mmap_unlock_write(self, mapping: FileAddressSpace) -> None:
        """Custom: unlock a reverse map that is locked."""
        if not mapping.i_mmap_locked:
            raise VmaBug("a file's reverse map is unlocked that was not locked")
        super().i_mmap_unlock_write(mapping)

    def vma_interval_tree_insert(self, vma: Vma, mapping: FileAddressSpace) -> None:
        """Custom: enter a VMA into its file's set, once and under the lock."""
        if not mapping.i_mmap_locked or vma.shared is not None:
            raise VmaBug("a VMA enters its file's reverse map twice, or without the lock")
        super().vma_interval_tree_insert(vma, mapping)

    def vma_interval_tree_remove(self, vma: Vma, mapping: FileAddressSpace) -> None:
        """Custom: take a VMA out of its file's set, once and under the lock."""
        if not mapping.i_mmap_locked or not mapping_maps(mapping, vma):
            raise VmaBug("a VMA leaves its file's reverse map twice, or without the lock")
        super().vma_interval_tree_remove(vma, mapping)

    def anon_vma_lock_write(self, anon_vma: AnonVma) -> None:
        """Custom: lock an anon_vma that is not locked."""
        if anon_vma.root.locked:
            raise VmaBug("an anon_vma is locked twice")
        self.locked.append(anon_vma)
        super().anon_vma_lock_write(anon_vma)

    def anon_vma_unlock_write(self, anon_vma: AnonVma) -> None:
        """Custom: unlock an anon_vma that is locked."""
        if not anon_vma.root.locked:
            raise VmaBug("an anon_vma is unlocked that was not locked")
        super().anon_vma_unlock_write(anon_vma)

    def unmap_region(self, mm: Mm, start: i64, end: i64, floor: i64, ceiling: i64) -> None:
        """Custom: between floor and ceiling there may be nothing but what is unmapped."""
        for first, last in ((floor, start), (end, ceiling)):
            if first < last and find_vma_intersection(mm, first, last) is not None:
                raise VmaBug("page tables are freed where a neighbour is mapped")
        super().unmap_region(mm, start, end, floor, ceiling)

    def anon_vma_interval_tree_pre_update_vma(self, vma: Vma) -> None:
        """Custom: a VMA leaves its anon_vmas' trees, of which one lock holds for all."""
        if vma in self.updating:
            raise VmaBug("a VMA leaves the trees of its anon_vmas twice")
        if vma.anon_vma_chain and not vma.anon_vma_chain[0].anon_vma.root.locked:
            raise VmaBug("a VMA leaves the trees of its anon_vmas without their lock")
        self.updating.append(vma)
        self.updated.append(vma)

    def anon_vma_interval_tree_post_update_vma(self, vma: Vma) -> None:
        """Custom: a VMA comes back into its anon_vmas' trees."""
        if vma not in self.updating:
            raise VmaBug("a VMA enters the trees of its anon_vmas twice")
        self.updating.remove(vma)

    def rlimit(self, mm: Mm, resource: i64) -> i64:
        """Custom: the test's limit, or that of the task whose call it is."""
        if mm.owner is not None:
            return super().rlimit(mm, resource)
        return self.limits.get(int(resource), NO_LIMIT)

    def signal_pending(self, mm: Mm) -> bool:
        """Custom: what the test wants."""
        return self.interrupted or super().signal_pending(mm)

    def warn_on(self, mm: Mm, what: str) -> None:
        """Custom: a broken assumption ends the test."""
        super().warn_on(mm, what)
        raise VmaBug(what)

    def validate_mm(self, mm: Mm) -> None:
        """Custom: check the tree, not the counters, which the operation may still change."""
        found = tree_violations(mm)
        if found:
            raise VmaBug("; ".join(found))
