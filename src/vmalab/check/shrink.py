# SPDX-License-Identifier: GPL-2.0-or-later
"""Shrinks a list of calls at whose end model and kernel part, to few simple ones that still do so.

What is simpler, in this order: fewer calls (each one must be understood); a worker that starts as
usual; fewer pages (pictures get small); plainer arguments and calls: ordinary protection and flags
before rare ones, since a rare bit that stays is a hint at the cause; lower addresses of a window,
as a picture is read from the left.

Each pass proposes lists that are simpler in this sense and keeps one when it still fails in the
same way, so every accepted step goes down in a well-founded order: passes may be repeated until
none of them helps, and that ends.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.table import MAKES_FD, RANGED
from vmalab.check.finding import MAP, Divergence
from vmalab.check.simpler import (
    addresses,
    joined,
    moved,
    near,
    pinned,
    plainer,
    shorter,
    substitutes,
    with_argument,
)
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.wire import begins_process, ends_process

Run = Callable[[Settings, Sequence[Call]], Divergence | None]
Answers = Callable[[Settings, Sequence[Call]], Sequence[int | None]]

# How many calls a list may have for any two of them to be left out at once.
_PAIRS: Final = 24
# A worker needs so many VMAs before it makes its first call.
_LEAST_ROOM: Final = 10


@final
class Shrinker:
    """Holds the simplest list so far. run: carries out a list from a fresh start.

    answers: what the kernel answers to a list. settings: how the worker starts. budget: how many
    lists may be tried.
    """

    def __init__(
        self,
        run: Run,
        answers: Answers,
        difference: Divergence,
        settings: Settings,
        budget: int = 3000,
    ) -> None:
        self._run = run
        self._answers = answers
        self._signature = difference.signature
        self.best = difference
        self.settings = settings
        self.tried = 0
        self._budget = budget
        # Lists that did not fail in the same way: passes propose many of them again.
        self._refused: set[tuple[object, ...]] = set()

    def shrink(self) -> Divergence:
        """Repeats all passes until none of them helps, or the budget is spent."""
        passes = (
            self._drop_calls,
            self._pin,
            self._plain_start,
            self._drop_with_room,
            self._fewer_pages,
            self._plainer,
            self._other_calls,
            self._join,
            self._lower,
        )
        improved = True
        while improved and self.tried < self._budget:
            improved = False
            for simplify in passes:
                improved = simplify() or improved
            if not improved:
                # It takes long, and seldom helps.
                improved = self._drop_pairs()
        return self.best

    def _accept(self, calls: Sequence[Call], settings: Settings | None = None) -> bool:
        """Try a list: whether it fails in the same way; then it is the best."""
        if self.tried >= self._budget or not calls:
            return False
        start = self.settings if settings is None else settings
        key = (start, *((call.name, call.args, repr(call.mem)) for call in calls))
        if key in self._refused:
            return False
        self.tried += 1
        found = self._run(start, calls)
        if found is None or found.signature != self._signature:
            self._refused.add(key)
            return False
        self.best = found
        self.settings = start
        return True

    def _pin(self) -> bool:
        """Ask for the place where the kernel has put a mapping, so that no other call decides it.

        All of them at once, or else one after the other.
        """
        calls = self.best.calls
        if all(pinned(call, call.args[0]) is None for call in calls):
            return False
        answers = self._answers(self.settings, calls)
        places: list[Call | None] = [None] * len(calls)
        # There are fewer answers when the worker died.
        for index, answer in enumerate(answers[: len(calls)]):
            if answer is not None:
                places[index] = pinned(calls[index], answer)
        if self._accept([place or call for place, call in zip(places, calls, strict=True)]):
            return True
        improved = False
        for index, place in enumerate(places):
            calls = self.best.calls
            if place is not None and index < len(calls):
                improved = self._accept((*calls[:index], place, *calls[index + 1 :])) or improved
        return improved

    # How the worker starts.

    def _plain_start(self) -> bool:
        """Let the worker start as usual, in one respect after the other."""
        usual = Settings()
        now = self.settings
        variants = (
            replace(now, keeps_vdso=usual.keeps_vdso),
            replace(now, uid=usual.uid, caps=usual.caps),
            replace(now, stack=usual.stack),
            replace(now, memlock=usual.memlock),
            replace(now, max_map_count=usual.max_map_count),
            replace(now, place=usual.place),
            replace(now, personality=usual.personality),
            replace(now, kernel=usual.kernel),
        )
        improved = False
        for variant in variants:
            if variant != now and self._accept(self.best.calls, variant):
                improved = True
        return improved

    def _drop_with_room(self) -> bool:
        """Leave out a call that only filled the map, and let the map hold fewer VMAs instead."""
        improved = False
        index = len(self.best.calls) - 2
        while index >= 0:
            room = self.settings.max_map_count
            for fewer in (1, 2):
                less = replace(self.settings, max_map_count=room - fewer)
                if room - fewer < _LEAST_ROOM:
                    break
                calls = self.best.calls
                if self._accept(calls[:index] + calls[index + 1 :], less):
                    improved = True
                    break
            index = min(index, len(self.best.calls) - 1) - 1
        return improved

    # Fewer calls.

    def _drop_calls(self) -> bool:
        """Leave out stretches, long ones first, from the end (what lies near matters most)."""
        improved = False
        size = max(len(self.best.calls) // 2, 1)
        while size >= 1 and self.tried < self._budget:
            # A result differs at the last call, which must stay; a map may have differed before it.
            at = len(self.best.calls) - size - (self.best.kind != MAP)
            helped = False
            while at > -size:
                calls = self.best.calls
                first = max(at, 0)
                shorter = calls[:first] + calls[at + size :]
                if 0 < len(shorter) < len(calls) and self._accept(shorter):
                    helped = improved = True
                elif size == 1 and self._drop_one(first):
                    helped = improved = True
                at -= size
            if size == 1 and not helped:
                break
            if not helped or size > len(self.best.calls) // 2:
                size = size // 2 if size > 1 else (1 if helped else 0)
        return improved

    def _drop_one(self, index: int) -> bool:
        """Leave out a call that others refer to, or a part of."""
        return (
            self._without_descriptor(index)
            or self._without_segment(index)
            or self._without_child(index)
        )

    def _without_descriptor(self, index: int) -> bool:
        """Leave out a call that makes a descriptor; those made later have a lower number then."""
        calls = self.best.calls
        fd = _descriptor(calls, index)
        if fd < 0:
            return False
        rest = [_renumbered(call, fd) for call in calls[index + 1 :]]
        return self._accept((*calls[:index], *rest))

    def _without_segment(self, index: int) -> bool:
        """Leave out a shmget; segments made later have a lower number then."""
        calls = self.best.calls
        if calls[index].name != "shmget":
            return False
        number = sum(call.name == "shmget" for call in calls[:index])
        rest = [
            with_argument(call, 0, call.args[0] - 1)
            if call.name in ("shmat", "shmctl") and call.args[0] > number
            else call
            for call in calls[index + 1 :]
        ]
        return self._accept((*calls[:index], *rest))

    def _without_child(self, index: int) -> bool:
        """Leave out a fork: with all that its child does, or with its exit alone."""
        calls = self.best.calls
        if not begins_process(calls[index]):
            return False
        depth = 1
        end = index + 1
        while end < len(calls) and depth:
            depth += begins_process(calls[end]) - ends_process(calls[end])
            end += 1
        if depth:
            return False
        return self._accept(calls[:index] + calls[end:]) or self._accept(
            calls[:index] + calls[index + 1 : end - 1] + calls[end:]
        )

    def _drop_pairs(self) -> bool:
        """Leave out any two calls, such as one that undoes what the other did."""
        if len(self.best.calls) > _PAIRS:
            return False
        for second in range(len(self.best.calls) - 1, 0, -1):
            for first in range(second - 1, -1, -1):
                calls = self.best.calls
                rest = calls[:first] + calls[first + 1 : second] + calls[second + 1 :]
                if self._accept(rest):
                    return True
        return False

    def _join(self) -> bool:
        """Make one call of two that do the same to ranges which touch."""
        improved = False
        second = len(self.best.calls) - 1
        while second > 0:
            for first in range(second - 1, -1, -1):
                calls = self.best.calls
                both = joined(calls[first], calls[second])
                if both is None:
                    continue
                rest = (*calls[:first], both, *calls[first + 1 : second], *calls[second + 1 :])
                if self._accept(rest):
                    improved = True
                    break
            second = min(second, len(self.best.calls)) - 1
        return improved

    # Simpler calls.

    def _each(self, variants: Callable[[Call], Iterator[Call]]) -> bool:
        """Try the variants of each call, the last call's too, in turn."""
        improved = False
        index = 0
        while index < len(self.best.calls):
            for variant in variants(self.best.calls[index]):
                if index >= len(self.best.calls):
                    break
                calls = self.best.calls
                if self._accept((*calls[:index], variant, *calls[index + 1 :])):
                    improved = True
                    break
            index += 1
        return improved

    def _fewer_pages(self) -> bool:
        return self._each(shorter)

    def _plainer(self) -> bool:
        return self._each(plainer)

    def _other_calls(self) -> bool:
        return self._each(substitutes)

    def _lower(self) -> bool:
        """Move all of a window's addresses so that the lowest is its first page."""
        calls = self.best.calls
        improved = False
        bases = {call.args[0] & ~0xFFFFFFF for call in calls if call.row.family & RANGED}
        for base in sorted(bases):
            used = [a for call in self.best.calls for a in addresses(call) if near(a, base)]
            shift = min(used, default=base) - base
            if shift and base and self._accept([moved(call, base, shift) for call in calls]):
                improved = True
                calls = self.best.calls
        return improved


def _descriptor(calls: Sequence[Call], index: int) -> int:
    """Return the number that the call at `index` gets if all such calls succeed.

    -1 when it makes none.
    """
    if not calls[index].row.family & MAKES_FD:
        return -1
    taken: set[int] = set()
    fd = -1
    for call in calls[: index + 1]:
        if call.row.family & MAKES_FD:
            fd = 3
            while fd in taken:
                fd += 1
            taken.add(fd)
        elif call.name == "close":
            taken.discard(call.args[0])
    return fd


def _renumbered(call: Call, gone: int) -> Call:
    """Return a call whose descriptors, where they are higher than `gone`, are lower by one."""
    for place in call.row.indices("fd"):
        if gone < call.args[place] < 200:
            call = with_argument(call, place, call.args[place] - 1)
    return call


def shrink(
    run: Run, answers: Answers, difference: Divergence, settings: Settings, budget: int = 3000
) -> tuple[Divergence, Settings]:
    """Return the simplest list found that fails in the same way, and how the worker starts for it.

    run, answers: carry out a list from a fresh start, in both worlds and on the kernel alone.
    """
    shrinker = Shrinker(run, answers, difference, settings, budget)
    return shrinker.shrink(), shrinker.settings
