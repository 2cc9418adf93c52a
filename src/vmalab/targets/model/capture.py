# SPDX-License-Identifier: GPL-2.0-or-later
"""Remembers a part of an address space, so that a call can be undone and tried again.

What is captured: the VMAs of a range with their anon_vmas, files and policies, and the counters of
the mm. Page tables and what owners of mappings did on open and close are not.
"""

from typing import final

from mypy_extensions import i64

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.mm.rmap import link_anon_vma, unlink_anon_vmas
from vmalab.linux.mm.vma.munmap import free_pgtables
from vmalab.linux.mm.vma.prepare import vma_link_file
from vmalab.linux.mm.vma.split import _split_vma
from vmalab.linux.mm.vma_init import vm_area_alloc, vm_area_dup, vm_area_free
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi, vma_lookup


@final
class _Counters:
    """The numbers of an mm that a call may change."""

    def __init__(self, mm: Mm) -> None:
        self.map_count = mm.map_count
        self.total_vm = mm.total_vm
        self.locked_vm = mm.locked_vm
        self.locked_vm_miscount = mm.locked_vm_miscount
        self.data_vm = mm.data_vm
        self.exec_vm = mm.exec_vm
        self.stack_vm = mm.stack_vm
        self.brk = mm.brk
        self.def_flags = mm.def_flags
        self.committed_as = mm.kernel.committed_as
        self.commit_miscount = mm.kernel.commit_miscount

    def restore(self, mm: Mm) -> None:
        """Put the numbers back."""
        mm.map_count = self.map_count
        mm.total_vm = self.total_vm
        mm.locked_vm = self.locked_vm
        mm.locked_vm_miscount = self.locked_vm_miscount
        mm.data_vm = self.data_vm
        mm.exec_vm = self.exec_vm
        mm.stack_vm = self.stack_vm
        mm.brk = self.brk
        mm.def_flags = self.def_flags
        mm.kernel.committed_as = self.committed_as
        mm.kernel.commit_miscount = self.commit_miscount


@final
class Capture:
    """The VMAs of some ranges of an mm as they are now. Every capture must be released once.

    ranges: [start, end) in bytes; VMAs that only touch a range's ends belong to it.
    """

    def __init__(self, mm: Mm, ranges: list[tuple[int, int]]) -> None:
        self.mm = mm
        self.ranges = ranges
        self.vmas: list[Vma] = []
        # The VMAs themselves, and copies of them that hold their references.
        self.copies: list[Vma] = []
        self._counters = _Counters(mm)
        if len(ranges) == 1:
            start, end = ranges[0]
            self.vmas = vmas_in(mm, start, end)
        else:
            seen: set[Vma] = set()
            for start, end in ranges:
                seen.update(vmas_in(mm, start, end))
            self.vmas = sorted(seen, key=_start_of)
        for vma in self.vmas:
            self.copies.append(hold(vma))

    def release(self) -> None:
        """Give back what the copies hold."""
        for copy in self.copies:
            let_go(copy)
        self.copies = []

    def restore(self, ranges: list[tuple[int, int]]) -> None:
        """Put the captured VMAs back, in the place of all that is in `ranges` or in theirs.

        What lies outside stays, also the rest of a VMA that reaches into them by now. The VMAs in
        the tree are new ones afterwards; the capture stays usable.
        """
        mm = self.mm
        was_cut = False
        spans = [(copy.vm_start, copy.vm_end) for copy in self.copies]
        for start, end in ranges + spans:
            if start >= end:
                continue
            was_cut = cut(mm, start) or was_cut
            was_cut = cut(mm, end) or was_cut
            for vma in vmas_in(mm, start + 1, end - 1):
                remove(vma)
        self.vmas = [insert(mm, copy) for copy in self.copies]
        self._counters.restore(mm)
        if was_cut:
            mm.map_count = len(mm_vmas(mm))


def cut(mm: Mm, addr: int) -> bool:
    """Split the VMA that `addr` (bytes) lies inside of: whether there is one that may be split."""
    vma = vma_lookup(mm, addr)
    if vma is None or vma.vm_start == addr:
        return False
    vmi = Vmi(mm, vma.vm_start)
    vmi.load()
    return _split_vma(vmi, vma, addr, True) == 0


def _start_of(vma: Vma) -> int:
    return vma.vm_start


def vmas_in(mm: Mm, start: int, end: int) -> list[Vma]:
    """The VMAs that have an address in `[start, end)` (bytes) or touch its ends, lowest first."""
    found: list[Vma] = []
    low: i64 = max(start - 1, 0)
    limit: i64 = min(end + 1, TASK_SIZE_5LEVEL)
    vmi = Vmi(mm, low)
    vma = vmi.find(limit)
    while vma is not None:
        found.append(vma)
        vma = vmi.find(limit)
    return found


def hold(vma: Vma) -> Vma:
    """Return a copy of a VMA that is in no tree and keeps its file and anon_vmas alive."""
    copy = vm_area_dup(vma)
    assert copy is not None
    copy.anon_vma = None
    for link in vma.anon_vma_chain:
        link_anon_vma(copy, link.anon_vma)
    copy.anon_vma = vma.anon_vma
    if copy.anon_vma is not None:
        copy.anon_vma.num_active_vmas += 1
    copy.vm_policy = vma.vm_policy
    if copy.vm_policy is not None:
        copy.vm_policy.refcnt += 1
    if copy.vm_file is not None:
        copy.vm_file.f_count += 1
    return copy


def let_go(copy: Vma) -> None:
    """Give back what `hold` took."""
    seam = copy.vm_mm.seam
    unlink_anon_vmas(copy)
    seam.mpol_put(copy.vm_policy)
    if copy.vm_file is not None:
        seam.fput(copy.vm_file)
    vm_area_free(copy)


def remove(vma: Vma) -> None:
    """Take a VMA out of its mm for good, without asking or telling its owner."""
    mm = vma.vm_mm
    seam = mm.seam
    Vmi(mm, vma.vm_start).clear_gfp(vma.vm_start, vma.vm_end)
    if mm.mm_rb is not None:
        mm.mm_rb.unlink(vma)
    mm.map_count -= 1
    free_pgtables(mm, [vma])
    if vma.vm_file is not None:
        seam.fput(vma.vm_file)
    seam.mpol_put(vma.vm_policy)
    vm_area_free(vma)


def insert(mm: Mm, copy: Vma) -> Vma:
    """Return a VMA like a held copy, in the tree."""
    vma = hold(copy)
    store(mm, vma)
    return vma


def store(mm: Mm, vma: Vma) -> None:
    """Enter a VMA that holds its references into the tree and into its file's reverse map."""
    Vmi(mm, vma.vm_start).store_gfp(vma)
    vma_link_file(mm.seam, vma, False)
    mm.map_count += 1


def new_vma(mm: Mm) -> Vma:
    """Return a VMA with nothing set."""
    vma = vm_area_alloc(mm)
    assert vma is not None
    return vma
