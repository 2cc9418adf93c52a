# SPDX-License-Identifier: GPL-2.0-or-later
"""An expression is compiled when it is first used, and once."""

import re

import pytest

from vmalab.patterns import pattern


def test_nothing_is_compiled_before_it_is_used() -> None:
    wrong = pattern("(")
    with pytest.raises(re.error):
        wrong()


def test_an_expression_is_the_same_each_time() -> None:
    found = pattern(r"ab", re.IGNORECASE)
    assert found() is found()
    assert found().fullmatch("aB")
