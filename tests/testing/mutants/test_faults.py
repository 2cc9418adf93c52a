# SPDX-License-Identifier: GPL-2.0-or-later
"""The faults that the engine once had can be put back, and say what they were."""

import pytest

from vmalab.mutated import fault_names, mutated_sources, names
from vmalab.testing.mutants import FAULTS, GUEST, Fault

EACH = pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)


@EACH
def test_each_head_says_what_the_fault_was(fault: Fault) -> None:
    for text in (fault.effect, fault.seen):
        assert text
        assert not text.endswith(".")
    assert fault.needs in ("", GUEST)


@EACH
def test_each_changes_the_engine(fault: Fault) -> None:
    for path, text in mutated_sources(fault.name).items():
        compile(text, path, "exec")
        with open(path, encoding="utf-8") as file:
            assert file.read() != text


def test_none_is_a_historic_bug_too() -> None:
    assert len(FAULTS) >= 15
    assert not set(fault_names()) & set(names())
