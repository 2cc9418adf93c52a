# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules of the engine import each other in one direction, but for the types in one folder.

Imports count wherever they stand: in a function or under TYPE_CHECKING they tie files all the same.
"""

import ast
from collections.abc import Iterator

from house.finding import Finding
from house.names import imported
from house.rules.engine_outside import ENGINE
from house.tree import Tree

TYPES = ENGINE + "types/"


def check(tree: Tree) -> Iterator[Finding]:
    """Yield what imports itself in the end, and what puts an import off."""
    names = tree.sources(ENGINE)
    uses = {name: imports(tree.parsed(name), set(names)) for name in names}
    for name in names:
        if name.startswith(TYPES):
            continue
        for word, line in imported(tree.parsed(name)):
            if word == "TYPE_CHECKING":
                yield Finding(name, line, "TYPE_CHECKING: types that need it live in types/")
        for used in sorted(uses[name]):
            if name in reached(used, uses):
                line = uses[name][used]
                yield Finding(name, line, f"{used} imports this in its turn: a ring")


def imports(module: ast.Module, names: set[str]) -> dict[str, int]:
    """Return the files among `names` that a module imports, each with a line where it does."""
    found: dict[str, int] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module:
            asked = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            asked = [alias.name for alias in node.names]
        else:
            continue
        files = (f"src/{dotted.replace('.', '/')}.py" for dotted in asked)
        found.update({file: node.lineno for file in files if file in names})
    return found


def reached(start: str, uses: dict[str, dict[str, int]]) -> set[str]:
    """Return all files that a file imports, directly or not, and itself."""
    found, todo = {start}, [start]
    while todo:
        for name in uses[todo.pop()]:
            if name not in found:
                found.add(name)
                todo.append(name)
    return found
