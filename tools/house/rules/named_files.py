# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of the repository that a document names exist."""

import re
from collections.abc import Iterator

from house.finding import Finding
from house.tree import Tree

PATH = re.compile(r"`((?:docs|examples|src|tests|tools|benchmarks|\.ci)/[\w./-]*)`")


def check(tree: Tree) -> Iterator[Finding]:
    """Yield paths in a document's code spans that lead nowhere."""
    for name in tree.documents():
        for number, line in enumerate(tree.lines(name), 1):
            for path in PATH.findall(line):
                if not tree.exists(path):
                    yield Finding(name, number, f"{path}: no such file or folder")
