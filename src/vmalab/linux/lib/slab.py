# SPDX-License-Identifier: GPL-2.0-or-later
"""Slab caches that count their objects and can be made to fail.

Mirrors: `struct kmem_cache` of mm/slab.h and `struct fault_attr` of include/linux/fault-inject.h.
A cache makes no objects: whoever asked and got True constructs one, and gives it back by `free()`.
So a test proves "no leak" by `nr_active == 0`, and an error path by arranging a failure.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

NO_LIMIT: Final = -1


@mypyc_attr(allow_interpreted_subclasses=True)
class FaultAttr:
    """Decide which allocations fail; subclass it for a pattern of your own (`struct fault_attr`).

    One object may serve several caches: it then sees the allocations of all of them, in order.
    """

    def should_fail(self, cache: "KmemCache") -> bool:
        """Say whether this allocation from `cache` fails; called once for each allocation."""
        return False


@mypyc_attr(allow_interpreted_subclasses=True)
class SlabDebug:
    """Watch the objects of caches come and go; subclass it (`CONFIG_SLUB_DEBUG`'s user tracking).

    One object may serve several caches.
    """

    def allocated(self, cache: "KmemCache") -> None:
        """An object was handed out; whoever asked has not made it yet."""

    def freed(self, cache: "KmemCache", obj: object | None) -> None:
        """An object was given back: it, or None where its owner does not say which."""


@final
class KmemCache:
    """A named cache that counts its objects (`struct kmem_cache`).

    `nr_active` objects are in use now, `nr_allocs` were ever handed out; `fault` is the arranged
    failure and `debug` the watcher, if any.
    """

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.nr_active: i64 = 0
        self.nr_allocs: i64 = 0
        self.fault: FaultAttr | None = None
        self.debug: SlabDebug | None = None

    def alloc(self) -> bool:
        """Count one object; False when the arranged failure hit: the caller returns -ENOMEM."""
        fault = self.fault
        if fault is not None and fault.should_fail(self):
            return False
        self.nr_active += 1
        self.nr_allocs += 1
        if self.debug is not None:
            self.debug.allocated(self)
        return True

    def may_fail(self) -> bool:
        """Say whether the arranged failure hits a request that turns out to need no object."""
        fault = self.fault
        return fault is not None and fault.should_fail(self)

    def free(self, obj: object | None = None) -> None:
        """Take one object back; `obj` is it, for whoever watches.

        Preconditions: the object came from this cache and is given back once.
        """
        assert self.nr_active > 0, "more objects freed than were allocated from " + self.name
        self.nr_active -= 1
        if self.debug is not None:
            self.debug.freed(self, obj)


@final
class FailNth(FaultAttr):
    """Fail the `nth` allocation from now on, counted from 1, and no other."""

    def __init__(self, nth: i64) -> None:
        self.nth: i64 = nth
        self.nr_seen: i64 = 0

    def should_fail(self, cache: KmemCache) -> bool:
        self.nr_seen += 1
        return self.nr_seen == self.nth


@final
class FailEvery(FaultAttr):
    """Fail every `interval`-th allocation, at most `times` times (NO_LIMIT: without end)."""

    def __init__(self, interval: i64, times: i64 = NO_LIMIT) -> None:
        self.interval: i64 = interval
        self.times: i64 = times
        self.nr_seen: i64 = 0

    def should_fail(self, cache: KmemCache) -> bool:
        self.nr_seen += 1
        if self.times == 0 or self.nr_seen % self.interval != 0:
            return False
        if self.times > 0:
            self.times -= 1
        return True


@final
class FailCache(FaultAttr):
    """Hand the allocations of the cache called `name` to another pattern; let all others pass."""

    def __init__(self, name: str, fault: FaultAttr) -> None:
        self.name: str = name
        self.fault: FaultAttr = fault

    def should_fail(self, cache: KmemCache) -> bool:
        return cache.name == self.name and self.fault.should_fail(cache)


@final
class FailCaches(FaultAttr):
    """Hand the allocations of several caches, by name, to another pattern; let others pass."""

    def __init__(self, names: list[str], fault: FaultAttr) -> None:
        self.names: list[str] = names
        self.fault: FaultAttr = fault

    def should_fail(self, cache: KmemCache) -> bool:
        return cache.name in self.names and self.fault.should_fail(cache)
