# SPDX-License-Identifier: GPL-2.0-or-later
"""The peers of the benchmarks keep what a page-by-page account says, and get legal calls only."""

import random
import sys
from itertools import pairwise
from types import SimpleNamespace

import pytest

from vmalab.bench import peers
from vmalab.bench.growth import Growth, large_machine
from vmalab.bench.peers import SORTED_LIST, UNICORN, SortedList, peer_costs, steps_of
from vmalab.bench.placing import measure_placing, placing_stream
from vmalab.bench.stream import PAGE, WINDOW, Row, Stream
from vmalab.linux.arch.x86.entry.syscalls.batch import Batch, do_batch
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.uapi import unistd as nr

Pages = dict[int, int]


def drawn(calls: int, pages: int = 24) -> list[Row]:
    """Calls within a small window."""
    numbers = random.Random("peers")
    rows: list[Row] = []
    for _ in range(calls):
        start = WINDOW + numbers.randrange(pages) * PAGE
        length = numbers.randint(1, 6) * PAGE
        number = numbers.choice((nr.NR_mmap, nr.NR_mmap, nr.NR_munmap, nr.NR_mprotect))
        rows.append((number, start, length, numbers.randrange(4), 0, 0, 0))
    return rows


def by_pages(pages: Pages, row: Row) -> None:
    """The same call on an account of each page's protection."""
    number, start, length, prot, *_ = row
    for page in range(start, start + length, PAGE):
        if number == nr.NR_mmap or (number == nr.NR_mprotect and page in pages):
            pages[page] = prot
        elif number == nr.NR_munmap:
            pages.pop(page, None)


def ranges_of(pages: Pages) -> list[tuple[int, int, int]]:
    """Runs of pages that are alike."""
    found: list[tuple[int, int, int]] = []
    for page in sorted(pages):
        if found and found[-1][1] == page and found[-1][2] == pages[page]:
            found[-1] = (found[-1][0], page + PAGE, pages[page])
        else:
            found.append((page, page + PAGE, pages[page]))
    return found


def test_the_sorted_list_keeps_what_was_mapped() -> None:
    peer, pages = SortedList(), Pages()
    for row in drawn(2000):
        peers.carry_out(peer, steps_of([row]), 1)
        by_pages(pages, row)
        found = list(zip(peer.starts, peer.ends, peer.prots, strict=True))
        assert found == ranges_of(pages)


class StrictEngine:
    """As Unicorn's: nothing twice, and nothing that is not mapped."""

    seen: list[str]

    def __init__(self, arch: int, mode: int) -> None:
        self.pages: Pages = {}
        StrictEngine.seen = []

    def mem_map(self, start: int, size: int, prot: int) -> None:
        for page in range(start, start + size, PAGE):
            assert page not in self.pages
            self.pages[page] = prot
        self.seen.append("map")

    def mem_unmap(self, start: int, size: int) -> None:
        for page in range(start, start + size, PAGE):
            del self.pages[page]
        self.seen.append("unmap")

    def mem_protect(self, start: int, size: int, prot: int) -> None:
        for page in range(start, start + size, PAGE):
            assert page in self.pages
            self.pages[page] = prot
        self.seen.append("protect")


def test_unicorn_is_asked_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SimpleNamespace(Uc=StrictEngine, UC_ARCH_X86=4, UC_MODE_64=8)
    monkeypatch.setitem(sys.modules, "unicorn", engine)
    rows = drawn(400)
    costs = peer_costs(Stream(setup=rows[:200], timed=rows[200:]))
    assert set(costs) == {SORTED_LIST, UNICORN}
    assert set(StrictEngine.seen) == {"map", "unmap", "protect"}


def test_without_unicorn_there_is_the_sorted_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unicorn", None)
    assert set(peer_costs(Stream(timed=drawn(10)))) == {SORTED_LIST}


def test_places_are_sought_among_so_many_gaps() -> None:
    drawn_on, task = large_machine(), large_machine()
    stream = placing_stream(drawn_on, gaps=300, calls=100)
    do_batch(task, Batch(stream.setup))
    assert task.mm is not None
    vmas = [vma for vma in mm_vmas(task.mm) if not vma.vm_flags & 0x100]
    holes = [low.vm_end < high.vm_start for low, high in pairwise(vmas)]
    # The last one of the mappings lies lowest, so below it there is no gap but all that is free.
    assert sum(holes) == 299
    assert len(stream.timed) == 100
    growth = Growth()
    measure_placing(growth, 50, calls=20, repeats=1)
    assert set(growth.placing) == {50}
    drawn_on.machine.shutdown()
    task.machine.shutdown()
