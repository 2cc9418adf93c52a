# SPDX-License-Identifier: GPL-2.0-or-later
"""Walks, laws and the state machine hold for the engine, and print what they find."""

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from vmalab.linux.include.config import KernelConfig
from vmalab.testing import CheckingInternal, StrictInternal, parse_cases, run_case
from vmalab.testing.cases.kinds import parse_kind
from vmalab.testing.cases.layout import Layout
from vmalab.testing.cases.picture import Box
from vmalab.testing.walks.laws import (
    an_unmapped_layout_leaves_nothing,
    disjoint_calls_commute,
    splitting_then_merging_is_the_identity,
)
from vmalab.testing.walks.state_machine import AddressSpaceMachine, machine_for, report
from vmalab.testing.walks.strategies import calls, layouts, pages, streams
from vmalab.testing.walks.walk import Walk, search


class MergesAnything(CheckingInternal):
    """Flags keep no VMAs apart."""

    def __init__(self, config: KernelConfig) -> None:
        super().__init__(config)
        self.vm_ignore_merge = -1


QUICK = settings(max_examples=10, stateful_step_count=10, deadline=None)


def test_walks_find_nothing() -> None:
    steps, walk = search(range(12), 40)
    assert walk is None
    assert steps > 400


def test_walks_find_nothing_under_the_strict_seam() -> None:
    assert search(range(6), 40, StrictInternal, twin=False)[1] is None


def test_the_state_machine_finds_nothing() -> None:
    run_state_machine_as_test(AddressSpaceMachine, settings=QUICK)


@QUICK
@given(layouts(), streams())
def test_an_unmapped_layout_leaves_nothing(layout: Layout, stream: list[str]) -> None:
    assert an_unmapped_layout_leaves_nothing(layout, stream) == ""


@QUICK
@given(layouts("ARTUN"), pages())
def test_splitting_then_merging_is_the_identity(layout: Layout, page: int) -> None:
    assert splitting_then_merging_is_the_identity(layout, page) == ""


class Local:
    """Calls that concern their range alone; mremap may name any place."""

    @staticmethod
    def calls(first: int, last: int) -> st.SearchStrategy[str]:
        names = ("munmap", "mprotect", "madvise", "vma_modify_flags", "anon_vma_prepare")
        return calls(first, last).filter(lambda text: text.startswith(names))


@QUICK
@given(layouts("ARFSBN"), Local.calls(0x10, 0x20), Local.calls(0x30, 0x40))
def test_disjoint_calls_commute(layout: Layout, first: str, second: str) -> None:
    # A VMA of its own between the two ranges.
    boxes = [box for box in layout.boxes if box.end <= 0x22 or box.start >= 0x2E]
    fence = Box(0x26, 0x28, "Z")
    legend = {**layout.legend, "Z": parse_kind("r--p sl")}
    apart = Layout(legend, tuple(sorted([*boxes, fence], key=lambda box: box.start)))
    assert disjoint_calls_commute(apart, first, second) == ""


def test_a_failure_is_a_case_and_a_test() -> None:
    _, walk = search(range(40), 40, MergesAnything)
    assert walk is not None
    text = report(walk)
    assert "def test_found() -> None:" in text
    (case,) = parse_cases(walk.case("what a walk found").text(), "walk.vma")
    assert [step.call.text for step in case.steps] == [step.call.text for step in walk.steps]


def test_the_state_machine_finds_a_bug() -> None:
    # Without shrinking, which takes a minute and ends with one call.
    found = settings(
        max_examples=400,
        stateful_step_count=8,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
    )
    with pytest.raises(AssertionError, match="layout not as by the usual rules") as failure:
        run_state_machine_as_test(machine_for(MergesAnything), settings=found)
    assert "case found: " in str(failure.value)


def test_a_call_that_does_not_fit_is_not_made() -> None:
    walk = Walk((), (), CheckingInternal)
    walk.begin()
    assert walk.step("split_vma at 20 below")
    assert walk.steps == []


def test_a_found_case_runs() -> None:
    walk = Walk((), (Box(0x10, 0x14, "A"),))
    walk.begin()
    assert walk.step("munmap 11-12")
    assert walk.steps[0].result == "0"
    assert run_case(parse_cases(walk.case("x y z w").text(), "x.vma")[0]).problems == (
        "line 5, call: the layout is not as expected",
    )
