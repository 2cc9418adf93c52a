# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the engine never patch it: compiled callers would not see the patch.

What varies is a method of the seam, a field or a setting.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import PurePosixPath

from house.finding import Finding
from house.names import arguments, imported
from house.tree import Tree

# Folders anywhere below tests/ that hold tests of the engine and of its seam.
FOLDERS = {"linux", "seam", "seams"}
TOOLS = {"mock", "unittest", "MonkeyPatch"}


def check(tree: Tree) -> Iterator[Finding]:
    """Yield where a test of the engine imports or asks for something that patches."""
    tests = [name for name in tree.names if name.startswith("tests/") and name.endswith(".py")]
    for name in tree.select(
        name for name in tests if FOLDERS.intersection(PurePosixPath(name).parent.parts)
    ):
        parsed = tree.parsed(name)
        found = [(word, line) for word, line in imported(parsed) if word in TOOLS]
        fixtures = [(word, line) for word, line in arguments(parsed) if word == "monkeypatch"]
        for word, line in chain(found, fixtures):
            yield Finding(name, line, f"{word}: compiled callers do not see a patch")
