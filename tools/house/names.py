# SPDX-License-Identifier: GPL-2.0-or-later
"""Names that a syntax tree imports and calls, with the lines where it does."""

import ast
from collections.abc import Iterator


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the top-level name of each module imported, and each name taken from a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.name.split(".")[0], node.lineno
        if isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0], node.lineno


def called(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the plain names that are called, methods left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node.lineno


def arguments(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the arguments of all functions: in a test, its fixtures."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg, node.lineno
