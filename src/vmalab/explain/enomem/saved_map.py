# SPDX-License-Identifier: GPL-2.0-or-later
"""What a saved map counts against the limits, as far as its lines tell; the limits are stated.

A map shows sizes and permissions, smaps also what is locked and charged. It shows no limit: what
nobody states is unknown, but for vm.max_map_count, which is nearly everywhere the usual one.
"""

from collections.abc import Set
from itertools import pairwise
from typing import Final

from vmalab.calls.snapshot import Snapshot, VmaLine, vmas_of
from vmalab.explain.enomem.headroom import (
    AS,
    COMMIT,
    DATA,
    GAP,
    MAP_COUNT,
    MEMLOCK,
    STACK,
    Headroom,
)
from vmalab.explain.enomem.limit_checks import BYTES, PAGES, VMAS
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.recording.format.meta import Meta
from vmalab.recording.format.stated import Stated

# vm.max_map_count and vm.mmap_min_addr of nearly every machine.
USUAL_MAP_COUNT: Final = 65530
_USUAL_MIN_ADDR: Final = 65536


def headroom_of_map(
    lines: Snapshot, stated: Stated, breaks: Set[int] = frozenset()
) -> tuple[list[Headroom], list[str]]:
    """Return what a map counts against each limit, and sentences on what it does not tell.

    breaks: behind which lines others may be missing.
    """
    vmas = vmas_of(lines)
    notes = []
    has_perms = all("?" not in line.perms for line in vmas)
    has_flags = all(line.flags is not None for line in vmas)
    if not has_perms:
        notes.append("Some permissions are not known: these VMAs are left out of RLIMIT_DATA.")
    counts = [MAP_COUNT, AS, DATA, STACK]
    used = [
        len(vmas),
        _pages(vmas),
        _pages([line for line in vmas if _is_data(line)]),
        _pages([line for line in vmas if line.name.startswith("[stack")]),
    ]
    if has_flags:
        counts += [MEMLOCK, COMMIT]
        used += [_pages([line for line in vmas if _has(line, word)]) for word in ("lo", "ac")]
        notes.append("The commit limit counts all processes; this one's part is shown.")
    else:
        notes.append("What is locked or charged is not known: only smaps has it.")
    rows = []
    unknown = []
    for name, number in zip(counts, used, strict=True):
        limit, known = _limit(name, stated)
        if not known:
            unknown.append(name)
        unit = VMAS if name == MAP_COUNT else PAGES
        rows.append(Headroom(name, unit, number, number, limit, limit_known=known))
    gap = _largest_gap(vmas, stated, breaks)
    rows.append(Headroom(GAP, BYTES, gap, gap, None))
    if "vm.max_map_count" not in stated.sysctl:
        notes.append("vm.max_map_count is taken to be the usual one: state it with --set.")
    if unknown:
        notes.append(
            f"Not stated, and in no map: {', '.join(unknown)} (--rlimit AS=, DATA=, STACK=, "
            "MEMLOCK=; --set vm.overcommit_memory=, --ram)."
        )
    return rows, notes


def _pages(lines: Snapshot) -> int:
    return sum(line.size for line in lines) >> PAGE_SHIFT


def _has(line: VmaLine, word: str) -> bool:
    return line.flags is not None and word in line.flags


def _is_data(line: VmaLine) -> bool:
    """Return whether RLIMIT_DATA counts a VMA: private, writable, no stack."""
    return line.perms[1] == "w" and line.perms[3] == "p" and not line.name.startswith("[stack")


def _limit(name: str, stated: Stated) -> tuple[int | None, bool]:
    """Return a limit in its unit, None for none, and whether it is known."""
    if name == MAP_COUNT:
        return stated.sysctl.get("vm.max_map_count", USUAL_MAP_COUNT), True
    if name == COMMIT:
        if stated.sysctl.get("vm.overcommit_memory", 2) != 2:
            return None, True
        kib = stated.applied_to(Meta()).commit_limit_kb
        return (None, False) if kib is None else (kib >> 2, True)
    value = stated.rlimits.get(name.removeprefix("RLIMIT_"))
    if value is None:
        return None, False
    return (None if value >= RLIM_INFINITY else value >> PAGE_SHIFT), True


def _largest_gap(vmas: Snapshot, stated: Stated, breaks: Set[int]) -> int:
    """Return the longest free range below the stack, in bytes."""
    below = []
    for line in vmas:
        if line.name.startswith("[stack"):
            below.append(line)
            break
        below.append(line)
    low = stated.sysctl.get("vm.mmap_min_addr", _USUAL_MIN_ADDR)
    gaps = [below[0].start - low] if below else []
    gaps += [
        upper.start - lower.end
        for index, (lower, upper) in enumerate(pairwise(below))
        if index not in breaks
    ]
    return max([0, *gaps])
