# SPDX-License-Identifier: GPL-2.0-or-later
"""No document waits for something to be filled in."""

from collections.abc import Iterator

from house.finding import Finding
from house.tree import Tree

MARK = "<!-- PLACEHOLDER"


def check(tree: Tree) -> Iterator[Finding]:
    """Yield the marks that stand for text to come."""
    for name in tree.documents():
        for number, line in enumerate(tree.lines(name), 1):
            if MARK in line:
                yield Finding(name, number, "a placeholder: fill it in or take it out")
