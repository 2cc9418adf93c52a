# SPDX-License-Identifier: GPL-2.0-or-later
"""Remembers a part of an address space, so that a call can be undone and tried again.

What is captured: the VMAs of a range with their anon_vmas, files and policies, and the counters of
the mm. Page tables and what owners of mappings did on open and close are not.
"""

from typing import cast, final

from mypy_extensions import i64, mypyc_attr

from vmalab.calls.ranges import Ranges
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.lib.maple_walk import Entries
from vmalab.linux.mm.rmap import drop_links, hold_links, link_anon_vma
from vmalab.linux.mm.vma.munmap import free_pgtables
from vmalab.linux.mm.vma.prepare import vma_link_file
from vmalab.linux.mm.vma.split import _split_vma
from vmalab.linux.mm.vma_init import (
    vm_area_alloc,
    vm_area_dup,
    vm_area_free,
    vm_area_init_from,
)
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi, vma_lookup


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
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
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Capture:
    """The VMAs of some ranges of an mm as they are now. Every capture must be released once.

    copies: of the VMAs, with their references. vmas: what was put in their place by `restore`.
    """

    def __init__(self, mm: Mm, ranges: Ranges | None = None) -> None:
        """Begin with some ranges, in bytes, if any."""
        self.mm = mm
        self.vmas: list[Vma] = []
        self.copies: list[Vma] = []
        self._counters = _Counters(mm)
        if ranges is not None:
            for start, end in sorted(ranges):
                self.add(start, end)

    def add(self, start: i64, end: i64) -> None:
        """Add the VMAs that have an address in `[start, end)` (bytes) or touch its ends.

        Preconditions: no range has been added that starts higher.
        """
        copies = self.copies
        # Up to here all has been captured.
        last: i64 = -1
        if copies:
            last = copies[-1].vm_start
        low, limit = bounds(start, end)
        entries = Entries(self.mm.mm_mt, low)
        while (vma := cast("Vma | None", entries.next(limit - 1))) is not None:
            if vma.vm_start > last:
                copies.append(hold(vma))

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


def bounds(start: i64, end: i64) -> tuple[i64, i64]:
    """Return where to look, and up to where, for VMAs in a range or next to it (bytes)."""
    if start > 0:
        start -= 1
    else:
        start = 0
    if end < TASK_SIZE_5LEVEL:
        return start, end + 1
    return start, TASK_SIZE_5LEVEL


def vmas_in(mm: Mm, start: int, end: int) -> list[Vma]:
    """The VMAs that have an address in `[start, end)` (bytes) or touch its ends, lowest first."""
    found: list[Vma] = []
    low, limit = bounds(start, end)
    entries = Entries(mm.mm_mt, low)
    while (vma := cast("Vma | None", entries.next(limit - 1))) is not None:
        found.append(vma)
    return found


def hold(vma: Vma) -> Vma:
    """Return a copy of a VMA that keeps its file, policy and anon_vmas alive.

    It is none of the kernel's objects: no cache counts it.
    """
    copy = Vma(vma.vm_mm)
    vm_area_init_from(vma, copy)
    hold_links(copy, vma)
    _hold_others(copy, vma)
    return copy


def _hold_others(copy: Vma, vma: Vma) -> None:
    """Let a copy have its VMA's policy too, and hold that and the file."""
    copy.vm_policy = vma.vm_policy
    if copy.vm_policy is not None:
        copy.vm_policy.refcnt += 1
    if copy.vm_file is not None:
        copy.vm_file.f_count += 1


def let_go(copy: Vma) -> None:
    """Give back what `hold` took."""
    drop_links(copy)
    if copy.vm_policy is not None:
        copy.vm_mm.seam.mpol_put(copy.vm_policy)
    if copy.vm_file is not None:
        copy.vm_mm.seam.fput(copy.vm_file)


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
    vma = vm_area_dup(copy)
    assert vma is not None
    for link in copy.anon_vma_chain:
        link_anon_vma(vma, link.anon_vma)
    if vma.anon_vma is not None:
        vma.anon_vma.num_active_vmas += 1
    _hold_others(vma, copy)
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
