# SPDX-License-Identifier: GPL-2.0-or-later
"""Who answers beside the target that is checked: the model, or another target in its place."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final, Protocol, final

from vmalab.calls.call import Call
from vmalab.calls.errors import VmalabError
from vmalab.calls.snapshot import Snapshot, VmaLine, vmas_of
from vmalab.linux.types.mm_types import Vma
from vmalab.targets.model.identity import Mismatch
from vmalab.targets.real.answers import Answer, Map
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.wire import add_call, snapshot_words

_COUNTERS: Final = ("VmSize", "VmLck", "VmData", "VmStk")
# What two lines of a map have in common, in the order in which it is compared.
_FIELDS: Final = ("end", "perms", "flags", "pgoff", "inode", "name")


class Beside(Protocol):
    """Does as the worker of a target does, call by call."""

    @property
    def map_count(self) -> int:
        """How many VMAs there are now."""

    def apply(self, call: Call) -> int:
        """Carry out a call: the result, or -errno."""

    def why(self, result: int) -> str:
        """Return which check refused the last call with -errno, "" where nobody knows."""

    def vmas(self) -> Sequence[Vma | VmaLine]:
        """Return the VMAs, lowest first."""

    def lines(self) -> Snapshot:
        """Return the map, as smaps would show it."""

    def compare(self, shown: Map) -> Mismatch | None:
        """Return the first difference to a worker's map: VMAs, then the sizes of status."""

    def close(self) -> None:
        """Free what it holds."""


class BaseDied(VmalabError):
    """The target in the model's place did not survive a call; the text says how."""


@final
class BaseWorker:
    """A worker of another target, such as a tree as it was before an edit."""

    def __init__(self, target: RealTarget, settings: Settings) -> None:
        self._target = target
        target.begin(settings)

    def apply(self, call: Call) -> int:
        """Carry out a call. Errors: BaseDied."""
        words: list[int] = []
        add_call(words, call)
        answer = self._run(words)
        return answer.results[0] if answer.results else 0

    def _run(self, words: list[int]) -> Answer:
        answer = self._target.executor.run(words)
        if answer.died:
            raise BaseDied(answer.died)
        return answer

    def _map(self) -> Map:
        return self._run(snapshot_words()).maps[0]

    @property
    def map_count(self) -> int:
        """How many VMAs there are: not asked for at each call."""
        return 0

    def why(self, result: int) -> str:
        """Return nothing: a kernel tells its errno only."""
        return ""

    def vmas(self) -> Sequence[VmaLine]:
        """Return the VMAs, lowest first. Errors: BaseDied."""
        return self.lines()

    def lines(self) -> Snapshot:
        """Return the map. Errors: BaseDied."""
        return vmas_of(self._map().lines())

    def compare(self, shown: Map) -> Mismatch | None:
        """Return the first difference to the other worker's map. Errors: BaseDied."""
        own = self._map()
        if own.text == shown.text:
            return None
        for one, other in zip_longest(vmas_of(shown.lines()), vmas_of(own.lines())):
            found = _parted(one, other)
            if found is not None:
                return found
        counters, known = shown.counters(), own.counters()
        for name in _COUNTERS:
            if counters.get(name) != known.get(name):
                return Mismatch(f"{name} {counters.get(name)} kB, {known.get(name)} kB before", 0)
        return None

    def close(self) -> None:
        """End the worker."""
        self._target.end()


def _parted(one: VmaLine | None, other: VmaLine | None) -> Mismatch | None:
    """Return how two lines at one place of two maps differ."""
    if one is None or other is None or one.start != other.start:
        starts = [line.start for line in (one, other) if line is not None]
        return Mismatch("range", min(starts))
    for name in _FIELDS:
        if getattr(one, name) != getattr(other, name):
            return Mismatch("range" if name == "end" else name, one.start)
    return None
