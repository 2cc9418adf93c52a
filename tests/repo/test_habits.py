# SPDX-License-Identifier: GPL-2.0-or-later
"""Habits that no linter knows: what the engine and its tests never do."""

import ast
import re
from pathlib import Path

import pytest

VAGUE = {"helper", "helpers", "util", "utils", "common", "misc", "junk"}
OUTSIDE = {"datetime", "io", "os", "pathlib", "random", "socket", "subprocess", "sys", "time"}


def imported(tree: ast.AST) -> set[str]:
    """The top-level names of all modules that the tree imports, and of what it takes from them."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.update(alias.name.split(".")[0] for alias in node.names)
            found.add((getattr(node, "module", None) or "").split(".")[0])
    return found


def called(tree: ast.AST) -> set[str]:
    """The plain names that the tree calls, methods left out."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {function.id for function in calls if isinstance(function, ast.Name)}


def arguments(tree: ast.AST) -> set[str]:
    """The names of all functions' arguments: in a test, its fixtures."""
    return {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


def test_no_vague_module_name(source_file: Path) -> None:
    assert not VAGUE.intersection([source_file.stem, *source_file.parent.parts])


def test_tests_never_patch_the_engine(root: Path, source_file: Path) -> None:
    """Compiled callers would not see the patch: what varies is a seam method or a setting."""
    if source_file.parts[:2] in {("tests", "linux"), ("tests", "seam"), ("tests", "property")}:
        tree = ast.parse((root / source_file).read_text("utf-8"))
        assert not imported(tree) & {"mock", "unittest", "MonkeyPatch"}
        assert "monkeypatch" not in arguments(tree)


def test_engine_does_no_input_output_and_asks_no_clock(root: Path, source_file: Path) -> None:
    if "vmalab/linux/" in source_file.as_posix():
        tree = ast.parse((root / source_file).read_text("utf-8"))
        assert not imported(tree) & OUTSIDE
        assert not called(tree) & {"open", "print", "input", "exec", "eval"}


def test_engine_silences_no_type_checker(root: Path, source_file: Path) -> None:
    if "vmalab/linux/" in source_file.as_posix():
        assert not re.search(r"#\s*type:\s*ignore", (root / source_file).read_text("utf-8"))


@pytest.mark.parametrize(
    "layer",
    [
        "bench",
        "calls",
        "check",
        "cli",
        "explain",
        "linux",
        "recording",
        "replay",
        "targets",
    ],
)
def test_every_folder_of_the_package_is_a_package(root: Path, layer: str) -> None:
    modules = (root / "src/vmalab" / layer).rglob("*.py")
    assert [path.parent for path in modules if not (path.parent / "__init__.py").exists()] == []
