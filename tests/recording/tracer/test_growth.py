# SPDX-License-Identifier: GPL-2.0-or-later
"""What the recorder finds of mappings that have grown down, and of pages that were written to."""

import ctypes
from collections.abc import Iterator

import pytest

from vmalab.calls.call import Call
from vmalab.linux.include.uapi.mman import (
    MADV_GUARD_INSTALL,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_GROWSDOWN,
    MAP_PRIVATE,
)
from vmalab.recording.tracer.growth import StackGrowth, growing_ranges
from vmalab.recording.tracer.pagemap import PM_GUARD_REGION, PM_UFFD_WP, is_marker
from vmalab.recording.tracer.probe import Probe

PAGE = 4096
PAGES = 256
RW = 3


def size(number: int) -> ctypes.c_size_t:
    return ctypes.c_size_t(number)


@pytest.fixture
def libc() -> ctypes.CDLL:
    found = ctypes.CDLL(None)
    found.mmap.restype = ctypes.c_size_t
    return found


@pytest.fixture
def area(libc: ctypes.CDLL) -> Iterator[int]:
    """Room of this process's own, without access.

    There is as much on both sides of it: what else is mapped lies nowhere near, for it would count
    as a neighbour, and keep a stack from growing.
    """
    length = 3 * PAGES * PAGE
    at: int = libc.mmap(None, size(length), 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, size(0))
    yield at + PAGES * PAGE
    assert libc.munmap(size(at), size(length)) == 0


def place(libc: ctypes.CDLL, at: int, pages: int, flags: int = 0) -> None:
    flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
    assert libc.mmap(size(at), size(pages * PAGE), RW, flags, -1, size(0)) == at


def write(at: int) -> None:
    ctypes.c_char.from_address(at).value = b"x"


def test_a_guard_region_was_not_written_to(libc: ctypes.CDLL, area: int, probe: Probe) -> None:
    place(libc, area, 8)
    assert libc.madvise(size(area), size(4 * PAGE), MADV_GUARD_INSTALL) == 0
    assert probe.written(area, area + 8 * PAGE) == -1
    write(area + 6 * PAGE)
    assert probe.written(area, area + 8 * PAGE) == area + 6 * PAGE
    assert probe.near(area, area + PAGE, fresh=False) == [area + 6 * PAGE]
    # By the text of pagemap it is not asked.
    assert probe.guards() in ([f"{area:x}-{area + 4 * PAGE:x}"], [])


@pytest.mark.parametrize(
    ("entry", "marker"),
    [
        (1 << 62 | 31, True),
        (1 << 62 | 31 | 5 << 5 | PM_GUARD_REGION, True),
        (1 << 62 | 7 << 5, False),
        (1 << 62 | 30 | 7 << 5, False),
        (1 << 62, False),
        (1 << 62 | PM_GUARD_REGION, True),
        (1 << 62 | PM_UFFD_WP, True),
        (1 << 62 | 7 << 5 | PM_UFFD_WP, False),
    ],
)
def test_markers_are_told_from_swapped_pages(entry: int, marker: bool) -> None:
    assert is_marker(entry) == marker


def test_where_a_map_may_grow() -> None:
    lines = [
        b"1000-3000 rw-p 00000000 00:00 0  | rd wr mr mw me ac",
        b"5000-8000 rw-p 00000000 00:00 0  | rd wr mr mw me gd ac",
        b"a000-b000 ---p 00000000 00:00 0  [stack] | mr mw me gd",
        b"c000-d000 ---p 00000000 00:00 0  gd",
    ]
    assert growing_ranges(lines) == [(0x5000, 0x8000), (0xA000, 0xB000)]


def test_growth_is_seen_once_and_follows_what_is_cut(
    libc: ctypes.CDLL, area: int, probe: Probe
) -> None:
    """Real faults below a mapping of this process's own; the gap below is its guard."""
    top = area + PAGES * PAGE
    assert libc.munmap(size(area), size((PAGES - 8) * PAGE)) == 0
    start = top - 8 * PAGE
    place(libc, start, 8, MAP_GROWSDOWN)
    growth = StackGrowth(probe, [])
    growth.settle(Call(1, "mmap", (start, 8 * PAGE, RW, MAP_GROWSDOWN, 0, 0)), start)
    assert growth.grown() == []
    write(start - PAGE)
    assert growth.grown() == [(start - PAGE, top)]
    assert growth.grown() == []
    low = start - PAGE
    assert libc.munmap(size(low), size(2 * PAGE)) == 0
    growth.settle(Call(1, "munmap", (low, 2 * PAGE, 0, 0, 0, 0)), 0)
    assert growth.grown() == []
    write(start)
    assert growth.grown() == [(start, top)]
    assert libc.munmap(size(start), size(8 * PAGE)) == 0
    growth.settle(Call(1, "munmap", (start, 8 * PAGE, 0, 0, 0, 0)), 0)
    assert growth.grown() == []
