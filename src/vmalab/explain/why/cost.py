# SPDX-License-Identifier: GPL-2.0-or-later
"""What an address space costs beside its pages, and how many pages it can have: upper bounds.

Assumed is that every page that may be accessed has been: such memory has all its page tables. Pages
that nobody may access (PROT_NONE) have none, and guard regions an entry but no page. Objects have
the sizes of Linux 6.18: 192 bytes a VMA, 256 for each ten entries of the tree, 168 an anon_vma with
its link.
"""

from typing import Final, NamedTuple

from mypy_extensions import i64

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_HUGETLB,
    VM_SPECIAL,
    VM_WRITE,
)
from vmalab.linux.include.page import PAGE_SHIFT, PMD_MASK, PMD_SIZE
from vmalab.linux.mm.memory import thp_fault_suitable
from vmalab.linux.types.mm_types import Mm

VMA_BYTES: Final = 192
NODE_BYTES: Final = 256
NODE_ENTRIES: Final = 10
ANON_VMA_BYTES: Final = 168
# log2 of what a table of each level but the root covers.
_SHIFTS: Final = (21, 30, 39)


class Estimate(NamedTuple):
    """Bytes. resident: of private memory that may be written to; huge: of that, what faults may
    back by huge pages, by the setting and the advice given; page_tables: for all that may be
    accessed; kernel: objects that stand for VMAs.
    """

    resident: int
    huge: int
    page_tables: int
    kernel: int


def resident(mm: Mm) -> i64:
    """Bytes of private memory that may be written to, stacks included, less guard regions."""
    return (mm.data_vm + mm.stack_vm - mm.page_tables.nr_guard) << PAGE_SHIFT


def estimate(mm: Mm) -> Estimate:
    """Return what an address space costs at most, now."""
    tables = vmas = chains = huge = 0
    last = [-1, -1, -1]
    for vma in mm_vmas(mm):
        vmas += 1
        chains += len(vma.anon_vma_chain)
        if vma.vm_flags & VM_ACCESS_FLAGS == 0 or vma.vm_flags & (VM_SPECIAL | VM_HUGETLB):
            continue
        if vma.vm_ops is None and vma.vm_flags & VM_WRITE:
            first_huge = (vma.vm_start + PMD_SIZE - 1) & PMD_MASK
            if thp_fault_suitable(vma, first_huge):
                huge += (vma.vm_end & PMD_MASK) - first_huge
        for level, shift in enumerate(_SHIFTS):
            first, final = vma.vm_start >> shift, (vma.vm_end - 1) >> shift
            tables += final - max(first, last[level] + 1) + 1
            last[level] = final
    nodes = 2 * vmas // NODE_ENTRIES + 1
    kernel = vmas * VMA_BYTES + nodes * NODE_BYTES + chains * ANON_VMA_BYTES
    return Estimate(int(resident(mm)), int(huge), (int(tables) + 1) << PAGE_SHIFT, kernel)
