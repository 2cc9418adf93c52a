# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that a program cannot have written to yet, as the order of its calls tells.

Two things that programs do show that memory, though it may be written to, has not been:

* memory that a thread maps and makes inaccessible by its very next call is a guard, and the
  mprotects that follow at once carve up the same mapping before it is used;
* the zeros that a loader maps behind the data of a library are first written to when the library
  is relocated, or runs.  That is after all libraries have been mapped; relocated data is then made
  read-only.
"""

from typing import Final, final

from mypy_extensions import i64

from vmalab.calls.call import Call
from vmalab.calls.ranges import register_range
from vmalab.calls.table import FORKS
from vmalab.linux.include.mm_flags import VM_MAYSHARE, VM_SHARED, VM_WRITE
from vmalab.linux.include.uapi.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)
from vmalab.linux.include.uapi.unistd import NR_mmap, NR_mprotect, NR_pkey_mprotect
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import vma_lookup

# Libraries of one program whose zeros are remembered.
MAX_LIBRARIES: Final = 1024


def protects(call: Call) -> bool:
    """Return whether a call gives memory other permissions."""
    number = call.row.number
    return number in (NR_mprotect, NR_pkey_mprotect)


def takes_write_away(call: Call) -> bool:
    """Return whether a call gives memory permissions without that to write."""
    return protects(call) and call.a2 & PROT_WRITE == 0


def _maps_private_memory(call: Call) -> bool:
    """Return whether a call has made a private anonymous mapping that may be written to."""
    if call.row.number != NR_mmap or not call.native or call.result < 0:
        return False
    kind = MAP_PRIVATE | MAP_ANONYMOUS
    return call.a3 & kind == kind and call.a2 & PROT_WRITE != 0


@final
class _Mapping:
    """What a thread mapped last: `[start, end)` in bytes of `mm`.

    fresh: whether all calls of the thread since have carved it up, if there were any. guarded:
    whether a part has been made inaccessible.
    """

    def __init__(self, tid: int, mm: Mm) -> None:
        self.tid = tid
        self.mm = mm
        self.start: i64 = 0
        self.end: i64 = 0
        self.fresh = False
        self.guarded = False

    def holds(self, vma: Vma) -> bool:
        """Return whether all of a VMA lies in it."""
        return self.mm is vma.vm_mm and self.start <= vma.vm_start and vma.vm_end <= self.end


@final
class Unwritten:
    """What is known to be unwritten, as far as the calls have come."""

    def __init__(self) -> None:
        # By thread; each is used again for what the thread maps next. Which has been asked for
        # last. How many are fresh.
        self._last: dict[int, _Mapping] = {}
        self._recent: _Mapping | None = None
        self._fresh: i64 = 0
        # What the call at hand has made; what it, and those under way, carve up.
        self._made: _Mapping | None = None
        self._carved: list[_Mapping] = []
        self._libraries: dict[Mm, list[tuple[int, int]]] = {}

    @property
    def awaits(self) -> bool:
        """Whether some thread's next call may show that what it mapped is unwritten."""
        return self._fresh > 0

    def before(self, mm: Mm, call: Call) -> None:
        """A thread is about to make a call."""
        self._made = None
        if self._carved:
            self._carved.clear()
        if self._fresh > 0:
            last = self._last_of(call.tid)
            if last is not None and last.fresh and not self._is_carved(last, mm, call):
                last.fresh = False
                self._fresh -= 1
        if not self._libraries:
            return
        if call.row.family & FORKS or (call.row.number == NR_mprotect and call.a2 == PROT_READ):
            self._libraries.pop(mm, None)

    def also(self, mm: Mm, call: Call) -> None:
        """A call is under way, and may take effect before the one at hand is done."""
        last = self._last_of(call.tid)
        if last is not None and last.fresh:
            self._is_carved(last, mm, call)

    def _last_of(self, tid: int) -> _Mapping | None:
        """Return what a thread has mapped last."""
        recent = self._recent
        if recent is None or recent.tid != tid:
            recent = self._last.get(tid)
            self._recent = recent
        return recent

    def _is_carved(self, last: _Mapping, mm: Mm, call: Call) -> bool:
        """Return whether a call carves up what its thread mapped last; note that it does."""
        if last.mm is not mm or not self._carves(last, call):
            return False
        last.guarded = True
        self._carved.append(last)
        return True

    def _carves(self, last: _Mapping, call: Call) -> bool:
        """Whether a call makes part of a mapping a guard, or gives more of it its permissions."""
        if not protects(call) or not (call.a2 == PROT_NONE or last.guarded):
            return False
        return last.start <= call.a0 and 0 <= call.a1 <= last.end - call.a0

    def after(self, mm: Mm, call: Call) -> None:
        """The call has been carried out, and has not returned yet."""
        if not _maps_private_memory(call):
            return
        start, end = register_range(call.result, call.a1)
        self._hold(mm, call.tid, start, end)
        if call.a3 & MAP_FIXED and start > 0 and _is_data(vma_lookup(mm, start - 1)):
            known = self._libraries.setdefault(mm, [])
            known.append((start, end))
            del known[:-MAX_LIBRARIES]

    def _hold(self, mm: Mm, tid: int, start: i64, end: i64) -> None:
        """Note what a thread has mapped."""
        made = self._last_of(tid)
        if made is None or not made.fresh:
            self._fresh += 1
        if made is None or self._carved:
            # What it was may be among what is carved up.
            made = self._recent = self._last[tid] = _Mapping(tid, mm)
        made.mm = mm
        made.start = start
        made.end = end
        made.fresh = True
        made.guarded = False
        self._made = made

    def holds(self, vma: Vma) -> bool:
        """Return whether all of a VMA is unwritten."""
        if self._made is not None and self._made.holds(vma):
            return True
        for carved in self._carved:
            if carved.holds(vma):
                return True
        if vma.vm_file is not None or not self._libraries:
            return False
        known = self._libraries.get(vma.vm_mm, ())
        return any(first <= vma.vm_start and vma.vm_end <= last for first, last in known)

    def forget(self, mm: Mm) -> None:
        """An address space is gone."""
        self._libraries.pop(mm, None)
        self._recent = None
        for tid in [tid for tid, last in self._last.items() if last.mm is mm]:
            if self._last.pop(tid).fresh:
                self._fresh -= 1


def _is_data(vma: Vma | None) -> bool:
    """Return whether a VMA is a file's data, private and writable."""
    if vma is None or vma.vm_file is None:
        return False
    return vma.vm_flags & (VM_WRITE | VM_SHARED | VM_MAYSHARE) == VM_WRITE
