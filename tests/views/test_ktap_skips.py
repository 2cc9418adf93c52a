# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases that were left out stand in KTAP as skipped, with their reason, and fail nothing."""

from vmalab.testing.cases.case import Case
from vmalab.testing.cases.run_case import Skipped, Verdict
from vmalab.views.ktap import ktap_lines


def case(name: str) -> Case:
    return Case("suite", name, "a law", "x.vma", 1, {}, (), (), ())


def test_a_skipped_case_has_its_reason_and_is_counted() -> None:
    outcomes = [Verdict(case("one"), (), (), 0.0), Skipped(case("two"), "no NUMA # here")]
    lines = list(ktap_lines(outcomes))
    assert "  ok 1 one" in lines
    assert "  ok 2 two # SKIP no NUMA _ here" in lines
    assert "ok 1 suite" in lines
    assert lines[-1] == "# Totals: pass:1 fail:0 skip:1 total:2"
