# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on named files finds paths in documents that lead nowhere."""

from collections.abc import Callable

import pytest

GOOD = {"README.md": "See `docs/a.md`, `docs/` and `not/ours.md`.\n", "docs/a.md": ""}


def test_files_that_exist_pass(findings: Callable[..., list[str]]) -> None:
    assert findings("named_files", GOOD) == []


@pytest.mark.parametrize("path", ["docs/b.md", "tests/gone/", "src/vmalab/none.py"])
def test_a_file_that_does_not_is_found(findings: Callable[..., list[str]], path: str) -> None:
    text = f"First.\nSee `{path}`.\n"
    found = [f"README.md:2: {path}: no such file or folder"]
    assert findings("named_files", GOOD, {"README.md": text}) == found
