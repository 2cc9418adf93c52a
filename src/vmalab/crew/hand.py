# SPDX-License-Identifier: GPL-2.0-or-later
"""One worker: a process of its own that opens a place once, and does units there one by one."""

import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import Any, Generic, TypeVar, final

from vmalab.apart import Apart, receive
from vmalab.calls.errors import VmalabError
from vmalab.crew.answers import UnitAnswer, WorkFailed, write_answer, write_failure

P = TypeVar("P")
# Opens what the units of a worker need: a target, or nothing.
Opens = Callable[[], AbstractContextManager[P]]
# One unit: what is done in a place that is open.
Unit = Callable[[P], Any]


@final
class Hand(Generic[P]):
    """A process that does units, in the order in which it gets them.

    opens: makes its place; pickled, as each unit is. mutant: the bug of its engine, "" for none.
    """

    def __init__(self, opens: Opens[P], mutant: str = "") -> None:
        self._feed, there = Pipe()
        with there:
            serve = partial(served, opens, there.fileno())
            self._process = Apart(serve, mutant, (there.fileno(),))
        self.pipe = self._process.pipe

    def give(self, raw: bytes) -> None:
        """Give it a unit, as `wrapped`; one that has ended is noticed when it is listened to.

        Preconditions: it waits for one, or this is a small one: else both may wait for each other.
        """
        with suppress(BrokenPipeError, ConnectionResetError):
            self._feed.send_bytes(raw)

    def take(self) -> tuple[int, UnitAnswer]:
        """Wait for the next answer: the unit's number with it.

        Errors: `apart.HasEnded` when it was killed; VmalabError when its place could not be opened.
        """
        answered: tuple[int, UnitAnswer] = receive(self.pipe)
        return answered

    def close(self) -> None:
        """End it; what it has open is closed first."""
        self._process.close()
        self._feed.close()


def wrapped(number: int, unit: Unit[P]) -> bytes:
    """Return a unit as it is handed to a worker."""
    return pickle.dumps((number, unit), pickle.HIGHEST_PROTOCOL)


def served(opens: Opens[P], descriptor: int) -> Iterator[tuple[int, UnitAnswer]]:
    """Do the units that come through a pipe, until nobody sends any more: number and answer."""
    with Connection(descriptor) as feed, opens() as place:
        while True:
            try:
                number, unit = feed.recv()
            except (EOFError, ConnectionResetError):
                return
            yield number, done(unit, place)


def done(unit: Unit[P], place: P) -> UnitAnswer:
    """Do one unit; whatever is wrong is its answer too."""
    try:
        return write_answer(unit(place))
    except VmalabError as error:
        return write_failure(error)
    except Exception:
        lines = traceback.format_exc().strip().splitlines()
        return write_failure(WorkFailed(f"a defect of vmalab: {' | '.join(lines[-5:])[:1000]}"))
