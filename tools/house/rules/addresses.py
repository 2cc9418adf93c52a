# SPDX-License-Identifier: GPL-2.0-or-later
"""No file names the machine it was written on, or where packages are fetched from."""

import re
from collections.abc import Iterator

from house.finding import Finding
from house.tree import Tree


def below(folder: str) -> re.Pattern[str]:
    """Match a path below a folder of the root, not one that merely has such a folder in it."""
    return re.compile(rf"(?<![\w.*~)/-])/{folder}/")


MACHINE = [below("work"), below("root"), re.compile(r"/home/(?!user\b|NAME\b|me\b)\w+")]
# Where perf looks for the names of compiled code is an interface, not a scratch folder.
SCRATCH = re.compile(below("tmp").pattern + "(?!perf-)")
REGISTRY = re.compile(
    r"//[a-z0-9.-]*(debian|pypi|pythonhosted|npmjs)\.|\bindex[-_]url", re.IGNORECASE
)
# Recordings, real or made up for a test, hold what programs named: such paths are data.
DATA = ("examples/", "tests/")


def check(tree: Tree) -> Iterator[Finding]:
    """Yield each line with a path of a machine, a scratch path or a registry."""
    for name in tree.texts():
        for number, line in enumerate(tree.lines(name), 1):
            if any(pattern.search(line) for pattern in MACHINE):
                yield Finding(name, number, "names a folder of the machine it was written on")
            if not name.startswith(DATA) and SCRATCH.search(line):
                yield Finding(name, number, "names a scratch folder, which nobody else has")
            if REGISTRY.search(line):
                yield Finding(name, number, "names a registry; each user's own settings do that")
