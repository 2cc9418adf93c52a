# SPDX-License-Identifier: GPL-2.0-or-later
"""Page faults that the recording tells of: applied to the model right before they could matter.

A recorder that can look at pages notes which private memory had been written to, near every call
that could depend on it. Where it did, nothing is supposed: see `faults` for recordings without.
"""

from vmalab.linux.include.mm_flags import VM_MAYSHARE, VM_SHARED, VM_SPECIAL
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE
from vmalab.linux.mm.page_tables import PTE_GUARD, PTE_POISON
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.mm.vma.stack import expand_downwards
from vmalab.linux.types.file import I_REG
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import find_vma, vma_lookup
from vmalab.replay.process_image import ImageState
from vmalab.targets.model.identity import Identities


def apply_faults(state: ImageState, line: int, identities: Identities) -> None:
    """Apply what was seen before a line of the log. Errors: ReadError."""
    mm = state.mm
    while (fact := state.next_faults(line)) is not None:
        if mm is None:
            continue
        if fact.kind == "pages":
            for address in fact.addresses:
                _written(mm, address)
        elif fact.kind == "size":
            inode = identities.of_stat((fact.dev, fact.inode))
            if inode is not None and inode.kind == I_REG and inode.hugetlb is None:
                inode.size = fact.size
        elif fact.kind == "grow":
            for address in fact.addresses:
                _grow_to(mm, address)
        else:
            _grown(mm, fact.addresses[0], fact.addresses[1])


def _written(mm: Mm, address: int) -> None:
    """Private memory at an address (bytes) has a page of its own, so it has an anon_vma.

    Recorders took a marker for a page: that of a guard region, or of what a userfaultfd protects.
    """
    vma = vma_lookup(mm, address)
    if vma is None or vma.anon_vma is not None or _is_marked(mm, address):
        return
    if vma.vm_flags & (VM_SHARED | VM_MAYSHARE | VM_SPECIAL) == 0:
        anon_vma_prepare(vma)


def _grow_to(mm: Mm, address: int) -> None:
    """A fault below a stack lets it grow, unless a limit is in the way."""
    vma = find_vma(mm, address)
    if vma is not None and vma.vm_start > address:
        expand_downwards(vma, address)


def _is_marked(mm: Mm, address: int) -> bool:
    """Return whether a call has put a marker in the place of the page at an address (bytes)."""
    start = address & PAGE_MASK
    tables = mm.page_tables
    for _, _, kind in tables.ranges(start, start + PAGE_SIZE):
        return kind in (PTE_GUARD, PTE_POISON)
    return tables.uffd.first(start, start + PAGE_SIZE) == start


def _grown(mm: Mm, start: int, end: int) -> None:
    """A stack that ends at `end` has grown down to `start`, or further."""
    vma = vma_lookup(mm, end - 1)
    if vma is not None and vma.vm_end == end and start < vma.vm_start:
        expand_downwards(vma, start)
