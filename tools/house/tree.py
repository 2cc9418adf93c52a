# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of a repository as the rules see them, each read and parsed once.

A rule selects files by kind and folder. The tree counts what was selected, so that a rule that
looks at nothing, because a folder moved or a pattern no longer fits, is found out.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

from house.finding import CannotCheck, Finding
from house.listing import list_files


class Tree:
    """The files below a root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = list_files(root)
        # Files selected since `start_rule`.
        self.examined: set[str] = set()
        self._texts: dict[str, str] = {}
        self._parsed: dict[str, ast.Module] = {}

    def start_rule(self) -> None:
        """Forget which files were selected."""
        self.examined.clear()

    def select(self, names: Iterable[str]) -> list[str]:
        """Note that the files are checked, and return them."""
        chosen = list(names)
        self.examined.update(chosen)
        return chosen

    def files(self) -> list[str]:
        """Select all files."""
        return self.select(self.names)

    def sources(self, below: str = "") -> list[str]:
        """Select the Python files whose path starts with `below`."""
        return self.select(
            name for name in self.names if name.endswith(".py") and name.startswith(below)
        )

    def documents(self, below: str = "") -> list[str]:
        """Select the Markdown files whose path starts with `below`."""
        return self.select(
            name for name in self.names if name.endswith(".md") and name.startswith(below)
        )

    def texts(self) -> list[str]:
        """Select the files that hold text: those without a zero byte."""
        return self.select(
            name for name in self.names if b"\0" not in (self.root / name).read_bytes()
        )

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder at this path from the root."""
        return (self.root / name).exists()

    def text(self, name: str) -> str:
        """Return the text of a file. Raises CannotCheck where there is none."""
        if name not in self._texts:
            try:
                content = (self.root / name).read_bytes()
            except OSError as error:
                raise CannotCheck(Finding(name, 1, f"cannot be read: {error.strerror}")) from error
            self._texts[name] = content.decode("utf-8", "replace")
        return self._texts[name]

    def lines(self, name: str) -> list[str]:
        """Return the lines of a file. Raises CannotCheck where it cannot be read."""
        return self.text(name).splitlines()

    def parsed(self, name: str) -> ast.Module:
        """Return the syntax tree of a Python file. Raises CannotCheck where it has none."""
        if name not in self._parsed:
            try:
                self._parsed[name] = ast.parse(self.text(name))
            except (SyntaxError, ValueError) as error:
                line = getattr(error, "lineno", None) or 1
                raise CannotCheck(Finding(name, line, f"is no Python: {error}")) from error
        return self._parsed[name]
