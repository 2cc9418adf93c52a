# SPDX-License-Identifier: GPL-2.0-or-later
"""Every case that comes with vmalab, each a test of its own under its name."""

import pytest

from vmalab.testing import Case, parse_cases, run_case, shipped_cases

CASES = shipped_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_case(case: Case) -> None:
    verdict = run_case(case)
    assert verdict.passed, "\n" + verdict.text()


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_case_survives_being_written_and_read(case: Case) -> None:
    again = parse_cases(case.text().replace(case.name, "x", 1), case.path)[0]
    assert (again.law, again.before, again.settings) == (case.law, case.before, case.settings)
    assert [
        (one.call, one.result, one.after, one.counts, one.log, one.fail) for one in again.steps
    ] == [(one.call, one.result, one.after, one.counts, one.log, one.fail) for one in case.steps]
    assert again.legend == {letter: case.legend[letter] for letter in case.letters()}


def test_names_are_unique() -> None:
    names = [case.id for case in CASES]
    assert len(names) == len(set(names))


def test_every_operation_has_a_case() -> None:
    from vmalab.testing.cases.operations import OPERATIONS
    from vmalab.testing.cases.signatures import names

    assert {step.call.name for case in CASES for step in case.steps} == set(OPERATIONS)
    assert set(OPERATIONS) == set(names())


def test_laws_are_sentences() -> None:
    assert [case.id for case in CASES if len(case.law.split()) < 4] == []
