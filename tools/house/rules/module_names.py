# SPDX-License-Identifier: GPL-2.0-or-later
"""No module or folder has a vague name: a module is named for what it knows."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from house.finding import Finding
from house.tree import Tree

VAGUE = {"helper", "helpers", "util", "utils", "common", "misc", "junk"}


def check(tree: Tree) -> Iterator[Finding]:
    """Yield sources with a vague word as the name of the file or of a folder above it."""
    for name in tree.sources():
        path = PurePosixPath(name)
        for word in sorted(VAGUE.intersection([path.stem, *path.parent.parts])):
            yield Finding(name, 1, f"{word!r} says nothing: name the module for what it knows")
