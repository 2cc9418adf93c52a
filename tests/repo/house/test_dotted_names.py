# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on dotted names finds modules and attributes that the package does not have."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize("name", ["vmalab.__version__", "vmalab.linux.mm", "vmalab.cli.main.main"])
def test_a_name_that_is_there_passes(findings: Callable[..., list[str]], name: str) -> None:
    assert findings("dotted_names", {"a.md": f"`{name}`", "a.py": f"# `{name}(1, 2)`"}) == []


@pytest.mark.parametrize("file", ["a.md", "src/a.py"])
@pytest.mark.parametrize("name", ["vmalab.no_such_thing", "vmalab.linux.mm.nothing.at_all"])
def test_a_name_that_is_not_there_is_found(
    findings: Callable[..., list[str]], file: str, name: str
) -> None:
    found = [f"{file}:2: {name}: no such module or name"]
    assert findings("dotted_names", {file: f"First.\n`{name}`\n"}) == found


def test_what_a_document_imports_is_there(findings: Callable[..., list[str]]) -> None:
    text = "from vmalab import COMPILED, Machine  # so\n    from vmalab.cli import main\n"
    assert findings("dotted_names", {"a.md": text}) == []


def test_what_a_document_imports_in_vain_is_found(findings: Callable[..., list[str]]) -> None:
    found = [
        "a.md:1: vmalab.nothing: no such module or name",
        "a.md:2: vmalab.cli.main.no: no such module or name",
    ]
    text = "from vmalab import Machine, nothing\n    from vmalab.cli.main import no\n"
    assert findings("dotted_names", {"a.md": text}) == found
