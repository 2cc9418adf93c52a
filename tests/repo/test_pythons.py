# SPDX-License-Identifier: GPL-2.0-or-later
"""The Pythons that the package claims, that CI tries and that the tools check for are the same."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def claimed(pyproject: dict[str, Any]) -> list[str]:
    pattern = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    return [
        match[1] for name in pyproject["project"]["classifiers"] if (match := pattern.match(name))
    ]


def test_ci_tries_every_claimed_python(root: Path, claimed: list[str]) -> None:
    match = re.search(r"^supported=\((.*)\)$", (root / ".ci/run").read_text("utf-8"), re.MULTILINE)
    assert match is not None
    assert match[1].split() == claimed


def test_set_up_looks_for_every_claimed_python(root: Path, claimed: list[str]) -> None:
    text = (root / "tools/venv.sh").read_text("utf-8")
    assert [name for name in claimed if f"python{name}" not in text] == []


def test_oldest_python_is_the_same_everywhere(
    pyproject: dict[str, Any], claimed: list[str]
) -> None:
    oldest = claimed[0]
    assert pyproject["project"]["requires-python"] == f">={oldest}"
    assert pyproject["tool"]["mypy"]["python_version"] == oldest
    assert pyproject["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
