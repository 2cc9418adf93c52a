# SPDX-License-Identifier: GPL-2.0-or-later
"""A crew of this machine: this process alone, or processes of which any may be killed."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from multiprocessing.connection import wait
from typing import Final, TypeVar, final

from vmalab.apart import HasEnded
from vmalab.calls.errors import VmalabError
from vmalab.crew.answers import UnitAnswer, write_failure
from vmalab.crew.hand import Hand, Opens, Unit, wrapped
from vmalab.crew.sharing import ATTEMPTS, Crew, P

T = TypeVar("T")
# Units that a process has at a time: the one that it does, and the next where that is small: a
# pipe takes so many bytes even when nobody reads it.
_DEPTH: Final = 2
_SMALL: Final = 16 << 10


@final
class Alone(Crew[P]):
    """This process, one unit after the other."""

    size = 1

    def __init__(self, place: P) -> None:
        super().__init__()
        self._place = place

    def run(self, units: Iterable[Callable[[P], T]]) -> Generator[T, None, None]:
        """Yield the values of units; see `Crew.run`."""
        return (unit(self._place) for unit in units)


@final
class Processes(Crew[P]):
    """Processes that share units. One that is killed is replaced, and its units are done again.

    opens: makes the place of each. mutant: the bug of their engines, "" for none.
    """

    def __init__(self, opens: Opens[P], size: int, mutant: str = "") -> None:
        super().__init__()
        self.size = size
        self._opens = opens
        self._mutant = mutant
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._hands: dict[Hand[P], deque[tuple[int, bytes]]] = {}
        self._ended: dict[int, int] = {}

    def give(self, number: int, unit: Unit[P]) -> None:
        """Hand out a unit, or keep it until a process has time."""
        self._waiting.append((number, wrapped(number, unit)))
        self._share_out()

    def forget(self, numbers: Iterable[int]) -> None:
        """Take back what no process has begun."""
        unwanted = set(numbers)
        self._waiting = deque(one for one in self._waiting if one[0] not in unwanted)

    def take(self) -> list[tuple[int, UnitAnswer]]:
        """Wait for answers. Errors: VmalabError when a place cannot be opened."""
        ready = wait([hand.pipe for hand, given in self._hands.items() if given])
        found = []
        for hand in [hand for hand in self._hands if hand.pipe in ready]:
            try:
                number, answer = hand.take()
            except HasEnded:
                found += self._replace(hand)
                continue
            self._hands[hand].popleft()
            found.append((number, answer))
        self._share_out()
        return found

    def close(self) -> None:
        """End all processes."""
        for hand in self._hands:
            hand.close()
        self._hands.clear()

    def _share_out(self) -> None:
        """Give units to those that have the least, and start processes while there are few."""
        while self._waiting:
            idle = min(self._hands, key=lambda hand: len(self._hands[hand]), default=None)
            if (idle is None or self._hands[idle]) and len(self._hands) < self.size:
                idle = Hand(self._opens, self._mutant)
                self._hands[idle] = deque()
            if idle is None or len(self._hands[idle]) >= _DEPTH:
                return
            if self._hands[idle] and len(self._waiting[0][1]) > _SMALL:
                return
            given = self._waiting.popleft()
            self._hands[idle].append(given)
            idle.give(given[1])

    def _replace(self, hand: Hand[P]) -> list[tuple[int, UnitAnswer]]:
        """Put back the units of one that has ended; an answer for one that ends them all."""
        given = self._hands.pop(hand)
        hand.close()
        number, _ = given[0]
        self._ended[number] = self._ended.get(number, 0) + 1
        found = []
        if self._ended[number] >= ATTEMPTS:
            given.popleft()
            found.append((number, write_failure(lost_too_often())))
        self._waiting.extendleft(reversed(given))
        return found


def lost_too_often() -> VmalabError:
    """Return what is wrong when one unit has ended several workers."""
    return VmalabError(f"{ATTEMPTS} workers have ended, one after the other, at the same work")
