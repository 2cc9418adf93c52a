# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows ranges of memory through the calls that map, unmap and move."""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.range_set import RangeSet
from vmalab.calls.ranges import page_range
from vmalab.linux.include.uapi.mman import MREMAP_DONTUNMAP
from vmalab.linux.types.mm_types import Mm, Vma

# Ranges that are remembered of an address space.
_MAX_RANGES: Final = 1024


@final
class LastingRanges:
    """Ranges of memory that share a past, by address space; in bytes.

    any: whether there have been any.
    """

    def __init__(self) -> None:
        self.any = False
        self._ranges: dict[Mm, RangeSet] = {}

    def add(self, mm: Mm, start: int, end: int) -> None:
        """Memory with that past lies here."""
        self.any = True
        known = self._ranges.get(mm)
        if known is None:
            known = self._ranges[mm] = RangeSet()
        if len(known) < _MAX_RANGES:
            known.add(start, end)

    def hold(self, vma: Vma) -> bool:
        """Return whether any of a VMA is such memory."""
        known = self._ranges.get(vma.vm_mm)
        return known is not None and known.meets(vma.vm_start, vma.vm_end)

    def copy(self, parent: Mm, child: Mm) -> None:
        """A fork copied it."""
        if parent in self._ranges:
            self._ranges[child] = self._ranges[parent].copy()

    def forget(self, mm: Mm) -> None:
        """An address space is gone."""
        self._ranges.pop(mm, None)

    def after(self, mm: Mm, call: Call) -> None:
        """A memory call has been carried out: what it mapped is other memory."""
        ret, known = call.ret, self._ranges.get(mm)
        if known is None or ret is None or ret < 0:
            return
        args = call.args
        if call.name == "mmap":
            start, end = page_range(ret, args[1])
            known.remove(start, end)
        elif call.name == "munmap":
            start, end = page_range(args[0], args[1])
            known.remove(start, end)
        elif call.name == "mremap" and ret != args[0]:
            start, end = page_range(args[0], args[1])
            moved = known.meets(start, end)
            if args[3] & MREMAP_DONTUNMAP == 0:
                known.remove(start, end)
            low, high = page_range(ret, args[2])
            known.remove(low, high)
            if moved:
                self.add(mm, low, high)
