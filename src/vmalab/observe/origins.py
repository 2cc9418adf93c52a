# SPDX-License-Identifier: GPL-2.0-or-later
"""Who made the VMAs of an address space: what is kept of each one, and how it is inherited.

A VMA keeps its origin while it grows, shrinks and moves. When it is split, one piece stays what it
was and the others are new; when two merge, the lower one goes on. So the number of VMAs is the
number of origins that are left, and each VMA too many has a call that answers for it.
"""

from collections.abc import Iterable
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.linux.fs.file import File
from vmalab.linux.mm.mm_types import Mempolicy, UserfaultfdCtx, Vma

# How a VMA came to be.
INITIAL: Final = "initial"
MAPPED: Final = "mapped"
SPLIT: Final = "split"
# What else a call does to a VMA.
GREW: Final = "grew"
SHRANK: Final = "shrank"
MERGED: Final = "merged"
MOVED: Final = "moved"
CHANGED: Final = "changed"
INHERITED: Final = "inherited"

Span = tuple[int, int]


@final
class Origin:
    """What caused something: a call, or what came without one.

    index: in the order of what happened. line: of the log. call: None for an exec's first map, a
    fork's copy and changes without a call; `what` says which.
    """

    __slots__ = ("call", "index", "line", "what")

    def __init__(self, index: int, line: int, what: str, call: Call | None) -> None:
        self.index = index
        self.line = line
        self.what = what
        self.call = call

    @property
    def tid(self) -> int:
        """The thread that made the call, 0 without a call."""
        return 0 if self.call is None else self.call.tid

    @property
    def time(self) -> float:
        """Seconds as the log counts them, 0.0 where it does not."""
        return 0.0 if self.call is None else self.call.time

    @property
    def name(self) -> str:
        """The call's name, or what there was instead."""
        return self.what if self.call is None else self.call.name


@final
class Past:
    """One event in a VMA's life, and the lives before it: several, when VMAs merged."""

    __slots__ = ("before", "origin", "span", "what")

    def __init__(
        self, origin: Origin, what: str, span: Span, before: tuple["Past | None", ...]
    ) -> None:
        self.origin = origin
        self.what = what
        self.span = span
        self.before = before


@final
class Traced:
    """A VMA as it was left by the last call that changed it; never altered, but replaced.

    start, end: bytes. born: by whom it became a VMA of its own, `how`: in what way. low, high: who
    put its start and its end where they are. last: who changed it otherwise (flags, name, policy,
    userfaultfd), None: nobody. label: what its owner calls it. past: its life, None unless wanted.
    """

    __slots__ = (
        "born",
        "context",
        "end",
        "file",
        "flags",
        "high",
        "how",
        "label",
        "last",
        "low",
        "name",
        "past",
        "policy",
        "start",
    )

    def __init__(
        self,
        vma: Vma,
        born: Origin,
        how: str,
        low: Origin,
        high: Origin,
        last: Origin | None,
    ) -> None:
        self.start: int = vma.vm_start
        self.end: int = vma.vm_end
        self.flags: int = vma.vm_flags
        self.name: str | None = vma.anon_name
        self.policy: Mempolicy | None = vma.vm_policy
        self.context: UserfaultfdCtx | None = vma.vm_userfaultfd_ctx
        self.file: File | None = vma.vm_file
        self.label = "" if vma.vm_ops is None else vma.vm_ops.label
        self.born = born
        self.how = how
        self.low = low
        self.high = high
        self.last = last
        self.past: Past | None = None

    def shows(self, vma: Vma) -> bool:
        """Whether the VMA is as it was left."""
        return self.start == vma.vm_start and self.end == vma.vm_end and self.is_like(vma)

    def is_like(self, vma: Vma) -> bool:
        """Whether the VMA has the same properties, wherever it is."""
        return (
            self.flags == vma.vm_flags
            and self.name == vma.anon_name
            and self.policy is vma.vm_policy
            and self.context is vma.vm_userfaultfd_ctx
        )


@final
class Change:
    """What one event did to some VMAs: from what was known of them to what is.

    fresh: what was mapped anew, so that nothing of what lay there lives on. moved: from where and
    to where a VMA was moved, in bytes. lives: whether to write lives down.
    """

    def __init__(self, origin: Origin, fresh: Span | None, moved: Span | None, lives: bool) -> None:
        self._origin = origin
        self._fresh = fresh
        self._moved = moved
        self._lives = lives

    def apply(self, olds: list[Traced], vmas: list[Vma]) -> list[Traced]:
        """The VMAs that there are now, each with its origin. Both lists: lowest first."""
        parts = self._parts(olds)
        reach: list[list[Traced]] = [[] for _ in vmas]
        heir_of: list[list[Traced]] = [[] for _ in vmas]
        at = 0
        for start, end, old in parts:
            while at < len(vmas) and vmas[at].vm_end <= start:
                at += 1
            index = at
            while index < len(vmas) and vmas[index].vm_start < end:
                if old not in reach[index]:
                    reach[index].append(old)
                index += 1
        self._choose_heirs(reach, heir_of, vmas)
        self._follow_moves(olds, heir_of, reach, vmas)
        lows = {old.start: old.low for start, _, old in parts if start == old.start}
        highs = {old.end: old.high for _, end, old in parts if end == old.end}
        return [
            self._made(vma, reach[index], heir_of[index], lows, highs)
            for index, vma in enumerate(vmas)
        ]

    def _parts(self, olds: Iterable[Traced]) -> list[tuple[int, int, Traced]]:
        """What is left of each VMA beside what was mapped anew."""
        if self._fresh is None:
            return [(old.start, old.end, old) for old in olds]
        low, high = self._fresh
        parts = []
        for old in olds:
            if old.end <= low or old.start >= high:
                parts.append((old.start, old.end, old))
                continue
            if old.start < low:
                parts.append((old.start, low, old))
            if old.end > high:
                parts.append((high, old.end, old))
        return parts

    def _choose_heirs(
        self, reach: list[list[Traced]], heir_of: list[list[Traced]], vmas: list[Vma]
    ) -> None:
        """Of the pieces of a VMA, the first that is like it goes on as it, else the first."""
        chosen: dict[Traced, int] = {}
        alike: set[Traced] = set()
        for index, vma in enumerate(vmas):
            for old in reach[index]:
                if old in alike:
                    continue
                if old.is_like(vma):
                    alike.add(old)
                    chosen[old] = index
                else:
                    chosen.setdefault(old, index)
        for old, index in chosen.items():
            heir_of[index].append(old)

    def _follow_moves(
        self,
        olds: list[Traced],
        heir_of: list[list[Traced]],
        reach: list[list[Traced]],
        vmas: list[Vma],
    ) -> None:
        """A VMA that is gone from where it was lives on where it was moved to."""
        if self._moved is None:
            return
        source, target = self._moved
        going_on = {old for heirs in heir_of for old in heirs}
        for old in olds:
            place = old.start - source + target
            if old in going_on or old.start < source:
                continue
            for index, vma in enumerate(vmas):
                if vma.vm_start <= place < vma.vm_end:
                    reach[index].append(old)
                    if not heir_of[index]:
                        heir_of[index].append(old)

    def _made(
        self,
        vma: Vma,
        before: list[Traced],
        heirs: list[Traced],
        lows: dict[int, Origin],
        highs: dict[int, Origin],
    ) -> Traced:
        origin = self._origin
        low = lows.get(vma.vm_start, origin)
        high = highs.get(vma.vm_end, origin)
        if not heirs:
            how = SPLIT if before else MAPPED
            made = Traced(vma, origin, how, low, high, None)
            self._write(made, before, how)
            return made
        old = heirs[0]
        if len(heirs) == 1 and len(before) == 1 and old.shows(vma) and low is old.low:
            return old
        like = old.is_like(vma)
        made = Traced(vma, old.born, old.how, low, high, old.last if like else origin)
        self._write(made, before, _what_became(old, made, before, like))
        return made

    def _write(self, made: Traced, before: list[Traced], what: str) -> None:
        if self._lives:
            lives = tuple(old.past for old in before)
            made.past = Past(self._origin, what, (made.start, made.end), lives)


def _what_became(old: Traced, made: Traced, before: list[Traced], like: bool) -> str:
    if not like:
        return CHANGED
    if len(before) > 1:
        return MERGED
    if made.end <= old.start or made.start >= old.end:
        return MOVED
    if made.start < old.start or made.end > old.end:
        return GREW
    return SHRANK


def life_of(traced: Traced) -> list[Past]:
    """All events of a VMA's life in their order, also of the lives of those that became it."""
    found: dict[int, Past] = {}
    waiting: list[Past | None] = [traced.past]
    while waiting:
        past = waiting.pop()
        if past is None or id(past) in found:
            continue
        found[id(past)] = past
        waiting += past.before
    return sorted(found.values(), key=lambda past: (past.origin.index, past.span))
