# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on packages finds folders of the package without __init__.py."""

from collections.abc import Callable

import pytest

GOOD = {"src/vmalab/__init__.py": "", "src/vmalab/calls/__init__.py": "", "tests/a/test_a.py": ""}


def test_packages_pass(findings: Callable[..., list[str]]) -> None:
    assert findings("packages", GOOD) == []


@pytest.mark.parametrize("folder", ["src/vmalab/cli", "src/vmalab/calls/deep"])
def test_a_folder_that_is_no_package_is_found(
    findings: Callable[..., list[str]], folder: str
) -> None:
    found = findings("packages", GOOD, {f"{folder}/module.py": ""})
    assert found == [f"{folder}/__init__.py:1: is missing: the folder is no package"]
