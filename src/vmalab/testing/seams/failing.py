# SPDX-License-Identifier: GPL-2.0-or-later
"""A seam whose allocations fail as arranged: the n-th, every k-th, by kind, or by a predicate.

    seam.fail_nth(3)                      the third from now on
    seam.fail_every(2, "maple_node")      every second node
    seam.fail_when(lambda cache: cache.nr_active > 9)
    seam.fail_none()                      no more; `seam.failed` says which failed

What is arranged holds for every allocation that the engine makes, also outside the VMA core.
"""

from collections.abc import Callable

from vmalab.linux.lib.slab import FailCaches, FailEvery, FailNth, FaultAttr, KmemCache
from vmalab.linux.types.kernel_state import KernelState
from vmalab.testing.seams.checking import CheckingInternal


class FailWhen(FaultAttr):
    """Fail the allocations that a predicate, asked once for each, wants to fail."""

    def __init__(self, predicate: Callable[[KmemCache], bool]) -> None:
        self.predicate = predicate

    def should_fail(self, cache: KmemCache) -> bool:
        """Ask the predicate."""
        return self.predicate(cache)


class NoteAllocations(FaultAttr):
    """Note which allocations are asked for and which of them another pattern lets fail.

    asked, failed: names of caches, in order.
    """

    def __init__(self, fault: FaultAttr | None = None) -> None:
        self.fault = fault
        self.asked: list[str] = []
        self.failed: list[str] = []

    def should_fail(self, cache: KmemCache) -> bool:
        """Note the allocation, and answer what the pattern says."""
        self.asked.append(cache.name)
        if self.fault is None or not self.fault.should_fail(cache):
            return False
        self.failed.append(cache.name)
        return True


class FailingInternal(CheckingInternal):
    """A checking seam whose allocations fail as arranged.

    failed: names of the caches whose allocations have failed since the last arrangement, in order.
    """

    def __init__(self, kernel: KernelState) -> None:
        super().__init__(kernel)
        self.notes = NoteAllocations()

    @property
    def failed(self) -> list[str]:
        """The names of the caches that have refused, in order."""
        return self.notes.failed

    def arrange(self, fault: FaultAttr, *kinds: str) -> None:
        """Let a pattern decide from now on, over the caches of these names or over all."""
        known = {cache.name for cache in self.kernel.caches()}
        unknown = [kind for kind in kinds if kind not in known]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no cache; there are {', '.join(sorted(known))}")
        self.notes = NoteAllocations(FailCaches(list(kinds), fault) if kinds else fault)
        self.kernel.set_fault(self.notes)

    def fail_nth(self, nth: int, *kinds: str) -> None:
        """Let the `nth` allocation (of these caches) fail, counted from 1, and no other."""
        self.arrange(FailNth(nth), *kinds)

    def fail_every(self, interval: int, *kinds: str) -> None:
        """Let every `interval`-th allocation (of these caches) fail."""
        self.arrange(FailEvery(interval), *kinds)

    def fail_when(self, predicate: Callable[[KmemCache], bool], *kinds: str) -> None:
        """Let those allocations (of these caches) fail for which a predicate says so."""
        self.arrange(FailWhen(predicate), *kinds)

    def fail_none(self) -> None:
        """Let none fail from now on; `failed` stays."""
        self.kernel.set_fault(None)
