# SPDX-License-Identifier: GPL-2.0-or-later
"""The indexes of the engine's rooms name each file, and functions that are there."""

import ast
import importlib
import re
from pathlib import Path

import pytest

PACKAGES = ("vmalab.linux.mm.vma", "vmalab.linux.mm.mremap")


def rows(text: str) -> dict[str, str]:
    """The entries of an index, by file."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        head = re.match(r"    (\w+\.py) +(.*)", line)
        if head:
            name, rest = head[1], head[2]
            found[name] = rest
        elif name and line.startswith(" " * 20):
            found[name] += " " + line.strip()
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_the_index_names_every_file(package: str) -> None:
    module = importlib.import_module(package)
    folder = Path(module.__path__[0])
    files = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    assert set(rows(module.__doc__ or "")) == files


@pytest.mark.parametrize("package", PACKAGES)
def test_the_functions_of_the_index_are_there(package: str) -> None:
    module = importlib.import_module(package)
    folder = Path(module.__path__[0])
    for name, text in rows(module.__doc__ or "").items():
        tree = ast.parse((folder / name).read_text("utf-8"))
        there = {
            node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        named = set(
            re.findall(
                r"\b[a-z]+_[a-z_]+\b|\b[A-Z][a-z]\w+\b",
                re.sub(r"\([^)]*\)|max_map_count", "", text),
            )
        )
        assert named <= there, name
