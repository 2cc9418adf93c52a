# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that a fork gave a process: it may have been written to before, by the parent.

Such a VMA is chained to the parent's anon_vma beside its own, and merges with none that was not.
"""

from vmalab.linux.mm.rmap import anon_vma_clone, anon_vma_fork, attach_anon_vma, unlink_anon_vmas
from vmalab.linux.types.mm_types import AnonVma, Vma


def inherit(parts: list[Vma]) -> list[AnonVma]:
    """Let VMAs that were one at a fork have been written to before it; their new anon_vmas."""
    first = parts[0]
    for part in parts:
        unlink_anon_vmas(part)
    parent = Vma(first.vm_mm)
    if attach_anon_vma(parent, None) != 0:
        return []
    made = [] if parent.anon_vma is None else [parent.anon_vma]
    anon_vma_fork(first, parent)
    unlink_anon_vmas(parent)
    if first.anon_vma is None:
        return []
    for part in parts[1:]:
        part.anon_vma = first.anon_vma
        anon_vma_clone(part, first)
    return [*made, first.anon_vma]
