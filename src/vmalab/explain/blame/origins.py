# SPDX-License-Identifier: GPL-2.0-or-later
"""Who made the VMAs of an address space: what is kept of each one, and how it is inherited.

A VMA keeps its origin while it grows, shrinks and moves. When it is split, one piece stays what it
was and the others are new; when two merge, the lower one goes on. So the number of VMAs is the
number of origins that are left, and each VMA too many has a call that answers for it.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.calls.call import Call
from vmalab.calls.ranges import Range
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Mempolicy, UserfaultfdCtx, Vma

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


@final
@mypyc_attr(native_class=True, acyclic=True)
class Origin:
    """What caused something: a call, or what came without one.

    index: in the order of what happened. line: of the log. call: None for an exec's first map, a
    fork's copy and changes without a call; `what` says which. made: VMAs that it has made so far.
    """

    __slots__ = ("call", "index", "line", "made", "what")

    def __init__(self, index: int, line: int, what: str, call: Call | None) -> None:
        self.index = index
        self.line = line
        self.what = what
        self.call = call
        self.made = 0

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
        return self.what if self.call is None else self.call.spelling


@final
@mypyc_attr(native_class=True, acyclic=True)
class Past:
    """One event in a VMA's life, and the lives before it: several, when VMAs merged."""

    __slots__ = ("before", "origin", "span", "what")

    def __init__(
        self, origin: Origin, what: str, span: Range, before: tuple["Past | None", ...]
    ) -> None:
        self.origin = origin
        self.what = what
        self.span = span
        self.before = before


@final
@mypyc_attr(native_class=True, acyclic=True)
class Traced:
    """A VMA as it was left by the last call that changed it; never altered, but replaced.

    start, end: bytes. born: by whom it became a VMA of its own, `how`: in what way. low, high: who
    put its start and its end where they are. last: who changed it otherwise (flags, name, policy,
    userfaultfd), None: nobody. label: what its owner calls it. past: its life, None unless wanted.
    number: of the VMA among those that its address space has had; it keeps it as long as it lives.
    since: the index of the origin that left it so.
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
        "number",
        "past",
        "policy",
        "since",
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
        self.start: i64 = vma.vm_start
        self.end: i64 = vma.vm_end
        self.flags: i64 = vma.vm_flags
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
        self.number = 0
        self.since = born.index

    def shows(self, vma: Vma) -> bool:
        """Return whether the VMA is as it was left."""
        return self.start == vma.vm_start and self.end == vma.vm_end and self.is_like(vma)

    def is_like(self, vma: Vma) -> bool:
        """Return whether the VMA has the same properties, wherever it is."""
        return (
            self.flags == vma.vm_flags
            and self.name == vma.anon_name
            and self.policy is vma.vm_policy
            and self.context is vma.vm_userfaultfd_ctx
        )


@final
@mypyc_attr(native_class=True, acyclic=True)
class _Claim:
    """What a VMA has of those that were there: who goes on as it, who put its ends there.

    covered: how many it covers a part of; before: those, where somebody keeps lives. heir: the one
    that it goes on as, None: it is new.
    """

    __slots__ = ("before", "covered", "heir", "high", "low")

    def __init__(self, origin: Origin, before: list[Traced] | None) -> None:
        self.covered = 0
        self.before = before
        self.heir: Traced | None = None
        self.low = origin
        self.high = origin

    def cover(self, old: Traced) -> None:
        """Note that it covers a part of one."""
        self.covered += 1
        if self.before is not None:
            self.before.append(old)


@final
@mypyc_attr(native_class=True, acyclic=True)
class Change:
    """What one event did to some VMAs: from what was known of them to what is.

    fresh: what was mapped anew, `[low, high)`, so that nothing of what lay there lives on. moved:
    from where and to where a VMA was moved, in bytes. lives: whether to write lives down. numbers:
    how many VMAs the address space has had.
    """

    def __init__(
        self, origin: Origin, fresh: Range | None, moved: Range | None, lives: bool, numbers: int
    ) -> None:
        self.numbers = numbers
        self._origin = origin
        self.low: i64 = 0
        self.high: i64 = 0
        if fresh is not None:
            self.low, self.high = fresh
        self._moved = moved
        self._lives = lives

    def apply(self, olds: list[Traced], vmas: list[Vma]) -> list[Traced]:
        """Return the VMAs that there are now, each with its origin. Both lists: lowest first."""
        lives = self._lives
        claims = [_Claim(self._origin, [] if lives else None) for _ in vmas]
        low, high = self.low, self.high
        count: i64 = len(vmas)
        at: i64 = 0
        for old in olds:
            start, end = old.start, old.end
            # What is left of it: [start, below), and [above, end) behind what was mapped anew.
            below = above = end
            if low < end and start < high:
                below, above = max(low, start), min(high, end)
            heir: i64 = -1
            alike = False
            while at < count and vmas[at].vm_end <= start:
                at += 1
            index = at
            while index < count:
                vma = vmas[index]
                if vma.vm_start >= end:
                    break
                if (vma.vm_start < below and start < below) or (vma.vm_end > above and end > above):
                    _note(claims[index], vma, old, below, above)
                    # Of its pieces the first that is like it goes on as it, else the first.
                    if not alike:
                        alike = old.is_like(vma)
                        if alike or heir < 0:
                            heir = index
                index += 1
            # Of several that merge, the lowest goes on.
            if heir >= 0 and claims[heir].heir is None:
                claims[heir].heir = old
        if self._moved is not None:
            self._follow_move(self._moved, olds, claims, vmas)
        return [self._made(vma, claims[index]) for index, vma in enumerate(vmas)]

    def _follow_move(
        self, moved: Range, olds: list[Traced], claims: list[_Claim], vmas: list[Vma]
    ) -> None:
        """A VMA that is gone from where it was lives on where it was moved to."""
        source, target = moved
        going_on = {claim.heir for claim in claims}
        for old in olds:
            place = old.start - source + target
            if old in going_on or old.start < source:
                continue
            for index, vma in enumerate(vmas):
                if vma.vm_start <= place < vma.vm_end:
                    claims[index].cover(old)
                    if claims[index].heir is None:
                        claims[index].heir = old

    def _made(self, vma: Vma, claim: _Claim) -> Traced:
        origin = self._origin
        old = claim.heir
        if old is None:
            how = SPLIT if claim.covered else MAPPED
            origin.made += 1
            made = Traced(vma, origin, how, claim.low, claim.high, None)
            self.numbers += 1
            made.number = self.numbers
            self._write(made, claim, how)
            return made
        like = old.is_like(vma)
        if like and claim.covered == 1 and claim.low is old.low and claim.high is old.high:
            if old.shows(vma):
                return old
        made = Traced(vma, old.born, old.how, claim.low, claim.high, old.last if like else origin)
        made.number = old.number
        made.since = origin.index
        if self._lives:
            self._write(made, claim, _what_became(old, made, claim.covered, like))
        return made

    def _write(self, made: Traced, claim: _Claim, what: str) -> None:
        if claim.before is not None:
            lives = tuple([old.past for old in claim.before])
            made.past = Past(self._origin, what, (int(made.start), int(made.end)), lives)


def _note(claim: _Claim, vma: Vma, old: Traced, below: i64, above: i64) -> None:
    """A VMA covers a part of an old one, and has those of its ends that are there.

    below, above: where what is left of the old one, at its start and at its end, ends and starts.
    """
    claim.cover(old)
    if vma.vm_start == old.start and below > old.start:
        claim.low = old.low
    if vma.vm_end == old.end and (above < old.end or below == old.end):
        claim.high = old.high


def _what_became(old: Traced, made: Traced, covered: int, like: bool) -> str:
    if not like:
        return CHANGED
    if covered > 1:
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
