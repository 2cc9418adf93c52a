# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds out which private memory of a held process has been written to, near what a call changes.

Whether a VMA was ever written to decides what it merges with, and no log of calls tells. Written
memory has pages of its own, and the kernel finds them fast: PROCMAP_QUERY (Linux 6.11) asks for
VMAs, PAGEMAP_SCAN (6.7) for the first such page of one; older kernels are asked through the text of
maps and pagemap, by root. A page that is dropped later leaves the VMA as it was; so the probe comes
before each call that could drop some.
"""

import ctypes
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, final

from vmalab.linux.include.page import PAGE_SIZE, TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.procfs import (
    PROCMAP_QUERY,
    PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
    PROCMAP_QUERY_SIZE,
    PROCMAP_QUERY_VMA_SHARED,
)
from vmalab.recording.tracer.pagemap import (
    LARGE,
    Span,
    is_marker,
    large_page,
    spans_of,
    written_page,
    zero_frame,
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
# Runs of swapped pages that are looked at for one that is no marker, and how long they may be.
MAX_REGIONS: Final = 64
MAX_ENTRIES: Final = 4096
# Guard regions that are told of.
MAX_GUARDS: Final = 4096

_QUERY = struct.Struct("=9Q4I2Q")
_SCAN = struct.Struct("=12Q")
_REGION_SIZE: Final = 24


@dataclass(frozen=True, slots=True)
class Means:
    """How a kernel can be asked. zero: the frame of the page of zeros, 0 where it is hidden."""

    queries: bool
    scans: bool
    zero: int = 0

    @property
    def suffices(self) -> bool:
        """Whether written memory can be told."""
        return self.scans or self.zero != 0


@final
class Probe:
    """Asks about one address space, through files of /proc that stay open until it is gone."""

    def __init__(self, pid: int, means: Means | None = None) -> None:
        """means: the best that there are, when None.

        Errors: OSError, when the process is gone or may not be looked at.
        """
        self._pid = pid
        self._means = means_here() if means is None else means
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
        self._knows_guards = self._means.scans and self._takes(PAGE_IS_GUARD)

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
        """Return the VMA that covers an address, or the next one."""
        return next(self._spans(address), None)

    def _spans(self, address: int) -> Iterator[Span]:
        """Yield the VMA that covers an address, or the next one, and those above it."""
        if not self._means.queries:
            yield from spans_of(self._maps, address)
            return
        while address < TASK_SIZE_5LEVEL and (span := self._asked(address)) is not None:
            yield span
            address = span[1]

    def _asked(self, address: int) -> Span | None:
        """As `vma_at`, by the ioctl. Errors: OSError, there is none."""
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
        """Return a page in `[start, end)`, of one VMA, that is the process's own; -1: none.

        Errors: OSError without such an ioctl.
        """
        if not self._means.scans:
            try:
                if end - start > LARGE:
                    return large_page(self._pid, start)
                return written_page(self._pages, start, end, self._means.zero)
            except ProcessLookupError:
                return -1
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

        most: pages that it may have, 0 for any number.
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

    def guards(self) -> list[str]:
        """Return the guard regions that there are: "start-end" in hexadecimal, the first ones."""
        found: list[str] = []
        if not self._knows_guards:
            return found
        for start, end, _ in self._spans(0):
            while len(found) < MAX_GUARDS:
                region = self._scan(start, end, PAGE_IS_GUARD, 0, 0)
                if region is None:
                    break
                found.append(f"{region[0]:x}-{region[1]:x}")
                start = region[1]
        return found

    def near(self, start: int, end: int, fresh: bool) -> list[int]:
        """One written page of each private VMA that overlaps `[start, end)` or touches its ends.

        fresh: `[start, end)` itself was made by a call just now, and is left out.
        """
        found = []
        for first, last, shared in self._spans(max(start - 1, 0)):
            if first > end:
                break
            if shared:
                continue
            parts = (
                ((first, min(last, start)), (max(first, end), last)) if fresh else ((first, last),)
            )
            for low, high in parts:
                if low < high:
                    page = self.written(low, high)
                    if page >= 0:
                        found.append(page)
        return found


def _address_of(buffer: bytearray) -> int:
    """Return where a buffer is in this process, for a kernel that writes to it."""
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))


def guards_of(pid: int) -> list[str]:
    """Return the guard regions of a held process, as `Probe.guards` does. Errors: OSError."""
    probe = Probe(pid)
    try:
        return probe.guards()
    finally:
        probe.close()


@cache
def means_here() -> Means:
    """Return how this kernel can be asked, tried on this process."""
    try:
        fast = Probe(os.getpid(), Means(True, True))
    except OSError:
        return Means(False, False)
    try:
        queries = _works(lambda: fast.vma_at(0))
        scans = _works(lambda: fast.written(0, PAGE_SIZE))
    finally:
        fast.close()
    try:
        zero = 0 if scans else zero_frame()
    except OSError:
        zero = 0
    return Means(queries, scans, zero)


def _works(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except OSError:
        return False
    return True


def can_probe() -> bool:
    """Return whether this kernel tells us what was written to."""
    return means_here().suffices
