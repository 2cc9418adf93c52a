# SPDX-License-Identifier: GPL-2.0-or-later
"""Checking the pages of an address space: counters against a recount, pages against VMAs.

`mm/vma/validate.py` does the same for VMAs; nothing here is called by operations themselves.
"""

from mypy_extensions import i64

from vmalab.linux.include.page import PAGE_SHIFT, TASK_SIZE_5LEVEL
from vmalab.linux.mm.page_tables import PTE_ANON, PTE_FILE, PTE_GUARD, PTE_POISON, PTE_ZERO
from vmalab.linux.mm.pgtable import TableLevel
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import find_vma


def page_table_violations(mm: Mm) -> list[str]:
    """Return everything that is wrong with the pages of `mm`, a sentence each.

    Empty when nothing is.
    """
    found: list[str] = []
    tables = mm.page_tables
    counted: list[i64] = [0, 0, 0, 0, 0, 0]
    for first, last, kind in tables.ranges(0, TASK_SIZE_5LEVEL):
        counted[kind] += (last - first) >> PAGE_SHIFT
        check_mapped(mm, first, last, kind, found)
        missing = ((last - 1) >> 21) - (first >> 21) + 1
        missing -= tables.tables.pte.count(first >> 21, (last - 1) >> 21)
        if missing != 0:
            found.append(f"{first:x}-{last:x}: {missing} page tables are missing")
    for name, kept, recount in (
        ("nr_anon", tables.nr_anon, counted[PTE_ANON]),
        ("nr_zero", tables.nr_zero, counted[PTE_ZERO]),
        ("nr_file", tables.nr_file, counted[PTE_FILE]),
        ("nr_guard", tables.nr_guard, counted[PTE_GUARD]),
        ("nr_poison", tables.nr_poison, counted[PTE_POISON]),
    ):
        if kept != recount:
            found.append(f"{name} is {kept} pages, a recount gives {recount}")
    for level in (tables.tables.pte, tables.tables.pmd, tables.tables.pud):
        check_level(level, found)
    check_nesting(tables.tables.pte, tables.tables.pmd, found)
    check_nesting(tables.tables.pmd, tables.tables.pud, found)
    return found


def check_mapped(mm: Mm, start: i64, end: i64, kind: int, found: list[str]) -> None:
    """Find pages where nothing is mapped, and anonymous ones of VMAs without an anon_vma."""
    position = start
    while position < end:
        vma = find_vma(mm, position)
        if vma is None or vma.vm_start > position:
            found.append(f"{position:x}: a page where nothing is mapped")
            return
        if kind == PTE_ANON and vma.anon_vma is None:
            found.append(f"{position:x}: an anonymous page of a VMA that has no anon_vma")
        position = vma.vm_end


def check_level(level: TableLevel, found: list[str]) -> None:
    """Compare the number of one level's tables with a recount."""
    recount: i64 = 0
    for first, last in level.present(0, TASK_SIZE_5LEVEL >> level.shift):
        recount += last - first + 1
    if recount != level.nr:
        found.append(
            f"{level.nr} tables of {1 << int(level.shift)} bytes, a recount gives {recount}"
        )


def check_nesting(lower: TableLevel, upper: TableLevel, found: list[str]) -> None:
    """Find tables that no table of the level above leads to."""
    shift = upper.shift - lower.shift
    for first, last in lower.present(0, TASK_SIZE_5LEVEL >> lower.shift):
        needed = (last >> shift) - (first >> shift) + 1
        if upper.count(first >> shift, last >> shift) != needed:
            found.append(f"tables from {first << lower.shift:x} on hang on none of the level above")
