# SPDX-License-Identifier: GPL-2.0-or-later
"""A run of all rules fails where one is broken, where one looks at nothing, and else passes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from house.listing import files_by_git, files_by_walk
from house.run import all_rules, run
from house.tree import Tree

ROOT = Path(__file__).resolve().parents[3]
Trees = Callable[..., Tree]


def test_each_rule_has_a_test_file() -> None:
    tests = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert set(all_rules()) == tests - {"run"}


def test_nothing_to_look_at_is_a_failure(make_tree: Trees) -> None:
    result = run(make_tree())
    assert set(result.idle) >= {"docstrings", "links", "type_ignores"}
    assert not result.passed


def test_a_finding_is_a_failure(make_tree: Trees) -> None:
    result = run(make_tree({"utils.py": "{HEAD}"}))
    assert "utils.py" in {finding.path for finding in result.findings}
    assert not result.passed


@pytest.mark.parametrize("text", ["def f(:\n", "x = 1\0\n"])
def test_what_is_no_python_is_a_finding(make_tree: Trees, text: str) -> None:
    found = [str(finding) for finding in run(make_tree({"a.py": text})).findings]
    assert [line for line in found if line.startswith("a.py:1: is no Python: ")]


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools/lint.py"), str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_prints_findings_and_fails(make_tree: Trees, tmp_path: Path) -> None:
    make_tree({"utils.py": "{HEAD}"})
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "utils.py:1: 'utils' says nothing: name the module" in done.stdout
    assert "tools/house/rules/type_ignores.py:1: the rule found no file to look at" in done.stdout
    assert done.stderr == ""


def test_git_and_a_walk_list_the_same_files(make_tree: Trees, tmp_path: Path) -> None:
    make_tree({"a.py": "", "deep/b.py": "", "build/c.py": "", ".gitignore": "/build/\n"})
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert sorted(files_by_git(tmp_path)) == [".gitignore", "a.py", "deep/b.py"]
    assert sorted(files_by_walk(tmp_path)) == [".gitignore", "a.py", "deep/b.py"]
