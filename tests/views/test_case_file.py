# SPDX-License-Identifier: GPL-2.0-or-later
"""A finding becomes a case that the model passes, or none where cases have no words for it."""

import pytest

from vmalab.calls.call import U64_MAX, Call
from vmalab.check.draw import PAGE, call
from vmalab.check.finding import MAP, Divergence, Finding, Transcript
from vmalab.check.piece import Shrunk
from vmalab.linux.include.uapi.mman import (
    MADV_DONTFORK,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.targets.real.settings import Settings
from vmalab.testing.cases.parser import parse_cases
from vmalab.testing.cases.run_case import run_case
from vmalab.views.case_file import case_text

from .test_findings import FIRST, META

BASE = 0x10000000
HERE = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS
FOUR = call("mmap", BASE, 4 * PAGE, 3, HERE, U64_MAX, 0)
TOUCH = call("madvise", BASE, 4 * PAGE, 23)


def shrunk_of(*calls: Call) -> Shrunk:
    difference = Divergence(calls, MAP, 0, 0, "range", BASE)
    transcript = Transcript(META, FIRST, FIRST, FIRST, (0,) * len(calls), "")
    return Shrunk(Finding("dense", 4, Settings(), difference), transcript, "6.18", "6.18.44", 9)


@pytest.mark.parametrize(
    ("calls", "lines"),
    [
        ((FOUR, call("mprotect", BASE + PAGE, PAGE, 1)), ["  call      mprotect 10001-10002 B"]),
        (
            (FOUR, call("munmap", BASE + PAGE, PAGE)),
            ["  call      munmap 10001-10002", "  after     |AAAAA|     |AAAAA|"],
        ),
        (
            (FOUR, call("mmap", BASE + 4 * PAGE, PAGE, 3, HERE | MAP_NORESERVE, U64_MAX, 0)),
            ["  B = rw-p nr", "  call      mmap_region 10004-10005 B"],
        ),
        (
            (FOUR, TOUCH, call("madvise", BASE, PAGE, MADV_DONTFORK)),
            ["  A = rw-p a1", "  call      madvise 10000-10001 dontfork"],
        ),
        (
            (
                FOUR,
                call("mremap", BASE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 8 * PAGE),
            ),
            ["  call      mremap 10000-10001 to 10008"],
        ),
        (
            (FOUR, call("mprotect", BASE, 6 * PAGE, 1)),
            ["  call      mprotect 10000-10006 B -> -ENOMEM"],
        ),
    ],
    ids=["mprotect", "munmap", "other-flags", "written", "moved", "refused"],
)
def test_a_finding_becomes_a_case_that_the_model_passes(
    calls: tuple[Call, ...], lines: list[str]
) -> None:
    text = case_text(shrunk_of(*calls))
    for line in lines:
        assert line in text.splitlines()
    (case,) = parse_cases(text, "case.vma")
    assert run_case(case).passed


@pytest.mark.parametrize(
    "last",
    [
        call("prctl", 0x53564D41, 0, BASE, PAGE, 0, mem={4: "x"}),
        call("mmap", 0, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, U64_MAX, 0),
        call("munmap", BASE + 1, PAGE),
        call("madvise", BASE, PAGE, 999),
    ],
    ids=["call", "any-place", "unaligned", "advice"],
)
def test_what_cases_have_no_words_for_is_none(last: Call) -> None:
    assert case_text(shrunk_of(FOUR, last)) == ""
