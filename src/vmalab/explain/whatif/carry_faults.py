# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries over what the replay has inferred of page faults: who was written to has an anon_vma.

While two machines are in step, the anon_vmas of one are those of the other, one by one.
Later a VMA gets its anon_vma as the kernel would choose it there.
"""

from typing import Final, cast, final

from mypy_extensions import i64, mypyc_attr

from vmalab.calls.ranges import EVERYWHERE, Ranges
from vmalab.explain.whatif.address_map import AddressMap
from vmalab.linux.include.mm_flags import VM_GROWSDOWN, VM_MAYSHARE, VM_SHARED, VM_SPECIAL
from vmalab.linux.lib.maple_walk import Entries
from vmalab.linux.mm.rmap import attach_anon_vma, unlink_anon_vmas
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare, find_mergeable_anon_vma
from vmalab.linux.mm.vma.stack import expand_downwards
from vmalab.linux.types.mm_types import AnonVma, Mm, Vma
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.targets.model.capture import vmas_in

# Pairs of anon_vmas that are kept before those that are gone are looked for.
MIN_PRUNED: Final = 1 << 14
_NO_PAGES: Final = VM_SHARED | VM_MAYSHARE | VM_SPECIAL


@final
@mypyc_attr(native_class=True, acyclic=True)
class Fact:
    """A recorded VMA [start, end) in bytes before a call: its anon_vma, and its page offset.

    apart: it has one of its own, though it could have shared a neighbour's.
    """

    __slots__ = ("anon_vma", "apart", "end", "pgoff", "start")

    def __init__(
        self, start: int, end: int, pgoff: int, anon_vma: AnonVma | None, apart: bool
    ) -> None:
        self.start = start
        self.end = end
        self.pgoff = pgoff
        self.anon_vma = anon_vma
        self.apart = apart


@final
@mypyc_attr(native_class=True, acyclic=True)
class Known:
    """What is known of page faults before a call: of VMAs near it, and of the main stack."""

    __slots__ = ("facts", "stack")

    def __init__(self, facts: list[Fact], stack: tuple[int, int] | None) -> None:
        self.facts = facts
        self.stack = stack


# What most calls are told; nobody alters it.
_NO_FACTS: Final[list[Fact]] = []
NOTHING: Final = Known(_NO_FACTS, None)


def known_near(mm: Mm, ranges: Ranges | None, inferred: bool) -> Known:
    """Return what is known near the ranges (bytes; None: everywhere).

    inferred: not by calls alone.
    """
    return Known(facts_near(mm, ranges) if inferred else [], stack_of(mm))


def facts_near(mm: Mm, ranges: Ranges | None) -> list[Fact]:
    """Return what is known of the VMAs in, or next to, the ranges (bytes); None: of all."""
    found: dict[int, Fact] = {}
    if ranges is not None and not ranges:
        return []
    for start, end in EVERYWHERE if ranges is None else ranges:
        if start >= end:
            continue
        for vma in vmas_in(mm, start, end):
            if vma.vm_start not in found and vma.vm_flags & _NO_PAGES == 0:
                found[vma.vm_start] = _fact(vma)
    return [found[start] for start in sorted(found)]


def _fact(vma: Vma) -> Fact:
    anon_vma = vma.anon_vma
    apart = False
    if anon_vma is not None and len(vma.anon_vma_chain) == 1:
        near = find_mergeable_anon_vma(vma)
        apart = near is not None and near is not anon_vma
    return Fact(int(vma.vm_start), int(vma.vm_end), int(vma.vm_pgoff), anon_vma, apart)


@final
class CarriedFaults:
    """The anon_vmas of one machine, and what they are in another."""

    def __init__(self) -> None:
        self._pairs: dict[AnonVma, AnonVma] = {}
        self._prune_at = MIN_PRUNED

    def news_near(self, mm: Mm, other: Mm, ranges: Ranges) -> Known:
        """Return what is known of VMAs in, or next to, the ranges (bytes), and not in `other`.

        Preconditions: memory is at the same place in both.
        """
        found: dict[int, Fact] = {}
        for start, end in ranges:
            for fact in self._news_in(mm, other, start, end):
                found[fact.start] = fact
        return _known([found[start] for start in sorted(found)], mm)

    def news_within(self, mm: Mm, other: Mm, start: i64, end: i64) -> Known:
        """Return the same of one range."""
        return _known(self._news_in(mm, other, start, end), mm)

    def _news_in(self, mm: Mm, other: Mm, start: i64, end: i64) -> list[Fact]:
        """Likewise, of one range. A VMA that is the same in both has nothing to tell."""
        news = _NO_FACTS
        if start >= end:
            return news
        first = max(start - 1, 0)
        here, there = Entries(mm.mm_mt, first), Entries(other.mm_mt, first)
        while True:
            vma = cast("Vma | None", here.next(end))
            mine = cast("Vma | None", there.next(end))
            if vma is None and mine is None:
                return news
            if vma is None or mine is None:
                return facts_near(mm, [(int(start), int(end))])
            if vma.vm_start != mine.vm_start or vma.vm_end != mine.vm_end:
                return facts_near(mm, [(int(start), int(end))])
            if vma.vm_flags & _NO_PAGES == 0 and not self._is_mirrored(vma, mine):
                if not news:
                    news = []
                news.append(_fact(vma))

    def _is_mirrored(self, vma: Vma, mine: Vma) -> bool:
        """Return whether a VMA has just what its counterpart has."""
        if vma.vm_pgoff != mine.vm_pgoff:
            return False
        anon_vma, held = vma.anon_vma, mine.anon_vma
        if anon_vma is None or held is None:
            return anon_vma is None and held is None
        return self._pairs.get(anon_vma) is held

    def apply(self, known: Known, mm: Mm, translation: AddressMap, in_step: bool) -> None:
        """Let the VMAs of `mm` that stand for recorded ones have been written to like those."""
        if known is NOTHING:
            return
        grow_stack(mm, known.stack)
        for fact in known.facts:
            if not translation:
                self._apply_in(fact, mm, fact.start, fact.end, in_step)
                continue
            for piece in translation.pieces(fact.start, fact.end):
                if piece.shift is not None:
                    start, end = piece.start + piece.shift, piece.end + piece.shift
                    self._apply_in(fact, mm, start, end, in_step)

    def _apply_in(self, fact: Fact, mm: Mm, start: int, end: int, in_step: bool) -> None:
        """Apply a fact to what lies in `[start, end)`, bytes."""
        vma = vma_lookup(mm, start)
        if vma is not None and vma.vm_end >= end:
            self._apply(fact, vma, in_step)
            return
        for one in vmas_in(mm, start, end):
            if one.vm_start < end and start < one.vm_end:
                self._apply(fact, one, in_step)

    def _apply(self, fact: Fact, vma: Vma, in_step: bool) -> None:
        if vma.vm_flags & _NO_PAGES != 0:
            return
        if in_step and (vma.vm_start, vma.vm_end) == (fact.start, fact.end):
            self._mirror(fact, vma)
            return
        held = vma.anon_vma
        if fact.anon_vma is not None and held is None:
            if fact.apart:
                attach_anon_vma(vma, None)
            else:
                anon_vma_prepare(vma)
            self._pair(fact.anon_vma, vma.anon_vma)

    def _mirror(self, fact: Fact, vma: Vma) -> None:
        """Make a VMA have just what its counterpart has."""
        vma.vm_pgoff = fact.pgoff
        if fact.anon_vma is None:
            if vma.anon_vma is not None:
                unlink_anon_vmas(vma)
            return
        known = self._pairs.get(fact.anon_vma)
        if known is not None and known.nr_links == 0:
            known = None
        if vma.anon_vma is not None:
            if known is None:
                self._pair(fact.anon_vma, vma.anon_vma)
                return
            if known is vma.anon_vma or len(vma.anon_vma_chain) != 1:
                return
            unlink_anon_vmas(vma)
        attach_anon_vma(vma, known)
        self._pair(fact.anon_vma, vma.anon_vma)

    def _pair(self, recorded: AnonVma, other: AnonVma | None) -> None:
        if other is None:
            return
        if len(self._pairs) >= self._prune_at:
            alive = {one: two for one, two in self._pairs.items() if one.nr_links and two.nr_links}
            self._pairs = alive
            self._prune_at = max(2 * len(alive), MIN_PRUNED)
        self._pairs[recorded] = other


def _known(facts: list[Fact], mm: Mm) -> Known:
    """Return what is known: facts, and the main stack."""
    stack = stack_of(mm)
    return Known(facts, stack) if facts or stack is not None else NOTHING


def stack_of(mm: Mm) -> tuple[int, int] | None:
    """Return the main stack [start, end) in bytes, None when it is not there."""
    if mm.stack_vm == 0:
        return None
    vma = vma_lookup(mm, mm.start_stack)
    if vma is None or vma.vm_flags & VM_GROWSDOWN == 0:
        return None
    return int(vma.vm_start), int(vma.vm_end)


def grow_stack(other: Mm, stack: tuple[int, int] | None) -> None:
    """A page fault has made the recorded main stack that large: here as well."""
    own = vma_lookup(other, other.start_stack) if stack is not None else None
    if own is None or stack is None:
        return
    if own.vm_end == stack[1] and stack[0] < own.vm_start:
        expand_downwards(own, stack[0])
