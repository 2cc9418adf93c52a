# SPDX-License-Identifier: GPL-2.0-or-later
"""What may exceed a rule's cap: the tables [tool.house.*] of pyproject.toml."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from house.finding import CannotCheck, Finding
from house.tree import Tree

FILE = "pyproject.toml"


@dataclass(frozen=True)
class Allowance:
    """How many lines something may have, and why."""

    lines: int
    why: str = ""

    def findings(self, table: str, key: str, length: int, cap: int) -> Iterator[Finding]:
        """Yield where the exception is not needed, or its reason is no sentence."""
        where = f"[tool.house.{table}] {key!r}:"
        if not length:
            yield Finding(FILE, 1, f"{where} there is no such thing: take it out")
        elif length <= cap:
            yield Finding(FILE, 1, f"{where} has {length} lines and may have {cap}: take it out")
        if len(self.why.split()) < 5:
            yield Finding(FILE, 1, f"{where} a reason is a sentence, not {self.why!r}")


def allowances(tree: Tree, table: str) -> dict[str, Allowance]:
    """Return the exceptions of one table. Raises CannotCheck where the file cannot be read."""
    try:
        settings = tomllib.loads(tree.text(FILE))
        found = settings.get("tool", {}).get("house", {}).get(table, {})
        return {key: Allowance(int(entry["lines"]), entry["why"]) for key, entry in found.items()}
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise CannotCheck(Finding(FILE, 1, f"[tool.house.{table}]: {error!r}")) from error
