# SPDX-License-Identifier: GPL-2.0-or-later
"""The red-black tree in which kernels before 6.1 keep VMAs, for the answers that its shape decides.

All else is found in the maple tree, as in later kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, final

from mypy_extensions import mypyc_attr

from vmalab.linux.lib.rbtree import RbNode, RbRoot, rb_next

if TYPE_CHECKING:
    from vmalab.linux.types.mm_types import Mm, Vma


@final
@mypyc_attr(native_class=True)
class MmRb:
    """The `mm_rb` of struct mm_struct."""

    def __init__(self) -> None:
        self.root: RbRoot = RbRoot()
        self.nodes: dict[Vma, RbNode] = {}
        # While munmap splits: what goes is the new part there, what stays the old one.
        self.unmapping: bool = False

    def link(self, vma: Vma, at: Vma | None) -> None:
        """Enter a VMA that is new; `at`: the one that has been cut, or that comes next, if any.

        Kernel: vma_link(), __insert_vm_struct().
        """
        node = self.nodes.get(at) if at is not None else None
        below = at is None or at.vm_start >= vma.vm_end
        cut = at is not None and (at.vm_start == vma.vm_end or not below)
        if self.unmapping and cut and node is not None and at is not None:
            node.owner = vma
            self.nodes[vma] = node
            vma, below = at, not below
        if node is not None and not below:
            node = rb_next(node)
        new = RbNode(vma)
        self.nodes[vma] = new
        self.root.insert_before(new, node)

    def unlink(self, vma: Vma) -> None:
        """Remove a VMA (`vma_rb_erase`)."""
        node = self.nodes.pop(vma, None)
        if node is not None:
            self.root.erase(node)

    def destroy(self) -> None:
        """Forget all VMAs."""
        self.root = RbRoot()
        self.nodes = {}

    def right_parents(self, vma: Vma) -> list[Vma]:
        """Return the VMAs in whose left subtree one is, the nearest first."""
        found: list[Vma] = []
        node = self.nodes.get(vma)
        while node is not None:
            parent = node.parent
            if parent is not None and parent.left is node:
                found.append(cast("Vma", parent.owner))
            node = parent
        return found


def vma_rb_erase(mm: Mm, vma: Vma) -> None:
    """Take a VMA out of the tree, where there is one."""
    rb = mm.mm_rb
    if rb is not None:
        rb.unlink(vma)


def vma_rb_unmapping(mm: Mm, unmapping: bool) -> None:
    """Note that munmap splits from now on, or does so no more."""
    rb = mm.mm_rb
    if rb is not None:
        rb.unmapping = unmapping


def vma_rb_right_parents(mm: Mm, vma: Vma) -> list[Vma]:
    """Return the VMAs in whose left subtree one is, the nearest first; none without a tree."""
    rb = mm.mm_rb
    return [] if rb is None else rb.right_parents(vma)
