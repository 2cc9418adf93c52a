# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on modules' names finds vague ones, of files and of folders."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize("name", ["src/vmalab/merge.py", "src/vmalab/common_prefix.py"])
def test_a_name_that_says_something_passes(findings: Callable[..., list[str]], name: str) -> None:
    assert findings("module_names", {name: ""}) == []


@pytest.mark.parametrize(
    ("name", "word"),
    [("src/vmalab/utils.py", "utils"), ("tests/helpers/merge.py", "helpers")],
)
def test_a_vague_name_is_found(findings: Callable[..., list[str]], name: str, word: str) -> None:
    what = f"{word!r} says nothing: name the module for what it knows"
    assert findings("module_names", {name: ""}) == [f"{name}:1: {what}"]
