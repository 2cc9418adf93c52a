# SPDX-License-Identifier: GPL-2.0-or-later
"""The VMAs of one address space with their origins, kept up to date call by call.

What a call may have touched is compared with what was known of that part, so that a call costs what
it changed. The map as it was when it had the most VMAs is kept too, as the changes since then.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.calls.ranges import Range, Ranges
from vmalab.explain.blame.origins import INHERITED, INITIAL, Change, Origin, Past, Traced
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi
from vmalab.targets.model.capture import vmas_in

# Changes since the peak that are kept however small the map is.
_FEW: Final = 1024

# What was known of some VMAs, and what there is now in their place.
Replaced = tuple[list[Traced], list[Traced]]


@final
class OriginMap:
    """An address space by origins.

    vmas: lowest first. most: the largest number of VMAs at a time; most_line: the line of the log
    after which it was first reached, 0: the beginning. lives: whether lives are written down.
    replaced: where somebody wants it, what has been replaced since it was looked at last.
    """

    def __init__(self, lives: bool, watched: bool = False) -> None:
        self.replaced: list[Replaced] | None = [] if watched else None
        self._numbers = 0
        self.vmas: list[Traced] = []
        self.most = 0
        self.most_line = 0
        self._lives = lives
        # Changes since there were the most, latest last; when there are too many of them, the map
        # itself instead.
        self._since: list[Replaced] = []
        self._then: list[Traced] | None = None

    def begin(self, mm: Mm, origin: Origin) -> None:
        """The first map of a new program."""
        vmas = [Traced(vma, origin, INITIAL, origin, origin, None) for vma in mm_vmas(mm)]
        for traced in vmas:
            self._numbers += 1
            traced.number = self._numbers
        self._set(vmas, origin)

    def inherit(self, parent: "OriginMap", mm: Mm, origin: Origin) -> None:
        """A fork's copy: every VMA has its parent's origin."""
        self._set(list(parent.vmas), None)
        self._numbers = parent._numbers
        self.sync(mm, None, origin, None, None)
        if self._lives:
            self.vmas = [
                _inherited(old, vma, origin)
                for old, vma in zip(self.vmas, mm_vmas(mm), strict=True)
            ]
        self._peak(0)

    def _set(self, vmas: list[Traced], origin: Origin | None) -> None:
        self.vmas = vmas
        if self._lives and origin is not None:
            for traced in vmas:
                traced.past = Past(origin, INITIAL, (int(traced.start), int(traced.end)), ())
        self._peak(0)

    def _peak(self, line: int) -> None:
        self.most = len(self.vmas)
        self.most_line = line
        self._since = []
        self._then = None

    def at_peak(self) -> list[Traced]:
        """Return the VMAs when there were the most of them."""
        return self._undone() if self._then is None else self._then

    def _undone(self) -> list[Traced]:
        """Return the map of the peak, from the changes since."""
        if not self._since:
            return list(self.vmas)
        there = {int(traced.start): traced for traced in self.vmas}
        for olds, news in reversed(self._since):
            for traced in news:
                del there[int(traced.start)]
            for traced in olds:
                there[int(traced.start)] = traced
        return [there[start] for start in sorted(there)]

    def known_in(self, spans: Ranges | None) -> list[Traced]:
        """Return what is known of the VMAs in or next to some ranges (None: everywhere)."""
        if spans is None:
            return self.vmas
        found: list[Traced] = []
        for start, end in spans:
            low, high = self._places(start, end)
            found += self.vmas[low:high]
        return found

    def sync(
        self,
        mm: Mm,
        spans: Ranges | None,
        origin: Origin,
        fresh: Range | None,
        moved: Range | None,
    ) -> None:
        """Take over what an event did in some ranges (None: anywhere); the rest as in `Change`."""
        parts = self._parts(mm, spans)
        if parts:
            self._replace(parts, Change(origin, fresh, moved, self._lives, self._numbers))
            self._consider(origin.line)

    def sync_range(self, mm: Mm, start: i64, end: i64, origin: Origin, *, fresh: bool) -> None:
        """The same for one range, in bytes. fresh: all of it was mapped anew."""
        part = self._part(mm, start, end)
        if part is None:
            return
        change = Change(origin, None, None, self._lives, self._numbers)
        if fresh:
            change.low, change.high = start, end
        olds = part.olds
        news = change.apply(olds, part.vmas)
        self._put(part, news)
        self._replaced(olds, news, change)
        self._consider(origin.line)

    def _consider(self, line: int) -> None:
        """There may be more VMAs than ever, after a line of the log."""
        if len(self.vmas) > self.most:
            self._peak(line)

    def _parts(self, mm: Mm, spans: Ranges | None) -> "list[_Part]":
        """Return what is not as it was known in some ranges (None: anywhere), lowest first."""
        parts: list[_Part] = []
        if spans is None:
            vmas = mm_vmas(mm)
            if not _same(self.vmas, vmas):
                parts.append(_Part(0, len(self.vmas), self.vmas[:], vmas))
            return parts
        for start, end in spans:
            part = self._part(mm, start, end)
            if part is not None:
                parts.append(part)
        return _apart(parts, self.vmas) if len(parts) > 1 else parts

    def _places(self, start: i64, end: i64) -> tuple[i64, i64]:
        """Return the places of the VMAs that have an address in a range or touch its ends."""
        known = self.vmas
        count: i64 = len(known)
        low = _count_below(known, start)
        high = low
        if low > 0 and known[low - 1].end >= start:
            low -= 1
        while high < count and known[high].start <= end:
            high += 1
        return low, high

    def _part(self, mm: Mm, start: i64, end: i64) -> "_Part | None":
        """Return what is not as it was known in a range or next to it; None when all is.

        It is widened until every VMA that was known in it, or is there now, lies inside.
        """
        known = self.vmas
        low, high = self._places(start, end)
        vmi = Vmi(mm, max(start - 1, 0))
        limit = min(end + 1, TASK_SIZE_5LEVEL)
        vma = vmi.find(limit)
        while vma is not None and low < high and known[low].shows(vma):
            low += 1
            vma = vmi.find(limit)
        if vma is None and low == high:
            return None
        vmas: list[Vma] = []
        while vma is not None:
            vmas.append(vma)
            vma = vmi.find(limit)
        beyond: i64 = len(vmas)
        while beyond > 0 and high > low and known[high - 1].shows(vmas[beyond - 1]):
            beyond -= 1
            high -= 1
            vmas.pop()
        while True:
            first, last = self._reach(start, end, low, high, vmas)
            if first == start and last == end:
                return _Part(low, high, known[low:high], vmas)
            start, end = first, last
            # What only touches the wider range is another matter.
            low, high = self._places(start + 1, end - 1)
            vmas = vmas_in(mm, int(start + 1), int(end - 1))

    def _reach(self, start: i64, end: i64, low: i64, high: i64, vmas: list[Vma]) -> tuple[i64, i64]:
        """Return a range widened to where what was known of it, or what is there, may go on.

        Where both end at the same address, nothing goes on.
        """
        known = self.vmas
        count: i64 = len(vmas)
        if low < high:
            first, last = known[low].start, known[high - 1].end
            if count == 0 or first < vmas[0].vm_start:
                start = min(start, first)
            if count == 0 or last > vmas[count - 1].vm_end:
                end = max(end, last)
        if count > 0:
            there = vmas[0].vm_start
            if low > 0 and known[low - 1].end > there:
                start = min(start, there)
            there = vmas[count - 1].vm_end
            if high < len(known) and known[high].start < there:
                end = max(end, there)
        return start, end

    def _replace(self, parts: "list[_Part]", change: Change) -> None:
        """Put what there is in the place of what was known. parts: lowest first, apart."""
        olds = [traced for part in parts for traced in part.olds]
        news = change.apply(olds, [vma for part in parts for vma in part.vmas])
        end = len(news)
        for part in reversed(parts):
            begin = end - len(part.vmas)
            self._put(part, news[begin:end])
            end = begin
        self._replaced(olds, news, change)

    def _replaced(self, olds: list[Traced], news: list[Traced], change: Change) -> None:
        """Note what has been replaced."""
        self._numbers = change.numbers
        if self.replaced is not None:
            self.replaced.append((olds, news))
        if self._then is None:
            self._remember(olds, news)

    def _put(self, part: "_Part", news: list[Traced]) -> None:
        if len(news) == part.high - part.low:
            at = part.low
            for traced in news:
                self.vmas[at] = traced
                at += 1
        else:
            self.vmas[part.low : part.high] = news

    def _remember(self, olds: list[Traced], news: list[Traced]) -> None:
        """Keep what a change replaced, for the map of the peak."""
        if len(self.vmas) > self.most:
            return
        self._since.append((olds, news))
        if len(self._since) > _FEW + self.most:
            self._then = self._undone()
            self._since = []


@final
@mypyc_attr(native_class=True, acyclic=True)
class _Part:
    """What changed: places [low, high) of what was known, what that was, and its VMAs now.

    start, end: the bytes that both span.
    """

    __slots__ = ("end", "high", "low", "olds", "start", "vmas")

    def __init__(self, low: i64, high: i64, olds: list[Traced], vmas: list[Vma]) -> None:
        self.low = low
        self.high = high
        self.olds = olds
        self.vmas = vmas
        if not olds:
            self.start: i64 = vmas[0].vm_start
            self.end: i64 = vmas[-1].vm_end
        elif not vmas:
            self.start = olds[0].start
            self.end = olds[-1].end
        else:
            self.start = min(olds[0].start, vmas[0].vm_start)
            self.end = max(olds[-1].end, vmas[-1].vm_end)


def _count_below(known: list[Traced], address: i64) -> i64:
    """Return how many VMAs start below an address."""
    low: i64 = 0
    high: i64 = len(known)
    while low < high:
        middle = (low + high) >> 1
        if known[middle].start < address:
            low = middle + 1
        else:
            high = middle
    return low


def _same(known: list[Traced], vmas: list[Vma]) -> bool:
    if len(known) != len(vmas):
        return False
    return all(known[at].shows(vma) for at, vma in enumerate(vmas))


def _apart(parts: list[_Part], known: list[Traced]) -> list[_Part]:
    """Return the parts in order, those that overlap as one. known: all that was."""
    parts.sort(key=_start_of)
    found = parts[:1]
    for part in parts[1:]:
        last = found[-1]
        if part.start >= last.end:
            found.append(part)
            continue
        low, high = min(last.low, part.low), max(last.high, part.high)
        there = {int(vma.vm_start): vma for vma in last.vmas + part.vmas}
        vmas = [there[start] for start in sorted(there)]
        found[-1] = _Part(low, high, known[low:high], vmas)
    return found


def _start_of(part: _Part) -> int:
    return int(part.start)


def _inherited(old: Traced, vma: Vma, origin: Origin) -> Traced:
    """Return a VMA of a fork's child, whose life goes on apart from its parent's."""
    new = Traced(vma, old.born, old.how, old.low, old.high, old.last)
    new.past = Past(origin, INHERITED, (int(old.start), int(old.end)), (old.past,))
    new.number = old.number
    return new
