# SPDX-License-Identifier: GPL-2.0-or-later
"""Hands out units ahead of what is wanted, and yields their values in the order of the units."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, Generic, TypeVar

from vmalab.crew.answers import UnitAnswer, read_answer
from vmalab.crew.hand import Unit

P = TypeVar("P")
T = TypeVar("T")
# Units that are out for each worker at most: one that takes long does not keep the others waiting.
AHEAD: Final = 16
# Workers that may end during one and the same unit, before that unit is to blame.
ATTEMPTS: Final = 3


class Crew(Generic[P]):
    """Does units, each in a place that its worker has open.

    A subclass hands units out and takes answers in. size: how many are worked on at a time.
    """

    size: int

    def __init__(self) -> None:
        self._numbers = 0
        self._held: dict[int, UnitAnswer] = {}
        self._unwanted: set[int] = set()

    def give(self, number: int, unit: Unit[P]) -> None:
        """Hand out a unit."""
        raise NotImplementedError

    def take(self) -> list[tuple[int, UnitAnswer]]:
        """Wait for answers: with their units' numbers. Errors: VmalabError."""
        raise NotImplementedError

    def forget(self, numbers: Iterable[int]) -> None:
        """Units that are out are not wanted any more."""

    def run(self, units: Iterable[Callable[[P], T]]) -> Generator[T, None, None]:
        """Yield the values of units, in their order; few units are taken ahead.

        While one run is under way another one may be begun.  Errors: those of the units.
        """
        waiting = iter(units)
        out: deque[int] = deque()
        try:
            while True:
                while len(out) < self.size * AHEAD:
                    unit = next(waiting, None)
                    if unit is None:
                        break
                    self._numbers += 1
                    out.append(self._numbers)
                    self.give(self._numbers, unit)
                if not out:
                    return
                yield self._value(out[0])
                out.popleft()
        finally:
            left = [number for number in out if number not in self._held]
            for number in out:
                self._held.pop(number, None)
            self._unwanted.update(left)
            self.forget(left)

    def _value(self, number: int) -> Any:
        """Wait for one unit's answer, and keep those of others."""
        while number not in self._held:
            for other, answer in self.take():
                if other in self._unwanted:
                    self._unwanted.discard(other)
                else:
                    self._held[other] = answer
        return read_answer(self._held.pop(number))
