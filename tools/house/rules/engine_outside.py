# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine does no input or output, and asks no clock and no source of randomness."""

from collections.abc import Iterator

from house.finding import Finding
from house.names import called, imported
from house.tree import Tree

ENGINE = "src/vmalab/linux/"
MODULES = {"datetime", "io", "os", "pathlib", "random", "socket", "subprocess", "sys", "time"}
FUNCTIONS = {"open", "print", "input", "exec", "eval"}


def check(tree: Tree) -> Iterator[Finding]:
    """Yield where the engine imports or calls something that reaches outside."""
    for name in tree.sources(ENGINE):
        parsed = tree.parsed(name)
        for word, line in imported(parsed):
            if word in MODULES:
                yield Finding(name, line, f"{word}: the engine has no outside world")
        for word, line in called(parsed):
            if word in FUNCTIONS:
                yield Finding(name, line, f"{word}(): the engine has no outside world")
