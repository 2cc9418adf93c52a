# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions stay within the house's size, and most of them are short.

Lines are counted as the syntax tree has them: from the `def` to the last line, with docstring and
comments. Exceptions are named "path:qualified.name" in [tool.house.long-functions].
"""

import ast
from collections.abc import Iterator

from house.exceptions import Allowance, allowances
from house.finding import Finding
from house.tree import Tree

CAP = 80
TABLE = "long-functions"
PACKAGE = "src/"
# No more than this in the middle and at nine tenths of the package's functions by length.
MEDIAN, NINE_TENTHS = 15, 45


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """Yield name, first line and length of each function below `tree`, inner ones included."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}."
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            end = node.end_lineno or node.lineno
            yield prefix + node.name, node.lineno, end - node.lineno + 1
        yield from functions(node, name)


def check(tree: Tree) -> Iterator[Finding]:
    """Yield functions that are too long, a package of long functions, idle exceptions."""
    allowed = allowances(tree, TABLE)
    lengths: dict[str, int] = {}
    in_package = []
    for name in tree.sources():
        for function, line, length in functions(tree.parsed(name)):
            lengths[f"{name}:{function}"] = length
            cap = allowed.get(f"{name}:{function}", Allowance(CAP)).lines
            if length > cap:
                yield Finding(name, line, f"{function} has {length} lines, {cap} are allowed")
            if name.startswith(PACKAGE):
                in_package.append(length)
    yield from most_are_short(sorted(in_package))
    for key, allowance in allowed.items():
        yield from allowance.findings(TABLE, key, lengths.get(key, 0), CAP)


def most_are_short(lengths: list[int]) -> Iterator[Finding]:
    """Yield where the middle and nine tenths of the lengths, in order, are too large."""
    for tenths, cap in ((5, MEDIAN), (9, NINE_TENTHS)):
        found = lengths[len(lengths) * tenths // 10] if lengths else 0
        if found > cap:
            what = f"of ten functions {10 - tenths} have {found} lines or more, not {cap}"
            yield Finding(PACKAGE, 1, what)
