# SPDX-License-Identifier: GPL-2.0-or-later
"""No two classes of the package share a name: each name stands for one thing."""

import ast
from collections.abc import Iterator

from house.finding import Finding
from house.tree import Tree

PACKAGE = "src/vmalab/"


def check(tree: Tree) -> Iterator[Finding]:
    """Yield each class whose name a class of another file has already."""
    first: dict[str, str] = {}
    for name in tree.sources(PACKAGE):
        for node in tree.parsed(name).body:
            if isinstance(node, ast.ClassDef) and first.setdefault(node.name, name) != name:
                what = f"class {node.name} is also in {first[node.name]}: give one another name"
                yield Finding(name, node.lineno, what)
