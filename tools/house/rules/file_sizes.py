# SPDX-License-Identifier: GPL-2.0-or-later
"""Files stay within the house's size; each exception stands in pyproject.toml with its reason.

[tool.house.long-files]
"path" = { lines = 420, why = "a sentence" }
"""

from collections.abc import Iterator

from house.exceptions import Allowance, allowances
from house.finding import Finding
from house.tree import Tree

CAP = 400
CAP_MM = 600
TABLE = "long-files"


def cap_of(name: str) -> int:
    """Return how many lines a file may have without an exception."""
    return CAP_MM if "linux/mm/" in name else CAP


def check(tree: Tree) -> Iterator[Finding]:
    """Yield files that are too long, and exceptions that nothing needs."""
    allowed = allowances(tree, TABLE)
    for name in tree.sources():
        length = len(tree.lines(name))
        cap = allowed.get(name, Allowance(cap_of(name))).lines
        if length > cap:
            yield Finding(name, cap + 1, f"has {length} lines, {cap} are allowed: split it")
    for name, allowance in allowed.items():
        length = len(tree.lines(name)) if name in tree.names else 0
        yield from allowance.findings(TABLE, name, length, cap_of(name))
