# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the house rules share: a rule checked on a small tree made for it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from house.run import all_rules, check_rule
from house.tree import Tree

Files = Mapping[str, str]
Findings = Callable[..., list[str]]

# The first lines of a source that breaks no rule.
HEAD = '# SPDX-License-Identifier: GPL-2.0-or-later\n"""A module for the test at hand."""\n'


def write(root: Path, files: Files) -> None:
    """Write files, with {HEAD} in them replaced by the first lines of a source."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{HEAD}", HEAD), "utf-8")


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[..., Tree]:
    """Make a tree of the files of several mappings, later ones in place of earlier ones."""

    def make(*parts: Files) -> Tree:
        for files in parts:
            write(tmp_path, files)
        return Tree(tmp_path)

    return make


@pytest.fixture
def findings(make_tree: Callable[..., Tree]) -> Findings:
    """What one rule finds in a tree of some files, as lines; a rule that looks at no file fails."""

    def check(rule: str, *parts: Files) -> list[str]:
        tree = make_tree(*parts)
        found = [str(finding) for finding in check_rule(tree, all_rules()[rule])]
        assert found or tree.examined, f"{rule} looked at nothing"
        return found

    return check
