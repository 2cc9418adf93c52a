# SPDX-License-Identifier: GPL-2.0-or-later
"""Every folder of the package with modules in it is a package."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from house.finding import Finding
from house.tree import Tree

PACKAGE = "src/vmalab/"


def check(tree: Tree) -> Iterator[Finding]:
    """Yield folders of the package that have modules and no __init__.py."""
    for folder in sorted({str(PurePosixPath(name).parent) for name in tree.sources(PACKAGE)}):
        if not tree.exists(f"{folder}/__init__.py"):
            yield Finding(f"{folder}/__init__.py", 1, "is missing: the folder is no package")
