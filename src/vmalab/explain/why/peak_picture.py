# SPDX-License-Identifier: GPL-2.0-or-later
"""An address space as it was at one moment, while calls go on to change it.

What a call may change is kept right before it, the first time. So what is not kept is as it was.
"""

from bisect import bisect_right
from typing import final

from mypy_extensions import i64

from vmalab.calls.ranges import EVERYWHERE, Ranges
from vmalab.explain.why.boundaries import LayoutCost, layout_of_vmas
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.model.model import line_of_vma


@final
class PeakPicture:
    """An address space at the moment of the last `renew`. sure: whether nothing was missed since.

    Preconditions: `save` is told of whatever may change, before; `note_files`, of mapped files.
    """

    def __init__(self, mm: Mm) -> None:
        self._mm = mm
        self.sure = False
        self._saved: list[Vma] = []
        # Where all that there was is saved: ranges in bytes that do not touch, lowest first.
        self._starts: list[int] = []
        self._ends: list[int] = []
        # What maps showed of each file when it was mapped.
        self._files: dict[File, tuple[str, str, int]] = {}
        self._brk: tuple[int, int, int] = (0, 0, 0)

    def renew(self) -> None:
        """From now on it is the picture of this moment."""
        self.sure = True
        if self._starts:
            self._saved, self._starts, self._ends = [], [], []
        mm = self._mm
        self._brk = (mm.brk, mm.start_brk, mm.start_stack)

    def save(self, ranges: Ranges | None) -> None:
        """The VMAs in, or next to, ranges (bytes; None: all) may be about to change."""
        if self.sure:
            for start, end in EVERYWHERE if ranges is None else ranges:
                if start < end:
                    self._save(start, end)

    def _save(self, start: i64, end: i64) -> None:
        """The same of one range."""
        low = start - 1 if start > 0 else 0
        high = min(end + 1, TASK_SIZE_5LEVEL)
        place = bisect_right(self._starts, low)
        if place > 0 and self._ends[place - 1] >= high:
            return
        vmi = Vmi(self._mm, low)
        limit = high
        vma = vmi.find(limit)
        while vma is not None:
            if not self._is_saved(vma):
                self._saved.append(_copied(vma))
            low, high = min(low, vma.vm_start), max(high, vma.vm_end)
            vma = vmi.find(limit)
        self._cover(low, high)

    def _is_saved(self, vma: Vma) -> bool:
        """Return whether what there was at a VMA's place is saved."""
        place = bisect_right(self._starts, vma.vm_start)
        return place > 0 and vma.vm_start < self._ends[place - 1]

    def _cover(self, low: i64, high: i64) -> None:
        """All that there was in `[low, high)` is saved."""
        starts, ends = self._starts, self._ends
        first = bisect_right(starts, low)
        if first > 0 and ends[first - 1] >= low:
            first -= 1
            low = starts[first]
        last = bisect_right(starts, high)
        if last > first:
            high = max(high, ends[last - 1])
        starts[first:last] = [low]
        ends[first:last] = [high]

    def note_files(self, ranges: Ranges | None) -> None:
        """Files may have been mapped in ranges (bytes; None: anywhere)."""
        for start, end in EVERYWHERE if ranges is None else ranges:
            for vma in vmas_in(self._mm, start, end):
                if vma.vm_file is not None and vma.vm_file not in self._files:
                    self._files[vma.vm_file] = _shown(vma.vm_file)

    def layout(self) -> LayoutCost | None:
        """Return the address space of the picture; None where that is not sure."""
        vmas = self._saved + [vma for vma in mm_vmas(self._mm) if not self._is_saved(vma)]
        vmas.sort(key=_start_of)
        files = [vma.vm_file for vma in vmas if vma.vm_file is not None]
        if not self.sure or any(self._files.get(file) != _shown(file) for file in files):
            return None
        mm = self._mm
        now = (mm.brk, mm.start_brk, mm.start_stack)
        # They say which VMAs are called heap and stack.
        mm.brk, mm.start_brk, mm.start_stack = self._brk
        layout = layout_of_vmas(mm, vmas, [line_of_vma(vma) for vma in vmas])
        mm.brk, mm.start_brk, mm.start_stack = now
        return layout


def _shown(file: File) -> tuple[str, str, int]:
    """Return what maps shows of a file."""
    return (file.path, file.inode.dev, file.inode.ino)


def _start_of(vma: Vma) -> int:
    return int(vma.vm_start)


def _copied(vma: Vma) -> Vma:
    """Return a copy that nothing of the machine knows of; it keeps what is asked of boundaries."""
    copy = Vma(vma.vm_mm)
    copy.vm_start, copy.vm_end = vma.vm_start, vma.vm_end
    copy.vm_flags = vma.vm_flags
    copy.vm_pgoff = vma.vm_pgoff
    copy.anon_delta = vma.anon_delta
    copy.vm_file, copy.vm_ops = vma.vm_file, vma.vm_ops
    copy.anon_vma = vma.anon_vma
    copy.anon_vma_chain = vma.anon_vma_chain[:]
    copy.vm_policy = vma.vm_policy
    copy.vm_userfaultfd_ctx = vma.vm_userfaultfd_ctx
    copy.anon_name = vma.anon_name
    copy.vm_private_data = vma.vm_private_data
    return copy
