# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds out which private memory of a held process has been written to, near what a call changes.

Whether a VMA was ever written to decides what it merges with, and no log of calls tells. Written
memory has pages of its own, and the kernel finds them fast: PROCMAP_QUERY (Linux 6.11) asks for
VMAs, PAGEMAP_SCAN (6.7) for the first such page of one. A page that is dropped later leaves the VMA
as it was; so the probe comes before each call that could drop some.
"""

import ctypes
import fcntl
import os
import struct
from typing import Final, final

from vmalab.linux.include.page import PAGE_SIZE, TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.procfs import (
    PROCMAP_QUERY,
    PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
    PROCMAP_QUERY_SIZE,
    PROCMAP_QUERY_VMA_SHARED,
)

# _IOWR('f', 16, struct pm_scan_arg), and what it can ask of pages.
PAGEMAP_SCAN: Final = 0xC0606610
PAGE_IS_FILE: Final = 1 << 2
PAGE_IS_PRESENT: Final = 1 << 3
PAGE_IS_SWAPPED: Final = 1 << 4
PAGE_IS_PFNZERO: Final = 1 << 5
# Since 6.15.
PAGE_IS_GUARD: Final = 1 << 8
# Pages that are nobody's.
UNOWNED: Final = PAGE_IS_FILE | PAGE_IS_PFNZERO
# Of an entry of pagemap: who may see them finds a swapped page's type and place in these bits.
_PLACE: Final = (1 << 55) - 1
_TYPE: Final = 0x1F
# The type of markers, the last one (SWP_PTE_MARKER).
_MARKER: Final = 0x1F
PM_UFFD_WP: Final = 1 << 57
PM_GUARD_REGION: Final = 1 << 58
# Runs of swapped pages that are looked at for one that is no marker, and how long they may be.
MAX_REGIONS: Final = 64
MAX_ENTRIES: Final = 4096

_QUERY = struct.Struct("=9Q4I2Q")
_SCAN = struct.Struct("=12Q")
_REGION_SIZE: Final = 24

# start, end, whether it is shared.
Span = tuple[int, int, bool]


@final
class Probe:
    """Asks about one address space, through files of /proc that stay open until it is gone."""

    def __init__(self, pid: int) -> None:
        """Errors: OSError, when the process is gone or may not be looked at."""
        self._maps = os.open(f"/proc/{pid}/maps", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._pages = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            os.close(self._maps)
            raise
        self._query = bytearray(PROCMAP_QUERY_SIZE)
        # Where PAGEMAP_SCAN puts what it found: one region.
        self._region = bytearray(_REGION_SIZE)
        self._region_address = _address_of(self._region)
        self._knows_guards = self._takes(PAGE_IS_GUARD)

    def close(self) -> None:
        """The address space is gone."""
        os.close(self._maps)
        os.close(self._pages)

    def _takes(self, category: int) -> bool:
        """Return whether the kernel knows a category of pages."""
        try:
            self._scan(0, PAGE_SIZE, PAGE_IS_PRESENT, category, 1)
        except OSError:
            return False
        return True

    def vma_at(self, address: int) -> Span | None:
        """Return the VMA that covers an address, or the next one.

        Errors: OSError, no such ioctl.
        """
        head = (PROCMAP_QUERY_SIZE, PROCMAP_QUERY_COVERING_OR_NEXT_VMA, address)
        _QUERY.pack_into(self._query, 0, *head, *(0,) * 12)
        try:
            fcntl.ioctl(self._maps, PROCMAP_QUERY, self._query)
        except FileNotFoundError:
            return None
        except ProcessLookupError:
            return None
        _, _, _, start, end, flags = _QUERY.unpack_from(self._query)[:6]
        return start, end, flags & PROCMAP_QUERY_VMA_SHARED != 0

    def written(self, start: int, end: int) -> int:
        """Return a page in `[start, end)` that is the process's own; -1: none.

        Errors: OSError without such an ioctl.
        """
        present = self._scan(start, end, PAGE_IS_PRESENT, UNOWNED, 1)
        return self._swapped(start, end) if present is None else present[0]

    def _swapped(self, start: int, end: int) -> int:
        """Return a page that is swapped out; -1: none.

        A marker in the place of a page, as of a guard region, counts as swapped for the kernel,
        though nothing was written.
        """
        without = UNOWNED | (PAGE_IS_GUARD if self._knows_guards else 0)
        for _ in range(MAX_REGIONS):
            region = self._scan(start, end, PAGE_IS_SWAPPED, without, MAX_ENTRIES)
            if region is None:
                return -1
            first, last = region
            raw = os.pread(self._pages, (last - first) // PAGE_SIZE * 8, first // PAGE_SIZE * 8)
            for number, (entry,) in enumerate(struct.iter_unpack("=Q", raw[: len(raw) // 8 * 8])):
                if not is_marker(entry):
                    return first + number * PAGE_SIZE
            start = last
        return -1

    def _scan(
        self, start: int, end: int, wanted: int, without: int, most: int
    ) -> tuple[int, int] | None:
        """Return the first run of pages in `[start, end)` of one category and without others.

        most: pages that it may have.
        """
        if start >= end:
            return None
        head = (_SCAN.size, 0, start, end, 0, self._region_address, 1, most)
        request = bytearray(_SCAN.pack(*head, without, without, wanted, wanted))
        try:
            found = fcntl.ioctl(self._pages, PAGEMAP_SCAN, request)
        except ProcessLookupError:
            return None
        if found == 0:
            return None
        first, last, _ = struct.unpack("=3Q", self._region)
        return first, last

    def near(self, start: int, end: int, fresh: bool) -> list[int]:
        """One written page of each private VMA that overlaps `[start, end)` or touches its ends.

        fresh: `[start, end)` itself was made by a call just now, and is left out.
        """
        found = []
        at = max(start - 1, 0)
        while (span := self.vma_at(at)) is not None:
            first, last, shared = span
            if first > end:
                break
            if not shared:
                parts = (
                    ((first, min(last, start)), (max(first, end), last)) if fresh else (span[:2],)
                )
                for low, high in parts:
                    if low < high:
                        page = self.written(low, high)
                        if page >= 0:
                            found.append(page)
            at = last
            if at >= TASK_SIZE_5LEVEL:
                break
        return found


def is_marker(entry: int) -> bool:
    """Return whether pagemap's entry of a swapped page stands for a mark, not for a page.

    Who may not see where pages are is told of guard regions, and of write protection by a
    userfaultfd, which a page that is really swapped out may have as well.
    """
    if entry & _PLACE:
        return entry & _TYPE == _MARKER
    return entry & (PM_GUARD_REGION | PM_UFFD_WP) != 0


def _address_of(buffer: bytearray) -> int:
    """Return where a buffer is in this process, for a kernel that writes to it."""
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))


def can_probe() -> bool:
    """Return whether this kernel answers both questions, tried on this process."""
    try:
        probe = Probe(os.getpid())
    except OSError:
        return False
    try:
        span = probe.vma_at(0)
        if span is None:
            return False
        probe.written(span[0], span[1])
    except OSError:
        return False
    finally:
        probe.close()
    return True
