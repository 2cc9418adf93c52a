# SPDX-License-Identifier: GPL-2.0-or-later
"""Walking and searching the tree of VMAs of an address space.

Mirrors struct vma_iterator of include/linux/mm_types.h and its functions in include/linux/mm.h.
"""

from typing import Final, cast, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.lib.maple_tree import Mas, mtree_load
from vmalab.linux.types.mm_types import Mm, Vma

# No VMA begins here or above; a larger limit would be an object to the compiler.
BEYOND: Final = (1 << 62) - 1


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Vmi:
    """struct vma_iterator: a position in the tree of VMAs.

    Addresses are bytes.  Methods that answer a VMA leave the position on it.
    """

    def __init__(self, mm: Mm, addr: i64) -> None:
        self.mas: Mas = Mas(mm.mm_mt)
        self.mas.set(addr)

    def addr(self) -> i64:
        """Start of the entry, or of the gap, at the position (`vma_iter_addr`)."""
        return self.mas.index

    def end(self) -> i64:
        """End (exclusive) of the entry, or of the gap, at the position (`vma_iter_end`)."""
        return self.mas.last + 1

    def set(self, addr: i64) -> None:
        """Move to an address without looking (`vma_iter_set`)."""
        self.mas.set(addr)

    def load(self) -> Vma | None:
        """Return the VMA that contains the position's address (`vma_iter_load`)."""
        return cast("Vma | None", self.mas.walk())

    def find(self, limit: i64) -> Vma | None:
        """Return the VMA at the position or, when it stands on one already, the next.

        Below `limit`.

        `while (vma := vmi.find(end)) is not None` walks a range (`vma_find`, `for_each_vma_range`).
        """
        return cast("Vma | None", self.mas.find(limit - 1))

    def next_from(self, addr: i64) -> Vma | None:
        """Return the first VMA that ends above `addr`, wherever the position was."""
        self.mas.set(addr)
        return cast("Vma | None", self.mas.find(BEYOND))

    def next(self) -> Vma | None:
        """Return the next VMA above the position (`vma_next`)."""
        return cast("Vma | None", self.mas.next(BEYOND))

    def prev(self) -> Vma | None:
        """Return the next VMA below the position (`vma_prev`)."""
        return cast("Vma | None", self.mas.prev(0))

    def next_range(self) -> Vma | None:
        """Return what lies directly above: a VMA, or None for a gap (`vma_iter_next_range`)."""
        return cast("Vma | None", self.mas.next_range(BEYOND))

    def prev_range(self) -> Vma | None:
        """Return what lies directly below: a VMA, or None for a gap (`vma_iter_prev_range`)."""
        return cast("Vma | None", self.mas.prev_range(0))

    def config(self, start: i64, end: i64) -> None:
        """Set the range that the next store covers, `[start, end)` (`vma_iter_config`)."""
        self.mas.set_range(start, end - 1)

    def prealloc(self, vma: Vma | None) -> i64:
        """Take the nodes that storing over the configured range may need: 0 or -ENOMEM."""
        return self.mas.preallocate(vma)

    def free(self) -> None:
        """Give back nodes that no store used (`vma_iter_free`)."""
        self.mas.destroy()

    def store_new(self, vma: Vma) -> None:
        """Store a VMA that was not in the tree, from preallocated nodes (`vma_iter_store_new`)."""
        rb = vma.vm_mm.mm_rb
        if rb is not None:
            # In its place is the VMA that it is cut off, if any.
            rb.link(vma, find_vma(vma.vm_mm, vma.vm_start))
        vma.attached = True
        self.store_overwrite(vma)

    def store_overwrite(self, vma: Vma) -> None:
        """Store a VMA over its range, whatever was there (`vma_iter_store_overwrite`)."""
        self.mas.set_range(vma.vm_start, vma.vm_end - 1)
        self.mas.store_prealloc(vma)

    def store_gfp(self, vma: Vma) -> i64:
        """Store a new VMA, allocating as needed: 0 or -ENOMEM (`vma_iter_store_gfp`)."""
        self.mas.set_range(vma.vm_start, vma.vm_end - 1)
        rb = vma.vm_mm.mm_rb
        at = None if rb is None else find_vma(vma.vm_mm, vma.vm_start)
        err = self.mas.store_gfp(vma)
        if err == 0:
            if rb is not None:
                rb.link(vma, at)
            vma.attached = True
        return err

    def clear(self) -> None:
        """Empty the configured range from preallocated nodes (`vma_iter_clear`)."""
        self.mas.store_prealloc(None)

    def clear_gfp(self, start: i64, end: i64) -> i64:
        """Empty `[start, end)`, allocating as needed: 0 or -ENOMEM (`vma_iter_clear_gfp`)."""
        self.mas.set_range(start, end - 1)
        return self.mas.store_gfp(None)

    def clear_nofail(self, start: i64, end: i64) -> None:
        """Empty `[start, end)`, which is what whole entries fill: it needs no node.

        Kernel: `vma_iter_clear_gfp` with __GFP_NOFAIL.
        """
        self.mas.set_range(start, end - 1)
        self.mas.store(None)


def find_vma(mm: Mm, addr: i64) -> Vma | None:
    """Return the first VMA that ends above `addr` (bytes)."""
    mas = Mas(mm.mm_mt)
    mas.set(addr)
    return cast("Vma | None", mas.find(BEYOND))


def find_vma_intersection(mm: Mm, start: i64, end: i64) -> Vma | None:
    """Return the first VMA with an address in `[start, end)`."""
    mas = Mas(mm.mm_mt)
    mas.set(start)
    return cast("Vma | None", mas.find(end - 1))


def vma_lookup(mm: Mm, addr: i64) -> Vma | None:
    """Return the VMA that contains `addr`, or None."""
    return cast("Vma | None", mtree_load(mm.mm_mt, addr))
