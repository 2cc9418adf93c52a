# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether two address spaces are alike, as far as a map shows them."""

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.types.mm_types import Mm


def same_counters(one: Mm, two: Mm) -> bool:
    """Return whether two address spaces have as many VMAs and as many pages."""
    return one.map_count == two.map_count and one.total_vm == two.total_vm


def same_map(one: Mm, two: Mm) -> bool:
    """Return whether two address spaces have the same VMAs, as far as a map shows them."""
    if not same_counters(one, two):
        return False
    for a, b in zip(mm_vmas(one), mm_vmas(two), strict=True):
        if (a.vm_start, a.vm_end, a.vm_flags) != (b.vm_start, b.vm_end, b.vm_flags):
            return False
        if a.vm_pgoff != b.vm_pgoff or (a.vm_file is None) != (b.vm_file is None):
            return False
    return True
