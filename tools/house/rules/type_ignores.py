# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine silences no type checker: mypyc compiles what the types say."""

import re
from collections.abc import Iterator

from house.finding import Finding
from house.rules.engine_outside import ENGINE
from house.tree import Tree

IGNORE = re.compile(r"#\s*type:\s*ignore")


def check(tree: Tree) -> Iterator[Finding]:
    """Yield each line of the engine that has the type checker look away."""
    for name in tree.sources(ENGINE):
        for number, line in enumerate(tree.lines(name), 1):
            if IGNORE.search(line):
                yield Finding(name, number, "compiled code does what its types say: correct them")
