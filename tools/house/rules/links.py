# SPDX-License-Identifier: GPL-2.0-or-later
"""Links in documents lead to files and headings that exist; the web is left alone."""

import re
from collections.abc import Iterator

from house.finding import Finding
from house.markdown import anchors, links
from house.tree import Tree


def check(tree: Tree) -> Iterator[Finding]:
    """Yield links to a file or heading that does not exist."""
    for name in tree.documents():
        folder = (tree.root / name).parent
        for line, target in links(tree.text(name)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            goal = folder / path if path else tree.root / name
            if not goal.exists():
                yield Finding(name, line, f"{target}: no such file")
            elif anchor and anchor not in anchors(goal.read_text("utf-8")):
                yield Finding(name, line, f"{target}: no such heading there")
