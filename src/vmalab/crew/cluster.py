# SPDX-License-Identifier: GPL-2.0-or-later
"""A crew of a Dask cluster: the same units, handed to its workers. Needs distributed
(`vmalab[fleet]`).

Each worker of the cluster has processes like those of a crew of this machine: an engine with a
historic bug needs one, and the worker itself can go on talking to its scheduler. What is done on a
worker that is killed, is done again by another one: the scheduler sees to that.
"""

import contextlib
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, final

from vmalab import __version__
from vmalab.apart import HasEnded
from vmalab.calls.errors import UsageError, VmalabError
from vmalab.crew.answers import DONE, FAILED, BadAnswer, UnitAnswer, write_failure
from vmalab.crew.hand import Hand, Opens, Unit, wrapped
from vmalab.crew.processes import lost_too_often
from vmalab.crew.sharing import ATTEMPTS, Crew, P

if TYPE_CHECKING:
    from distributed import Client

# Seconds that a scheduler, and the first worker, may take to be there.
PATIENCE: Final = 30

# On a worker: processes that wait for a unit, by crew, and crews that are gone.
_idle: Final[dict[str, list[Hand[Any]]]] = {}
_gone: Final[set[str]] = set()
_lock: Final = threading.Lock()


@contextmanager
def open_cluster(address: str, opens: Opens[P], mutant: str) -> Iterator["Cluster[P]"]:
    """Yield the crew of a cluster. Errors: VmalabError."""
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise UsageError("--cluster needs distributed: pip install 'vmalab[fleet]'") from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{address}: no scheduler of a Dask cluster: {error}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise UsageError(f"{address}: the cluster has no workers") from None
        with closing(Cluster(client, opens, mutant)) as crew:
            yield crew


@final
class Cluster(Crew[P]):
    """The workers of a cluster, however many there are at the moment."""

    def __init__(self, client: "Client", opens: Opens[P], mutant: str) -> None:
        super().__init__()
        from distributed import as_completed

        self._client = client
        self._opens = opens
        self._mutant = mutant
        self._name = f"vmalab-{secrets.token_hex(8)}"
        self._arrivals = as_completed(loop=client.loop)
        self._futures: dict[int, Any] = {}
        self.size = sum(client.nthreads().values()) or 1

    def give(self, number: int, unit: Unit[P]) -> None:
        """Submit a unit."""
        future = self._client.submit(
            do_unit,
            self._name,
            self._opens,
            self._mutant,
            wrapped(number, unit),
            __version__,
            key=f"{self._name}-{number}",
            pure=False,
        )
        self._futures[number] = future
        self._arrivals.add(future)

    def forget(self, numbers: Iterable[int]) -> None:
        """Cancel units."""
        futures = [self._futures.pop(number) for number in numbers if number in self._futures]
        if futures:
            self._client.cancel(futures)

    def take(self) -> list[tuple[int, UnitAnswer]]:
        """Wait for an answer. Errors: VmalabError when the cluster is gone."""
        future = next(self._arrivals, None)
        if future is None:
            raise VmalabError("the cluster has lost the work that it was given")
        number = int(future.key.rpartition("-")[2])
        if self._futures.pop(number, None) is None:
            # Cancelled: nobody wants it any more.
            return []
        return [(number, self._answer(future))]

    def _answer(self, future: Any) -> UnitAnswer:
        """Return what a unit has answered, which may be anything."""
        from distributed.scheduler import KilledWorker

        try:
            kind, raw = future.result()
        except KilledWorker:
            return write_failure(lost_too_often())
        except Exception as error:
            why = f"{type(error).__name__}: {str(error)[:200]}"
            return write_failure(BadAnswer(f"the cluster answers nothing of use: {why}"))
        if kind not in (DONE, FAILED) or not isinstance(raw, bytes):
            return write_failure(BadAnswer("the cluster answers nothing of use"))
        return UnitAnswer(kind, raw)

    def close(self) -> None:
        """Let all workers end the processes of this crew."""
        self.forget(list(self._futures))
        with contextlib.suppress(Exception):
            self._client.run(end_hands, self._name, on_error="ignore")


def do_unit(crew: str, opens: Opens[P], mutant: str, raw: bytes, version: str) -> tuple[str, bytes]:
    """Do a unit on a worker, in one of its processes for a crew: kind and bytes of its answer."""
    if version != __version__:
        why = f"a worker of the cluster has vmalab {__version__}, this is {version}"
        answer = write_failure(VmalabError(why))
        return answer.kind, answer.raw
    for _ in range(ATTEMPTS):
        with _lock:
            waiting = _idle.setdefault(crew, [])
            hand = waiting.pop() if waiting else None
        hand = hand or Hand(opens, mutant)
        try:
            hand.give(raw)
            _, answer = hand.take()
        except HasEnded:
            hand.close()
            continue
        except VmalabError as error:
            hand.close()
            answer = write_failure(error)
        else:
            _put_back(crew, hand)
        return answer.kind, answer.raw
    answer = write_failure(lost_too_often())
    return answer.kind, answer.raw


def _put_back(crew: str, hand: Hand[Any]) -> None:
    """Keep a process for the next unit, while there may be one."""
    with _lock:
        if crew not in _gone:
            _idle.setdefault(crew, []).append(hand)
            return
    hand.close()


def end_hands(crew: str) -> None:
    """End a worker's processes for a crew."""
    with _lock:
        _gone.add(crew)
        hands = _idle.pop(crew, [])
    for hand in hands:
        hand.close()
