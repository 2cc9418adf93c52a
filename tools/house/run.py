# SPDX-License-Identifier: GPL-2.0-or-later
"""Run all rules on a tree, and see that each of them looked at something."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from house import rules
from house.finding import CannotCheck, Finding
from house.tree import Tree

Check = Callable[[Tree], Iterator[Finding]]


@dataclass
class Result:
    """What all rules found, and how much they looked at."""

    findings: list[Finding] = field(default_factory=list)
    # Rules that selected no file and found nothing, by name.
    idle: list[str] = field(default_factory=list)
    # Files that each rule selected, by the rule's name.
    examined: dict[str, int] = field(default_factory=dict)
    files: int = 0

    @property
    def passed(self) -> bool:
        """Whether rules were checked on files and none was broken."""
        return bool(self.files and self.examined) and not self.findings and not self.idle


def all_rules() -> dict[str, Check]:
    """Return the function of each rule by the name of its module, in order."""
    names = sorted(module.name for module in pkgutil.iter_modules(rules.__path__))
    return {name: importlib.import_module(f"house.rules.{name}").check for name in names}


def check_rule(tree: Tree, check: Check) -> Iterator[Finding]:
    """Yield what one rule finds; a file that it cannot read is a finding and ends the rule."""
    tree.start_rule()
    try:
        yield from check(tree)
    except CannotCheck as error:
        yield error.finding


def run(tree: Tree) -> Result:
    """Check all rules."""
    result = Result(files=len(tree.names))
    for name, check in all_rules().items():
        found = list(check_rule(tree, check))
        result.findings += found
        result.examined[name] = len(tree.examined)
        if not found and not tree.examined:
            result.idle.append(name)
    return result
