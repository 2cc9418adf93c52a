# SPDX-License-Identifier: GPL-2.0-or-later
"""Fault history: which private memory of a program was written to, which no log of calls tells.

A VMA that was written to has an anon_vma. That decides three things: whether it can become one with
a neighbour (only if both have the same anon_vma, or one has none and the other did not get its own
by fork), whether it stays charged when it loses its write permission, and what a fork copies.

The prior, fixed before looking: every writable private VMA near a call was written to since it was
made, for programs write to what they map. It is applied as late as possible, right before a call
that could depend on it. What the recorded maps have shown of a program's memory is remembered, and
a program that was seen not to write to what it maps is not expected to. When the map after a call
contradicts the prior, other histories are tried, each by undoing the call and carrying it out anew;
the call is adopted only if one of them gives the recorded map exactly. Where a recording says that
it holds every fault, nothing is inferred at all.
"""

from typing import Final, cast, final

from mypy_extensions import i64

from vmalab.calls.call import Call
from vmalab.calls.ranges import EVERYWHERE, page_range
from vmalab.calls.snapshot import Snapshot
from vmalab.calls.vm_flag_words import SHOWN, bits_of_words
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.mm_flags import (
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_MAYSHARE,
    VM_NORESERVE,
    VM_SHARED,
    VM_SPECIAL,
    VM_UFFD_MISSING,
    VM_WRITE,
)
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.lib.maple_walk import Entries
from vmalab.linux.mm.page_tables import PTE_ANON
from vmalab.linux.mm.rmap import attach_anon_vma, unlink_anon_vmas
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.types.mm_types import AnonVma, Mm, Vma, vma_pages
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.replay.forked_memory import inherit
from vmalab.replay.lasting_ranges import LastingRanges
from vmalab.replay.never_written import Unwritten, takes_write_away
from vmalab.targets.model.capture import vmas_in

# What a VMA's history may be: as the model has it, never written to, written to with an anon_vma
# that it may share with a neighbour, written to with one of its own, written to before the fork
# that made its address space.
AS_IT_IS: Final = -1
UNTOUCHED: Final = 0
TOUCHED: Final = 1
TOUCHED_APART: Final = 2
INHERITED: Final = 3

# How sure the prior is to begin with, and can become, in observations.
START_LEAN: Final = -1
MAX_LEAN: Final = 4
# Ranges that are remembered as untouched.
MAX_RANGES: Final = 64

# Inferred anon_vmas that are kept before those that are gone are looked for.
MIN_PRUNED: Final = 1 << 14


@final
class SupposedHistory:
    """A supposed history of a VMA. written: one of the above. pgoff: in pages, -1: as it is."""

    def __init__(self, written: int, pgoff: int) -> None:
        self.written = written
        self.pgoff = pgoff


def may_hold_pages(vma: Vma) -> bool:
    """Return whether a VMA can have been written to: private, and writable now or before."""
    if vma.vm_flags & (VM_SHARED | VM_MAYSHARE | VM_SPECIAL) != 0:
        return False
    return vma.vm_flags & (VM_WRITE | VM_ACCOUNT | VM_NORESERVE) != 0


def is_written_by_prior(vma: Vma) -> bool:
    """Return whether the prior says that a VMA without an anon_vma has been written to by now.

    Where missing pages are a userfaultfd's to fill, the log tells when they come.
    """
    if vma.anon_vma is not None or vma.vm_flags & VM_WRITE == 0:
        return False
    return vma.vm_flags & (VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_UFFD_MISSING) == 0


def _is_own(vma: Vma) -> bool:
    """Return whether a VMA is the program's heap or a stack, which every program writes to."""
    mm = vma.vm_mm
    if vma.vm_flags & VM_GROWSDOWN != 0:
        return True
    return vma.vm_start < mm.brk and mm.start_brk < vma.vm_end


@final
class FaultHistory:
    """What is inferred of one recording's page faults.

    complete: the recording holds every fault; then nothing is ever inferred. settles: maps may come
    that show what was charged, of memory whose faults the recording does not tell.
    """

    def __init__(self, *, complete: bool, settles: bool = True) -> None:
        self.active = not complete
        self._settles = settles
        # Address spaces whose faults the recording tells of; nothing is supposed about them.
        self._told: set[Mm] = set()
        # anon_vmas that exist by inference alone.
        self._inferred: set[AnonVma] = set()
        self._prune_at = MIN_PRUNED
        # By address space: ranges that were seen untouched late, newest last; and which way what
        # was seen leans, above 0 for a program that does not write to what it maps.
        self._untouched: dict[Mm, list[tuple[int, int]]] = {}
        self._lean: dict[Mm, int] = {}
        # By address space: where memory was moved to, and the page offset it came with if written.
        self._moved: dict[Mm, list[tuple[int, int, int]]] = {}
        self._unwritten = Unwritten()
        # What forks have copied, and what has lost the permission to write since it was mapped.
        self._forked = LastingRanges()
        self._closed = LastingRanges()

    def before(self, mm: Mm, call: Call) -> None:
        """A thread is about to make a call of whatever kind."""
        if self.active:
            self._unwritten.before(mm, call)
            if self._settles and takes_write_away(call):
                start, end = page_range(call.args[0], call.args[1])
                for vma in vmas_in(mm, start, end):
                    if vma.vm_flags & VM_WRITE and self.is_inferred(vma):
                        self._closed.add(mm, max(start, vma.vm_start), min(end, vma.vm_end))

    @property
    def awaits(self) -> bool:
        """Whether calls that are under way may show more of what is unwritten (`also`)."""
        return self._unwritten.awaits

    def also(self, mm: Mm, call: Call) -> None:
        """A call of another thread may take effect before the one at hand."""
        if self.active:
            self._unwritten.also(mm, call)

    def after(self, mm: Mm, call: Call) -> None:
        """A memory call has been carried out, and has not returned yet."""
        if self.active:
            self._unwritten.after(mm, call)
            if self._forked.any:
                self._forked.after(mm, call)
            if self._closed.any:
                self._closed.after(mm, call)

    def supposes(self, mm: Mm) -> bool:
        """Return whether anything is supposed about an address space."""
        return self.active and mm not in self._told

    def assume(self, mm: Mm, ranges: list[tuple[int, int]] | None) -> None:
        """Apply the prior to the VMAs in, or next to, the ranges (bytes); None: to all."""
        if not self.supposes(mm):
            return
        for start, end in EVERYWHERE if ranges is None else ranges:
            self.assume_within(mm, start, end)

    def assume_within(self, mm: Mm, start: i64, end: i64) -> None:
        """Apply the prior to the VMAs in, or next to, `[start, end)` (bytes), unless it is empty.

        Preconditions: something is supposed about the address space.
        """
        if start == end:
            return
        if start > 0:
            start -= 1
        # VMAs end at the end of the address space at the latest.
        entries = Entries(mm.mm_mt, start)
        while (vma := cast("Vma | None", entries.next(end))) is not None:
            if is_written_by_prior(vma) and not self._is_known_untouched(vma):
                self.touch(vma)

    def tell(self, mm: Mm) -> None:
        """The recording tells of the faults of an address space."""
        self._told.add(mm)

    def await_faults(self, mm: Mm, start: int, end: int) -> None:
        """A userfaultfd is to fill what is missing of `[start, end)`: nothing had been written."""
        if not self.active:
            return
        for vma in vmas_in(mm, start, end):
            waits = vma.vm_flags & VM_UFFD_MISSING != 0 and vma.vm_start < end
            if waits and start < vma.vm_end and vma.anon_vma in self._inferred:
                self.set(vma, SupposedHistory(UNTOUCHED, -1), [])

    def populate(self, mm: Mm, ranges: list[tuple[int, int]] | None) -> None:
        """The prior of pages: private memory in the ranges that was written to has all of them."""
        if not self.active:
            return
        for start, end in ranges or ():
            for vma in vmas_in(mm, start, end):
                if vma.anon_vma is not None and may_hold_pages(vma):
                    mm.page_tables.set(max(start, vma.vm_start), min(end, vma.vm_end), PTE_ANON)

    def _is_known_untouched(self, vma: Vma) -> bool:
        """Return whether what the recording has shown so far speaks against the prior."""
        mm = vma.vm_mm
        if self._unwritten.holds(vma):
            return True
        for start, end in self._untouched.get(mm, ()):
            if start <= vma.vm_start and vma.vm_end <= end:
                return True
        return vma.vm_file is None and not _is_own(vma) and self._lean.get(mm, START_LEAN) > 0

    def learn(self, vma: Vma, written: bool) -> None:
        """The recording has shown whether a VMA was written to."""
        mm = vma.vm_mm
        lean = self._lean.get(mm, START_LEAN) + (-1 if written else 1)
        self._lean[mm] = max(-MAX_LEAN, min(lean, MAX_LEAN))
        known = self._untouched.setdefault(mm, [])
        if written:
            known[:] = [span for span in known if span[1] <= vma.vm_start or vma.vm_end <= span[0]]
        else:
            known.append((vma.vm_start, vma.vm_end))
            del known[:-MAX_RANGES]

    def learn_from(self, before: list[Vma], ranges: list[tuple[int, int]]) -> None:
        """An mprotect took the write permission away, as predicted: what that shows.

        before: the VMAs as they were; one that stayed charged had been written to.  Guards say
        nothing of what the program does with the rest of its memory.
        """
        for vma in before:
            if self._unwritten.holds(vma):
                continue
            if vma.vm_flags & (VM_WRITE | VM_ACCOUNT) != VM_WRITE | VM_ACCOUNT:
                continue
            if vma.vm_ops is not None or not self.is_inferred(vma):
                continue
            if any(vma.vm_start < end and start < vma.vm_end for start, end in ranges):
                self.learn(vma, vma.anon_vma is not None)

    def settle_charges(self, mm: Mm, lines: Snapshot) -> int:
        """Let VMAs be charged as their lines show, where a history not known decides: how many.

        Such a VMA had the permission to write, and lost it while no step told VmFlags.
        """
        settled = 0
        for line in lines if self.active and mm not in self._told else ():
            vma = vma_lookup(mm, line.start)
            if vma is None or line.flags is None or vma.vm_start != line.start:
                continue
            if (vma.vm_flags ^ bits_of_words(line.flags)) & SHOWN != VM_ACCOUNT:
                continue
            if self._lost_permission(vma):
                charged = vma.vm_flags & VM_ACCOUNT == 0
                vma.vm_flags ^= VM_ACCOUNT
                mm.kernel.committed_as += vma_pages(vma) if charged else -vma_pages(vma)
                self.set(vma, SupposedHistory(TOUCHED if charged else UNTOUCHED, -1), [])
                settled += 1
        return settled

    def _lost_permission(self, vma: Vma) -> bool:
        """Return whether a VMA's pages, if any, decided whether it stayed charged."""
        if vma.vm_ops is not None or vma.vm_flags & VM_WRITE != 0:
            return False
        return self.is_inferred(vma) or self._closed.hold(vma)

    def forget(self, mm: Mm) -> None:
        """An address space is gone."""
        self._unwritten.forget(mm)
        self._told.discard(mm)
        self._untouched.pop(mm, None)
        self._lean.pop(mm, None)
        self._moved.pop(mm, None)
        self._forked.forget(mm)
        self._closed.forget(mm)

    def touch(self, vma: Vma) -> None:
        """A VMA was written to: it gets an anon_vma as the kernel would choose it."""
        anon_vma_prepare(vma)
        if vma.anon_vma is not None and vma.anon_vma.nr_links == 1:
            self._infer(vma.anon_vma)

    def _infer(self, anon_vma: AnonVma) -> None:
        """Note an anon_vma as inferred; those that are gone are forgotten from time to time."""
        if len(self._inferred) >= self._prune_at:
            self._inferred = {known for known in self._inferred if known.nr_links > 0}
            self._prune_at = max(2 * len(self._inferred), MIN_PRUNED)
        self._inferred.add(anon_vma)

    def note_fork(self, parent: Mm, child: Mm) -> None:
        """A fork: what was inferred of the parent's address space is inferred of the copy."""
        if not self.active:
            return
        for vma in mm_vmas(child):
            if vma.anon_vma is not None and vma.anon_vma.parent in self._inferred:
                self._infer(vma.anon_vma)
            if self.is_inferred(vma):
                self._forked.add(child, vma.vm_start, vma.vm_end)
        self._closed.copy(parent, child)
        if parent in self._moved:
            self._moved[child] = list(self._moved[parent])
        if parent in self._untouched:
            self._untouched[child] = list(self._untouched[parent])
        if parent in self._lean:
            self._lean[child] = self._lean[parent]

    def note_move(self, before: list[Vma], old: int, new: int, length: int) -> None:
        """An mremap moved `length` bytes from `old` to `new`; before: VMAs as they were.

        Only memory that was written to keeps its page offsets on a move.
        """
        for vma in before:
            if vma.vm_start <= old < vma.vm_end and vma.vm_ops is None:
                moved = self._moved.setdefault(vma.vm_mm, [])
                moved.append(
                    (new, new + length, vma.vm_pgoff + ((old - vma.vm_start) >> PAGE_SHIFT))
                )
                del moved[:-MAX_RANGES]

    def is_inferred(self, vma: Vma) -> bool:
        """Return whether a VMA's history may be another one than the model has it."""
        if vma.anon_vma is not None:
            return vma.anon_vma in self._inferred
        return may_hold_pages(vma)

    def set(self, vma: Vma, history: SupposedHistory, among: list[Vma]) -> None:
        """Give a VMA a history; those of `among` that were split from it share an inherited one."""
        if history.pgoff >= 0:
            vma.vm_pgoff = history.pgoff
        if history.written == AS_IT_IS:
            return
        if history.written == INHERITED:
            old = vma.anon_vma
            parts = [] if old is None else [part for part in among if part.anon_vma is old]
            for anon_vma in inherit(parts or [vma]):
                self._infer(anon_vma)
            return
        unlink_anon_vmas(vma)
        if history.written == TOUCHED:
            self.touch(vma)
        elif history.written == TOUCHED_APART:
            attach_anon_vma(vma, None)
            if vma.anon_vma is not None:
                self._infer(vma.anon_vma)

    def alternatives(self, vma: Vma) -> list[SupposedHistory]:
        """Other histories that a VMA may have had, the least different first."""
        found: list[SupposedHistory] = []
        if not self.is_inferred(vma):
            return found
        if vma.anon_vma is None:
            written = [TOUCHED, TOUCHED_APART]
        else:
            written = [UNTOUCHED, TOUCHED_APART]
        if self._forked.hold(vma) and len(vma.anon_vma_chain) < 2:
            written.append(INHERITED)
        # What was never written to has the offset of its place, wherever it was moved from.
        natural = vma.vm_start >> PAGE_SHIFT if vma.vm_ops is None and vma.vm_file is None else -1
        found.extend(SupposedHistory(how, natural if how == UNTOUCHED else -1) for how in written)
        for pgoff in self._other_offsets(vma):
            found.append(SupposedHistory(AS_IT_IS, pgoff))
            found.extend(SupposedHistory(how, pgoff) for how in written if how != UNTOUCHED)
        return found

    def _other_offsets(self, vma: Vma) -> list[int]:
        """Page offsets that a VMA has if it was written to before it was moved, or was not."""
        if vma.vm_ops is not None or vma.vm_file is not None:
            return []
        found = [vma.vm_start >> PAGE_SHIFT]
        for start, end, pgoff in self._moved.get(vma.vm_mm, ()):
            if start <= vma.vm_start < end:
                found.append(pgoff + ((vma.vm_start - start) >> PAGE_SHIFT))
        return [pgoff for pgoff in dict.fromkeys(found) if pgoff != vma.vm_pgoff]
