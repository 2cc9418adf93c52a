# SPDX-License-Identifier: GPL-2.0-or-later
"""Gives the red-black tree of an old kernel the shape that exec leaves it with.

A map does not tell in which order its VMAs came; exec enters the stack first, then the segments of
the program, and last the vdso, then vvar below it.
"""

from vmalab.linux.fs.exec import SpecialMappingOps
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.lib.rbtree import RbNode
from vmalab.linux.types.mm_types import Mm


def order_as_exec(mm: Mm, vdso_dropped: bool) -> None:
    """Enter the VMAs of a first map anew, in exec's order.

    vdso_dropped: the program has unmapped vdso and vvar again.
    """
    rb = mm.mm_rb
    if rb is None:
        return
    rb.destroy()
    vmas = mm_vmas(mm)
    stack = next((vma for vma in vmas if vma.vm_start <= mm.start_stack < vma.vm_end), None)
    if stack is not None:
        rb.link(stack, None)
    for vma in vmas:
        if vma is not stack and not isinstance(vma.vm_ops, SpecialMappingOps):
            is_above = stack is None or vma.vm_start > stack.vm_start
            rb.link(vma, None if is_above else stack)
    following = None
    for vma in reversed(vmas):
        if isinstance(vma.vm_ops, SpecialMappingOps):
            rb.link(vma, following)
        following = vma
    if vdso_dropped and stack is not None:
        vdso, vvar = RbNode(None), RbNode(None)
        rb.root.insert_before(vdso, rb.nodes[stack])
        rb.root.insert_before(vvar, vdso)
        rb.root.erase(vvar)
        rb.root.erase(vdso)
