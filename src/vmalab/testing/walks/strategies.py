# SPDX-License-Identifier: GPL-2.0-or-later
"""Hypothesis strategies for layouts, calls and streams of calls; needs Hypothesis.

    @given(layouts(), streams())
    def test_my_law(layout, calls): ...

A layout is drawn and shrinks to few VMAs; a call is text, as in a case file.
"""

from hypothesis import strategies as st

from vmalab.testing.cases.layout import Layout
from vmalab.testing.cases.picture import Box, Boxes
from vmalab.testing.walks.walk import ADVICES, ANONYMOUS, FIRST, LAST, LEGEND, MAPPABLE

# Letters that a layout may use, the plainest first: Hypothesis shrinks to them.
LETTERS = "ARTUXLKFSGBNQZD"


def pages() -> st.SearchStrategy[int]:
    """Return a page that calls may name."""
    return st.integers(FIRST, LAST)


@st.composite
def boxes(draw: st.DrawFn, letters: str = LETTERS, most: int = 8) -> Boxes:
    """VMAs side by side, with holes between some."""
    found: list[Box] = []
    page = FIRST
    for _ in range(draw(st.integers(1, most))):
        # Holes are rarer than neighbours.
        page += draw(st.sampled_from((0, 0, 0, 2)))
        length = draw(st.integers(2, 8))
        if page + length > LAST:
            break
        found.append(Box(page, page + length, draw(st.sampled_from(letters))))
        page += length
    return tuple(found)


def layouts(letters: str = LETTERS) -> st.SearchStrategy[Layout]:
    """Layouts with the letters of the walk's legend."""
    return boxes(letters).map(lambda found: Layout(dict(LEGEND), found))


@st.composite
def ranges(draw: st.DrawFn, first: int = FIRST, last: int = LAST) -> str:
    """Return a range of pages, as a call has it."""
    start = draw(st.integers(first, last - 1))
    length = draw(st.integers(1, 12))
    return f"{start:x}-{min(start + length, last):x}"


@st.composite
def calls(draw: st.DrawFn, first: int = FIRST, last: int = LAST) -> str:
    """Return a call within a range of pages, that may or may not fit the layout it meets."""
    at = draw(ranges(first, last))
    page = draw(st.integers(first, last))
    kind, anon = draw(st.sampled_from(MAPPABLE)), draw(st.sampled_from(ANONYMOUS))
    return draw(
        st.sampled_from(
            [
                f"munmap {at}",
                f"mmap {at} {kind}",
                f"mprotect {at} {draw(st.sampled_from('ARX'))}",
                f"madvise {at} {draw(st.sampled_from(ADVICES))}",
                f"mlock {at}",
                f"munlock {at}",
                f"mremap {at} to {page:x}",
                f"mremap {at} sized {draw(st.integers(1, 8))}",
                f"split_vma at {page:x} below",
                f"vma_modify_flags {at} {anon}",
                f"vma_modify_policy {at} {draw(st.sampled_from('AB'))}",
                f"anon_vma_prepare {page:x}",
            ]
        )
    )


def streams(most: int = 20) -> st.SearchStrategy[list[str]]:
    """Return calls, one after the other."""
    return st.lists(calls(), max_size=most)
