# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on dotted names finds modules and attributes that the package does not have."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize("name", ["vmalab.__version__", "vmalab.linux.mm", "vmalab.cli.main.main"])
def test_a_name_that_is_there_passes(findings: Callable[..., list[str]], name: str) -> None:
    assert findings("dotted_names", {"a.md": f"`{name}`", "a.py": f"# `{name}()`"}) == []


@pytest.mark.parametrize("file", ["a.md", "src/a.py"])
@pytest.mark.parametrize("name", ["vmalab.no_such_thing", "vmalab.linux.mm.nothing.at_all"])
def test_a_name_that_is_not_there_is_found(
    findings: Callable[..., list[str]], file: str, name: str
) -> None:
    found = [f"{file}:2: {name}: no such module or name"]
    assert findings("dotted_names", {file: f"First.\n`{name}`\n"}) == found
