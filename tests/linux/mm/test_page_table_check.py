# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of pages and tables find what is wrong, and nothing where nothing is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.linux.mm.page_table_check import page_table_violations
from vmalab.linux.mm.page_tables import PTE_ANON, PTE_FILE, PTE_GUARD, PTE_ZERO, PageTables
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

BASE = 0x100000000000
NOBODY = 2**64 - 1


@pytest.fixture
def touched(task: Task, mm: Mm) -> Mm:
    """Four pages with an anonymous page each."""
    assert do_syscall(task, "mmap", BASE, 0x4000, 3, 0x32, NOBODY, 0) == BASE
    assert do_syscall(task, "madvise", BASE, 0x4000, 23) == 0
    return mm


def test_nothing_is_wrong_with_a_sound_address_space(touched: Mm) -> None:
    assert page_table_violations(touched) == []


@pytest.mark.parametrize("name", ["nr_anon", "nr_zero", "nr_file", "nr_guard"])
def test_a_counter_that_drifted(touched: Mm, name: str) -> None:
    kept = getattr(touched.page_tables, name)
    setattr(touched.page_tables, name, kept + 1)
    assert page_table_violations(touched) == [f"{name} is {kept + 1} pages, a recount gives {kept}"]


def test_a_page_where_nothing_is_mapped(touched: Mm) -> None:
    touched.page_tables.set(BASE + 0x3000, BASE + 0x5000, PTE_ANON)
    assert page_table_violations(touched) == [
        "100000004000: a page where nothing is mapped",
    ]
    touched.page_tables.set(BASE - 0x1000, BASE, PTE_ZERO)
    assert len(page_table_violations(touched)) == 2


def test_an_anonymous_page_without_an_anon_vma(task: Task, mm: Mm) -> None:
    assert do_syscall(task, "mmap", BASE, 0x4000, 3, 0x32, NOBODY, 0) == BASE
    mm.page_tables.set(BASE, BASE + 0x1000, PTE_ANON)
    assert page_table_violations(mm) == [
        "100000000000: an anonymous page of a VMA that has no anon_vma"
    ]


def test_a_table_that_is_missing_or_miscounted(touched: Mm) -> None:
    tables = touched.page_tables.tables
    tables.pte.free(BASE, BASE + 0x1000, 0, 0)
    assert page_table_violations(touched) == [
        "100000000000-100000004000: 1 page tables are missing"
    ]
    tables.pte.alloc(BASE, BASE + 0x1000)
    tables.pmd.nr = 7
    assert page_table_violations(touched) == ["7 tables of 1073741824 bytes, a recount gives 1"]
    tables.pmd.nr = 1
    tables.pud.free(BASE, BASE + 0x1000, 0, 0)
    assert page_table_violations(touched) == [
        "tables from 100000000000 on hang on none of the level above"
    ]


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["set", "zap", "move", "guards"]),
        st.integers(0, 40),
        st.integers(1, 20),
        st.sampled_from([PTE_ANON, PTE_ZERO, PTE_FILE, PTE_GUARD]),
    ),
    max_size=40,
)


@given(OPERATIONS)
def test_counters_are_kept_whatever_happens(operations: list[tuple[str, int, int, int]]) -> None:
    tables = PageTables()
    model: dict[int, int] = {}
    for name, first, count, kind in operations:
        start, end = first << 12, (first + count) << 12
        pages = range(first, first + count)
        if name == "set":
            tables.set(start, end, kind)
            model.update(dict.fromkeys(pages, kind))
        elif name == "zap":
            tables.zap(start, end)
            model = {page: had for page, had in model.items() if page not in pages}
        elif name == "guards":
            tables.zap_kind(start, end, kind, True)
            model = {p: had for p, had in model.items() if p not in pages or had == kind}
        else:
            tables.move(start, start + (1 << 30), end - start)
            moved = {page + (1 << 18): had for page, had in model.items() if page in pages}
            there = range(first + (1 << 18), first + count + (1 << 18))
            model = {p: had for p, had in model.items() if p not in pages and p not in there}
            model.update(moved)
    kinds = list(model.values())
    assert tables.nr_anon == kinds.count(PTE_ANON)
    assert tables.nr_zero == kinds.count(PTE_ZERO)
    assert tables.nr_file == kinds.count(PTE_FILE)
    assert tables.nr_guard == kinds.count(PTE_GUARD)
    assert tables.nr_rss() == kinds.count(PTE_ANON) + kinds.count(PTE_FILE)
    assert tables.hiwater_rss <= len(operations) * 20
