# SPDX-License-Identifier: GPL-2.0-or-later
"""One way leads to the terminal: names from recordings are escaped because it alone prints."""

import ast
from collections.abc import Iterator

from house.finding import Finding
from house.tree import Tree

PACKAGE = "src/vmalab/"
PRINTING = {"print", "echo", "secho", "Console"}
# Files that print by themselves, and why.
PRINTERS = {
    "src/vmalab/views/output.py": "it is the way that all else takes",
    "src/vmalab/views/progress.py": "a line that is taken back; its text has passed visible()",
    "src/vmalab/cli/record.py": "a line that is taken back, and the folder that the user named",
    "src/vmalab/conformance/kit/runner.py": "it is copied, and runs without vmalab",
    "src/vmalab/testing/sweep/call_surface.py": "its own page, from the sources",
    "src/vmalab/testing/seams/seam_surface.py": "its own page, from the sources",
}


def check(tree: Tree) -> Iterator[Finding]:
    """Yield each call that prints past `views/output.py`."""
    for name in tree.sources(PACKAGE):
        if name in PRINTERS:
            continue
        for node in ast.walk(tree.parsed(name)):
            if not isinstance(node, ast.Call):
                continue
            func = node.func
            word = func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")
            if word in PRINTING:
                yield Finding(name, node.lineno, f"{word}() prints past vmalab.views.output")
