# SPDX-License-Identifier: GPL-2.0-or-later
"""Dotted names of the package that documents and sources mention exist.

They are looked up in the package that is installed beside the tool: the one under test.
"""

import importlib
import re
from collections.abc import Iterator
from functools import cache

from house.finding import Finding
from house.tree import Tree

DOTTED = re.compile(r"`(vmalab(?:\.\w+)+)(?:\([^`]*\))?`")
# In a document's code; in a source Python sees to it.
IMPORT = re.compile(r"^\s*(?:>>> )?from (vmalab[\w.]*) import ([\w, ]+?)(?:  #.*)?$")


@cache
def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, or an attribute found from one."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        missing = object()
        for part in parts[cut:]:
            found = getattr(found, part, missing)
        return found is not missing
    return False


def imported(line: str) -> Iterator[str]:
    """Yield the dotted names that a line of Python imports from the package."""
    if found := IMPORT.match(line):
        for name in found[2].split(","):
            yield f"{found[1]}.{name.split(' as ')[0].strip()}"


def check(tree: Tree) -> Iterator[Finding]:
    """Yield names in code spans and documents' imports that are neither a module nor in one."""
    for name in tree.documents():
        for number, line in enumerate(tree.lines(name), 1):
            for dotted in imported(line):
                if not resolves(dotted):
                    yield Finding(name, number, f"{dotted}: no such module or name")
    for name in [*tree.documents(), *tree.sources()]:
        for number, line in enumerate(tree.lines(name), 1):
            for dotted in DOTTED.findall(line):
                if not resolves(dotted):
                    yield Finding(name, number, f"{dotted}: no such module or name")
