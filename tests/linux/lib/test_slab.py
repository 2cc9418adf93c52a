# SPDX-License-Identifier: GPL-2.0-or-later
"""Slab caches: they count objects, and fail exactly as arranged."""

import pytest

from vmalab.linux.lib.slab import FailCache, FailEvery, FailNth, FaultAttr, KmemCache


def results(cache: KmemCache, count: int) -> str:
    """The outcome of `count` allocations: a dot for one that succeeds, an F for one that fails."""
    return "".join("." if cache.alloc() else "F" for _ in range(count))


def test_alloc_and_free_count_objects() -> None:
    cache = KmemCache("maple_node")
    assert cache.alloc()
    assert cache.alloc()
    cache.free()
    assert (cache.nr_active, cache.nr_allocs) == (1, 2)


def test_free_of_more_than_was_allocated_is_our_bug() -> None:
    cache = KmemCache("vm_area_struct")
    with pytest.raises(
        AssertionError, match="more objects freed than were allocated from vm_area_struct"
    ):
        cache.free()
    assert cache.nr_active == 0


def test_failed_allocation_counts_no_object() -> None:
    cache = KmemCache("maple_node")
    cache.fault = FailNth(1)
    assert not cache.alloc()
    assert (cache.nr_active, cache.nr_allocs) == (0, 0)


def test_without_fault_nothing_fails() -> None:
    cache = KmemCache("maple_node")
    cache.fault = FaultAttr()
    assert results(cache, 5) == "....."
    cache.fault = None
    assert results(cache, 5) == "....."


def test_fail_nth_fails_once() -> None:
    cache = KmemCache("maple_node")
    cache.fault = FailNth(3)
    assert results(cache, 7) == "..F...."


def test_fail_every_fails_at_its_interval() -> None:
    cache = KmemCache("maple_node")
    cache.fault = FailEvery(3)
    assert results(cache, 9) == "..F..F..F"


def test_fail_every_stops_after_its_times() -> None:
    cache = KmemCache("maple_node")
    cache.fault = FailEvery(2, times=2)
    assert results(cache, 8) == ".F.F...."


def test_fail_cache_lets_other_caches_pass_uncounted() -> None:
    nodes, vmas = KmemCache("maple_node"), KmemCache("vm_area_struct")
    nodes.fault = vmas.fault = FailCache("vm_area_struct", FailNth(2))
    assert (results(nodes, 3), results(vmas, 3)) == ("...", ".F.")


def test_one_fault_sees_all_its_caches_in_order() -> None:
    nodes, vmas = KmemCache("maple_node"), KmemCache("vm_area_struct")
    nodes.fault = vmas.fault = FailNth(2)
    assert nodes.alloc()
    assert not vmas.alloc()
    assert nodes.alloc()


class FailWhenFull(FaultAttr):
    """A pattern of a test's own: no more than `limit` objects at a time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def should_fail(self, cache: KmemCache) -> bool:
        return cache.nr_active >= self.limit


def test_pattern_may_be_written_in_a_test() -> None:
    cache = KmemCache("maple_node")
    cache.fault = FailWhenFull(2)
    assert results(cache, 3) == "..F"
    cache.free()
    assert results(cache, 2) == ".F"
