# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on docstrings finds sources that do not say what they are for."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    "docstring", ["Reads what strace writes.", "Four words and more:\n\nthen a list"]
)
def test_a_sentence_passes(findings: Callable[..., list[str]], docstring: str) -> None:
    assert findings("docstrings", {"a.py": f'"""{docstring}"""\n'}) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 1\n", "has no docstring"),
        ('"""Reads what strace writes"""', "the docstring does not open with a sentence: "),
        ('"""Reads logs."""', "the docstring says too little: 'Reads logs.'"),
    ],
)
def test_what_is_no_sentence_is_found(
    findings: Callable[..., list[str]], text: str, found: str
) -> None:
    (line,) = findings("docstrings", {"a.py": text})
    assert line.startswith(f"a.py:2: {found}")
