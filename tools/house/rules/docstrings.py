# SPDX-License-Identifier: GPL-2.0-or-later
"""Every source opens with a sentence that says what the file is for."""

import ast
from collections.abc import Iterator

from house.finding import Finding
from house.tree import Tree


def check(tree: Tree) -> Iterator[Finding]:
    """Yield sources whose docstring is missing, is no sentence or has under four words."""
    for name in tree.sources():
        docstring = ast.get_docstring(tree.parsed(name))
        opening = " ".join((docstring or "").split("\n\n")[0].split())
        if not opening:
            yield Finding(name, 2, "has no docstring")
        elif not opening.endswith((".", ":")):
            yield Finding(name, 2, f"the docstring does not open with a sentence: {opening!r}")
        elif len(opening.split()) < 4:
            yield Finding(name, 2, f"the docstring says too little: {opening!r}")
