# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows ranges of memory through the calls that map, unmap and move."""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.ranges import page_range
from vmalab.linux.include.uapi.mman import MREMAP_DONTUNMAP
from vmalab.linux.types.mm_types import Mm, Vma

# Ranges that are remembered of an address space.
_MAX_RANGES: Final = 1024


@final
class LastingRanges:
    """Ranges of memory that share a past, by address space; in bytes."""

    def __init__(self) -> None:
        self._ranges: dict[Mm, list[tuple[int, int]]] = {}

    def add(self, mm: Mm, start: int, end: int) -> None:
        """Memory with that past lies here."""
        known = self._ranges.setdefault(mm, [])
        if len(known) < _MAX_RANGES:
            known.append((start, end))

    def hold(self, vma: Vma) -> bool:
        """Return whether any of a VMA is such memory."""
        known = self._ranges.get(vma.vm_mm, ())
        return any(start < vma.vm_end and vma.vm_start < end for start, end in known)

    def copy(self, parent: Mm, child: Mm) -> None:
        """A fork copied it."""
        if parent in self._ranges:
            self._ranges[child] = list(self._ranges[parent])

    def forget(self, mm: Mm) -> None:
        """An address space is gone."""
        self._ranges.pop(mm, None)

    def after(self, mm: Mm, call: Call) -> None:
        """A memory call has been carried out: what it mapped is other memory."""
        ret = call.ret
        if mm not in self._ranges or ret is None or ret < 0:
            return
        args = call.args
        if call.name == "mmap":
            self._replace(mm, *page_range(ret, args[1]))
        elif call.name == "munmap":
            self._replace(mm, *page_range(args[0], args[1]))
        elif call.name == "mremap" and ret != args[0]:
            start, end = page_range(args[0], args[1])
            moved = any(low < end and start < high for low, high in self._ranges[mm])
            if args[3] & MREMAP_DONTUNMAP == 0:
                self._replace(mm, start, end)
            low, high = page_range(ret, args[2])
            self._replace(mm, low, high)
            if moved:
                self.add(mm, low, high)

    def _replace(self, mm: Mm, start: int, end: int) -> None:
        """Nothing of it is in `[start, end)` any more."""
        kept: list[tuple[int, int]] = []
        for low, high in self._ranges[mm]:
            if high <= start or end <= low:
                kept.append((low, high))
                continue
            if low < start:
                kept.append((low, start))
            if end < high:
                kept.append((end, high))
        self._ranges[mm] = kept
