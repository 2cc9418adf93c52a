# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream begins with as many free huge pages as it wants, also where others have lost some."""

import pytest

from vmalab.targets.real.huge_pool import HugePool

PATH = "/proc/sys/vm/nr_hugepages"


class Kernel:
    """A pool. most: pages it can have. back: pages that are taken, and come back one a look."""

    def __init__(self, most: int = 99) -> None:
        self.total = self.in_use = self.reserved = self.back = 0
        self.most = most
        self.pauses = 0

    def read(self, path: str) -> str:
        assert path == "/proc/meminfo"
        taken = self.in_use + self.back
        self.back = max(self.back - 1, 0)
        return (
            f"MemFree: 5 kB\nHugePages_Total: {self.total:7}\nHugePages_Free: "
            f"{self.total - taken:7}\nHugePages_Rsvd: {self.reserved:7}\nHugePages_Surp: 0\n"
        )

    def write(self, path: str, text: str) -> None:
        assert path == PATH
        self.total = min(int(text), self.most)

    def pause(self, seconds: float) -> None:
        self.pauses += 1

    def pool(self) -> HugePool:
        return HugePool(self.read, self.write, self.pause)


def test_an_unused_pool_gets_what_is_wanted_at_once() -> None:
    kernel = Kernel()
    assert kernel.pool().fill(PATH, 12) == kernel.total == 12
    assert kernel.pauses == 0


def test_pages_that_come_back_are_waited_for() -> None:
    kernel = Kernel()
    kernel.total, kernel.back = 12, 5
    assert kernel.pool().fill(PATH, 12) == kernel.total == 12
    assert kernel.pauses == 5


@pytest.mark.parametrize("kind", ["in_use", "reserved"])
def test_lost_pages_are_made_up_for(kind: str) -> None:
    """They are waited for only once."""
    kernel = Kernel()
    pool = kernel.pool()
    assert pool.fill(PATH, 12) == 12
    setattr(kernel, kind, 3)
    assert pool.fill(PATH, 12) == 12
    assert kernel.total == 15
    waited = kernel.pauses
    assert pool.fill(PATH, 12) == 12
    assert kernel.pauses == waited


def test_a_pool_that_cannot_be_filled_says_how_far() -> None:
    kernel = Kernel(most=7)
    kernel.total = kernel.in_use = 2
    assert kernel.pool().fill(PATH, 12) == 5


def test_a_pool_goes_only_when_all_pages_are_back() -> None:
    """Else what comes back later would be free for streams without any."""
    kernel = Kernel()
    pool = kernel.pool()
    assert pool.fill(PATH, 12) == 12
    kernel.back, kernel.reserved = 2, 1
    assert pool.fill(PATH, 0) == 0
    assert (kernel.total, kernel.back) == (1, 0)
