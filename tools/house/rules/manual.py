# SPDX-License-Identifier: GPL-2.0-or-later
"""Every page of the manual is reached by links from its first page."""

from collections.abc import Iterator
from posixpath import dirname, join, normpath

from house.finding import Finding
from house.markdown import links
from house.tree import Tree

MANUAL = "docs/"
FIRST = "docs/index.md"


def check(tree: Tree) -> Iterator[Finding]:
    """Yield pages that no chain of links leads to."""
    pages = set(tree.documents(MANUAL))
    reached: set[str] = set()
    waiting = [FIRST]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        targets = [target.partition("#")[0] for _, target in links(tree.text(name))]
        linked = {normpath(join(dirname(name), target)) for target in targets if target}
        waiting += sorted((linked & pages) - reached)
    for name in sorted(pages - reached):
        yield Finding(name, 1, f"no chain of links leads here from {FIRST}")
