# SPDX-License-Identifier: GPL-2.0-or-later
"""Where mmap would put a mapping, and why there: gaps, alignment, what became of the hint.

The address is the engine's own answer. What explains it is asked of the same functions again:
without the alignment, and of each hole on the way of the search.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from vmalab.calls.symbols import ERRNO_NAME
from vmalab.linux.fs.proc.task_mmu import mm_vmas, vma_name
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE, PMD_SIZE
from vmalab.linux.include.uapi.mman import MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_SHARED
from vmalab.linux.mm.get_unmapped_area import (
    in_32bit_syscall,
    mm_get_unmapped_area,
    mmap_address_hint_valid,
    shmem_alignment,
)
from vmalab.linux.mm.hugetlb import huge_page_size
from vmalab.linux.mm.mmap import get_unmapped_area_ulong, round_hint_to_min
from vmalab.linux.mm.vma.unmapped_area import vm_start_gap
from vmalab.linux.types.file import PLACE_HUGETLB, PLACE_SHMEM, PLACE_THP, File
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import find_vma

# Gaps passed over that are told of one by one; the largest of them.
MAX_PASSED: Final = 8

BELOW_BASE: Final = "highest gap below the top of the area for mappings"
ABOVE_BASE: Final = "lowest gap above its bottom"
FALLBACK: Final = "lowest gap anywhere: none below the top of the area for mappings was long enough"


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole [start, end) between VMAs (bytes), as far as the search may use it.

    usable: bytes less the guard gap of a stack above. below, above: what is mapped beside it, ""
    for nothing. why: it was passed over, "" for the one that was chosen.
    """

    start: int
    end: int
    usable: int
    below: str
    above: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a mapping of `length` bytes would land.

    address: None where it is refused; errno: its name then, "" otherwise. rule: which gap the
    search takes. base: the address (bytes) where it begins. alignment: bytes, the page's where
    nothing asks for more; asked_by: who does, or why nobody does. searched: bytes that were looked
    for. unaligned: where it would be without the alignment, None where that is the same. hint: 0
    for none; hint_verdict: what became of it. gap: the one that was chosen. passed: gaps passed
    over on the way, the largest; passed_count, passed_bytes: of all of them.
    """

    length: int
    address: int | None
    errno: str
    rule: str
    base: int
    alignment: int
    asked_by: str
    searched: int
    unaligned: int | None
    hint: int
    hint_verdict: str
    gap: Gap | None
    passed: tuple[Gap, ...] = ()
    passed_count: int = 0
    passed_bytes: int = 0


class Wanted(NamedTuple):
    """A mapping as mmap is asked for it. length, hint: bytes. file: None: anonymous memory.

    pgoff: of the file, in pages. flags: MAP_*. kind: what to call the file's file system.
    """

    length: int
    hint: int = 0
    flags: int = 0
    file: File | None = None
    pgoff: int = 0
    kind: str = field(default="", compare=False)


def landing_of(mm: Mm, wanted: Wanted) -> Landing:
    """Return where a mapping would land. Mutates: nothing but the note of a refusal."""
    length = (wanted.length + PAGE_SIZE - 1) & PAGE_MASK
    if wanted.flags & MAP_FIXED == 0:
        hint = round_hint_to_min(wanted.hint, mm.config.mmap_min_addr)
    else:
        hint = wanted.hint
    found = int(
        get_unmapped_area_ulong(mm, wanted.file, hint, length, wanted.pgoff, wanted.flags, 0)
    )
    alignment, asked_by = _alignment(mm, wanted, hint, length)
    searched = length
    unaligned = None
    if found >= 0 and alignment > PAGE_SIZE and found != hint:
        plain = int(mm_get_unmapped_area(mm, wanted.file, hint, length, 0, wanted.flags, 0))
        if plain >= 0 and plain != found:
            unaligned = plain
        if found & (alignment - 1) == (wanted.pgoff * PAGE_SIZE) & (alignment - 1):
            searched = length + alignment
    address = found if found >= 0 else None
    by_hint = address is not None and (address == hint != 0 or wanted.flags & MAP_FIXED != 0)
    rule, base = _rule(mm, address)
    gaps = list(_gaps(mm))
    gap = None
    if address is not None:
        gap = next((one for one in gaps if one.start <= address < one.end), None)
    passed = [] if by_hint else list(_passed(mm, gaps, address, length, searched))
    passed.sort(key=lambda one: -one.usable)
    return Landing(
        length,
        address,
        "" if found >= 0 else ERRNO_NAME.get(-found, str(-found)),
        "the hint" if by_hint else rule,
        base,
        alignment,
        asked_by,
        searched,
        unaligned,
        wanted.hint,
        _hint_verdict(mm, wanted, hint, length, address),
        gap,
        tuple(passed[:MAX_PASSED]),
        len(passed),
        sum(one.usable for one in passed),
    )


def _alignment(mm: Mm, wanted: Wanted, hint: int, length: int) -> tuple[int, str]:
    """Return to how many bytes the mapping is aligned, and who asks for it."""
    file, config = wanted.file, mm.config
    placement = PLACE_SHMEM if wanted.flags & MAP_SHARED else -1
    if file is not None:
        placement = int(file.f_op.placement)
    if placement == PLACE_HUGETLB and file is not None:
        return int(huge_page_size(file)), "hugetlbfs: its pages are that large"
    if not config.transparent_hugepage:
        return PAGE_SIZE, "the kernel has no transparent huge pages"
    if placement == PLACE_SHMEM:
        size = int(shmem_alignment(mm, file))
        if size and length >= size:
            return size, "shmem, whose huge pages are on"
        return PAGE_SIZE, "shmem aligns nothing" if not size else "shmem: shorter than a huge page"
    if file is not None:
        name = wanted.kind or "its file system"
        if placement != PLACE_THP:
            return PAGE_SIZE, f"{name} asks for no alignment"
        if length < PMD_SIZE:
            return PAGE_SIZE, f"{name} asks for 2 MiB, but the mapping is shorter"
        return PMD_SIZE, f"{name} asks for it (thp_get_unmapped_area)"
    return _anonymous_alignment(mm, hint, length)


def _anonymous_alignment(mm: Mm, hint: int, length: int) -> tuple[int, str]:
    if not mm.features.thp_aligns_anonymous:
        return PAGE_SIZE, "this kernel does not align anonymous memory"
    if in_32bit_syscall(mm):
        return PAGE_SIZE, "calls of 32 bits are not aligned"
    if length < PMD_SIZE:
        return PAGE_SIZE, "shorter than 2 MiB"
    if mm.config.thp_aligns_any_length:
        return PMD_SIZE, "anonymous memory of 2 MiB and more, in this kernel of any length"
    if hint:
        return PAGE_SIZE, "a hint was given"
    if length & (PMD_SIZE - 1):
        return PAGE_SIZE, "anonymous memory whose length is no multiple of 2 MiB"
    return PMD_SIZE, "anonymous memory whose length is a multiple of 2 MiB"


def _rule(mm: Mm, address: int | None) -> tuple[str, int]:
    """Return which gap the search takes, and where it begins."""
    if not mm.topdown:
        return ABOVE_BASE, int(mm.mmap_legacy_base)
    if address is None or address < mm.mmap_base:
        return BELOW_BASE, int(mm.mmap_base)
    return FALLBACK, int(mm.mmap_base)


def _gaps(mm: Mm) -> Iterator[Gap]:
    """Yield all holes that may be mapped, lowest first."""
    position = max(PAGE_SIZE, int(mm.config.mmap_min_addr))
    below = ""
    guard = mm.config.stack_guard_gap
    for vma in mm_vmas(mm):
        start = int(vma.vm_start)
        if start > position:
            usable = max(0, min(int(vm_start_gap(vma, guard)), start) - position)
            yield Gap(position, start, usable, below, _text(vma))
        position, below = int(vma.vm_end), _text(vma)
    if position < mm.task_size:
        end = int(mm.task_size)
        yield Gap(position, end, end - position, below, "")


def _passed(
    mm: Mm, gaps: list[Gap], address: int | None, length: int, searched: int
) -> Iterator[Gap]:
    """Yield the gaps that the search came by before the one it took, with the reason."""
    base = int(mm.mmap_base) if mm.topdown else int(mm.mmap_legacy_base)
    for gap in gaps:
        if mm.topdown:
            reached = gap.start < base
            gone_by = address is None or address >= base or gap.start > address
            usable = min(gap.start + gap.usable, base) - gap.start
        else:
            reached = gap.start + gap.usable > base
            gone_by = address is None or gap.end <= address
            usable = gap.start + gap.usable - max(gap.start, base)
        if not reached or not gone_by:
            continue
        yield Gap(
            gap.start,
            gap.end,
            max(usable, 0),
            gap.below,
            gap.above,
            _why_passed(gap, usable, length, searched),
        )


def _why_passed(gap: Gap, usable: int, length: int, searched: int) -> str:
    if gap.end - gap.start >= length > gap.usable:
        return "the guard gap below a stack takes the rest"
    if usable < length:
        return "too short"
    if usable < searched:
        return "long enough, but not with room for the alignment"
    return "inside of a guard gap's megabyte, which the search leaves as a whole"


def _hint_verdict(mm: Mm, wanted: Wanted, hint: int, length: int, address: int | None) -> str:
    """Return what became of the hint, "" where none was given."""
    if wanted.hint == 0 and wanted.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) == 0:
        return ""
    if wanted.flags & MAP_FIXED:
        return "MAP_FIXED: nothing is searched; what is mapped there goes"
    at = hint & PAGE_MASK
    rounded = "" if at == wanted.hint else f" (rounded to {at:#x})"
    if address == at:
        return f"taken{rounded}"
    if not mmap_address_hint_valid(mm, at, length):
        return f"refused{rounded}: beyond the end of the address space, or across 2^47"
    vma = find_vma(mm, at)
    if vma is None:
        return f"refused{rounded}"
    if vma.vm_start < at + length:
        return f"refused{rounded}: {_text(vma)} is there"
    return f"refused{rounded}: it would reach into the guard gap below {_text(vma)}"


def _text(vma: Vma) -> str:
    name = vma_name(vma)
    return f"{vma.vm_start:x}-{vma.vm_end:x}" + (f" {name}" if name else "")
