# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on patches finds tests of the engine that patch it."""

from collections.abc import Callable

import pytest

TEST = "def test_it({}):\n    pass\n"


@pytest.mark.parametrize("name", ["tests/linux/mm/test_a.py", "tests/testing/seams/test_a.py"])
@pytest.mark.parametrize(
    ("text", "word"),
    [
        (TEST.format("monkeypatch"), "monkeypatch"),
        ("from unittest import mock\n", "mock"),
        ("import unittest.mock\n", "unittest"),
        ("from pytest import MonkeyPatch\n", "MonkeyPatch"),
    ],
)
def test_a_patch_of_the_engine_is_found(
    findings: Callable[..., list[str]], name: str, text: str, word: str
) -> None:
    found = findings("patches", {name: text})
    assert f"{name}:1: {word}: compiled callers do not see a patch" in found


def test_other_tests_may_patch_and_the_engines_use_fixtures(
    findings: Callable[..., list[str]],
) -> None:
    files = {
        "tests/linux/test_a.py": TEST.format("task"),
        "tests/cli/test_a.py": TEST.format("monkeypatch"),
    }
    assert findings("patches", files) == []
