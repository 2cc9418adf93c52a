# SPDX-License-Identifier: GPL-2.0-or-later
"""Why an address space has as many VMAs as it has: what keeps neighbours apart, and at what cost.

The cost of a cause is counted, not estimated: how many VMAs fewer there were if it did not count,
where merging goes on as far as everything else allows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, final

from vmalab.calls.snapshot import Snapshot, VmaLine, vmas_of
from vmalab.explain.why.barriers import (
    ANON_VMA,
    KINDS,
    UNSEEN,
    Cause,
    Causes,
    Prober,
)
from vmalab.explain.why.visible_barriers import LineProber
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.targets.model.model import line_of_vma

# Addresses of boundaries that a group keeps as examples.
EXAMPLES: Final = 3
# Groups whose cost is counted by merging; that of rarer ones is the number of their boundaries.
_COUNTED: Final = 64


@dataclass(frozen=True, slots=True)
class BoundaryGroup:
    """Boundaries at which the same conditions fail.

    boundaries: how many. saves: VMAs fewer if these conditions, and only they, did not count.
    examples: addresses of some of the boundaries.
    """

    causes: Causes
    boundaries: int
    saves: int
    examples: tuple[int, ...]

    @property
    def text(self) -> str:
        """ "flags nh + anon_vma"."""
        return " + ".join(cause.text for cause in self.causes)


@dataclass(frozen=True, slots=True)
class KindTotal:
    """One kind of condition over all boundaries.

    boundaries: where it fails. alone: where nothing else does. saves: VMAs fewer without it.
    """

    kind: str
    boundaries: int
    alone: int
    saves: int


@dataclass(frozen=True, slots=True)
class Holes:
    """Unmapped addresses between VMAs.

    count: how many. size: bytes. alike: holes between VMAs that would become one, were the hole
    filled with memory like theirs (on a snapshot: that look so).
    """

    count: int
    size: int
    alike: int


class LayoutCost(NamedTuple):
    """An address space as this analysis sees it, lowest VMA first.

    causes: between one VMA and the next, place aside. anon: which anon_vma each has, 0: none, or
    not known. complete: everything that decides is known; without, whether VmFlags are
    (`has_flags`). breaks: behind which VMAs it is not known what lies, so that no hole is.
    """

    lines: Snapshot
    causes: list[Causes]
    anon: list[int]
    complete: bool
    has_flags: bool = True
    breaks: frozenset[int] = frozenset()


class Why(NamedTuple):
    """What was found.

    vmas: how many there are. touching: boundaries between two VMAs without a hole. untried:
    boundaries at which nothing fails: the next call that touches them merges. complete, has_flags:
    as in `LayoutCost`. groups, kinds: the most expensive first; of a group counts what it saves
    beyond groups whose conditions it includes.
    """

    vmas: int
    touching: int
    untried: int
    untried_saves: int
    groups: tuple[BoundaryGroup, ...]
    kinds: tuple[KindTotal, ...]
    holes: Holes
    complete: bool
    has_flags: bool


def layout_of_mm(mm: Mm) -> LayoutCost:
    """Of the model, where all is known."""
    vmas = mm_vmas(mm)
    return layout_of_vmas(mm, vmas, [line_of_vma(vma) for vma in vmas])


def layout_of_vmas(mm: Mm, vmas: Sequence[Vma], lines: Snapshot) -> LayoutCost:
    """Of VMAs of which all is known, and their lines. mm: whose rules decide."""
    prober = Prober(mm)
    causes = [prober.causes(lower, upper) for lower, upper in pairwise(vmas)]
    numbers: dict[object, int] = {None: 0}
    anon = [numbers.setdefault(vma.anon_vma, len(numbers)) for vma in vmas]
    return LayoutCost(lines, causes, anon, True)


def layout_of_lines(
    lines: Iterable[VmaLine], prober: LineProber, breaks: Iterable[int] = ()
) -> LayoutCost:
    """Of a snapshot. breaks: as in `LayoutCost`."""
    vmas = vmas_of(lines)
    causes = [prober.causes(lower, upper) for lower, upper in pairwise(vmas)]
    has_flags = all(line.flags is not None for line in vmas)
    return LayoutCost(vmas, causes, [0] * len(vmas), False, has_flags, frozenset(breaks))


def explain(layout: LayoutCost) -> Why:
    """Return everything about a layout."""
    counter = _Counter(layout)
    touching = [
        (index, layout.causes[index])
        for index in range(len(layout.causes))
        if layout.lines[index].end == layout.lines[index + 1].start
    ]
    counts: dict[Causes, int] = {}
    examples: dict[Causes, list[int]] = {}
    for index, causes in touching:
        counts[causes] = counts.get(causes, 0) + 1
        if counts[causes] <= EXAMPLES:
            examples.setdefault(causes, []).append(layout.lines[index].end)
    untried = counts.pop((), 0)
    ranked = sorted(counts, key=lambda causes: (-counts[causes], causes))
    groups = [
        BoundaryGroup(
            causes,
            counts[causes],
            counter.saves(set(causes)) if place < _COUNTED else counts[causes],
            tuple(examples[causes]),
        )
        for place, causes in enumerate(ranked)
    ]
    ranks = {
        group: (-_beyond_parts(group, groups), -group.boundaries, group.causes) for group in groups
    }
    return Why(
        len(layout.lines),
        len(touching),
        untried,
        counter.untried_saves,
        tuple(sorted(groups, key=ranks.__getitem__)),
        _kinds(counts, counter),
        _holes(layout),
        layout.complete,
        layout.has_flags,
    )


def _beyond_parts(group: BoundaryGroup, groups: list[BoundaryGroup]) -> int:
    """Return what a group saves beyond those groups whose conditions are only some of its own."""
    causes = set(group.causes)
    parts = [other.saves for other in groups if causes > set(other.causes)]
    return group.saves - max(parts, default=0)


def _kinds(counts: dict[Causes, int], counter: "_Counter") -> tuple[KindTotal, ...]:
    totals = []
    for kind in KINDS:
        having = [causes for causes in counts if any(cause.kind == kind for cause in causes)]
        if not having:
            continue
        alone = [causes for causes in having if all(cause.kind == kind for cause in causes)]
        ignored = {cause for causes in having for cause in causes if cause.kind == kind}
        totals.append(
            KindTotal(
                kind,
                sum(counts[causes] for causes in having),
                sum(counts[causes] for causes in alone),
                counter.saves(ignored),
            )
        )
    totals.sort(key=lambda total: (-total.saves, -total.boundaries))
    return tuple(totals)


def _holes(layout: LayoutCost) -> Holes:
    count = size = alike = 0
    lines = layout.lines
    for index, causes in enumerate(layout.causes):
        gap = lines[index + 1].start - lines[index].end
        if gap > 0 and index not in layout.breaks:
            count += 1
            size += gap
            alike += all(cause.kind == UNSEEN for cause in causes)
    return Holes(count, size, alike)


@final
class _Counter:
    """Counts the VMAs that were left if some causes did not count."""

    def __init__(self, layout: LayoutCost) -> None:
        numbers: dict[Causes, int] = {}
        lines = layout.lines
        # Of each boundary: which set of causes it has; -1 where a hole is.
        self._sets: list[int] = []
        for index, causes in enumerate(layout.causes):
            hole = lines[index].end != lines[index + 1].start
            self._sets.append(-1 if hole else numbers.setdefault(causes, len(numbers)))
        self._causes: Sequence[Causes] = list(numbers)
        self._anon = layout.anon
        self._now = self._runs(set())
        self.untried_saves = len(lines) - self._now

    def saves(self, ignored: set[Cause]) -> int:
        """Return how many VMAs fewer there were, beyond those that nothing keeps apart."""
        return self._now - self._runs(ignored)

    def _runs(self, ignored: set[Cause]) -> int:
        """Merge from the lowest VMA on; it is the best way, as what may merge may do so in parts.

        A run has one anon_vma at most, unless differing ones are ignored: VMAs without one lie
        between two that have different ones, and suit either.
        """
        passes = [ignored.issuperset(causes) for causes in self._causes]
        passes.append(False)
        anon = self._anon
        one_anon = not any(cause.kind == ANON_VMA for cause in ignored)
        runs = 1 if anon else 0
        held = anon[0] if anon else 0
        for index, number in enumerate(self._sets):
            own = anon[index + 1]
            if passes[number] and not (one_anon and own and held and own != held):
                held = held or own
            else:
                runs += 1
                held = own
        return runs
