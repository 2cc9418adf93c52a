# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the house rules, those that no general linter knows.

usage: python tools/lint.py [ROOT]

Prints `file:line: what and why` for each place that breaks a rule, then how much was checked.
Ends with 1 where a rule is broken, or where a rule found no file to look at.
"""

import argparse
from pathlib import Path

from house.run import run
from house.tree import Tree


def main() -> int:
    """Check, report, and return the exit status."""
    parser = argparse.ArgumentParser(description="Check the house rules.")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[1])
    result = run(Tree(parser.parse_args().root.resolve()))
    for finding in sorted(set(result.findings)):
        print(finding)
    for name in result.idle:
        print(f"tools/house/rules/{name}.py:1: the rule found no file to look at")
    print(
        f"house rules: {len(result.examined)} rules, {result.files} files, "
        f"{sum(result.examined.values())} checks of a file, {len(result.findings)} findings"
    )
    return 0 if result.passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
