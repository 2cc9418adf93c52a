# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the speed of these sources with an older commit's, in turn, in one run.

usage: python tools/bench_check.py [--base REV] [--turns N] [ROW]...   from the top of the tree

REV is the commit that last kept a result in benchmarks/results, unless named. Its tree is checked
out and compiled below build, and stays there for the next time. ROW is a profile of `vmalab bench`.
A turn measures each build once, against the live kernel; what counts is the median over the turns
of the ratio of both. Rows slower by more than 5 % are named, and the status is 1 then; 2 when
something cannot be measured.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROWS = ("dense", "placement", "mremap", "file", "mlock")
TOLERATED = 0.05
# Those of whole runs; counts of instructions are kept there as well.
RESULTS = "benchmarks/results/*-cores.json"


def output(*command: str, **options: Any) -> str:
    """Return what a command prints. Errors: SystemExit with 2 when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        print(f"bench-check: failed: {' '.join(command)}", file=sys.stderr)
        raise SystemExit(2)
    return str(done.stdout).strip()


def built(root: Path) -> Path:
    """Compile the engine of a tree, as these sources compile theirs, and return what selects it."""
    output(sys.executable, str(Path("tools/compiled.py").resolve()), "--optimised", cwd=root)
    return root / "build" / "optimised"


def checked_out(revision: str) -> Path:
    """Return the tree of a commit, checked out below build."""
    tree = Path("build") / f"base-{revision[:12]}"
    if not tree.exists():
        output("git", "worktree", "prune")
        output("git", "worktree", "add", "--quiet", "--detach", str(tree), revision)
    return tree


def measured(build: Path, rows: list[str]) -> dict[str, tuple[float, float]]:
    """Return what a build takes for each row, and the live kernel beside it, in ns a call."""
    environment = {**os.environ, "PYTHONPATH": str(build.resolve())}
    # Older trees cannot be run by `python -m vmalab`.
    command = (sys.executable, "-c", "from vmalab.cli.main import main; main()")
    printed = output(*command, "bench", "--json", "--pairs", "1", *rows, env=environment)
    found = json.loads(printed)
    if cannot := why_unfit(found):
        print(f"bench-check: {build}: {cannot}", file=sys.stderr)
        raise SystemExit(2)
    return {
        name: (times["model_ns"], times["live_ns"]) for name, times in found["profiles"].items()
    }


def why_unfit(found: dict[str, Any]) -> str:
    """Return why what `vmalab bench` printed says nothing of a build's speed; "" if it does."""
    # Without its tree the installed sources run, interpreted, and all builds would be compared.
    return found["no_live"] or ("" if found["compiled"] else "the engine is not compiled")


def ratio(new: tuple[float, float], old: tuple[float, float]) -> float:
    """Return how much longer the new build takes, each measured by the live kernel of its turn."""
    return (new[0] / new[1]) / (old[0] / old[1])


def slower(ratios: dict[str, list[float]]) -> list[str]:
    """Return the rows that take longer by more than is tolerated, by the median of the turns."""
    return [name for name, found in ratios.items() if statistics.median(found) > 1 + TOLERATED]


def main() -> int:
    """Measure both builds, print the ratios, name what is slower."""
    parser = argparse.ArgumentParser(description="Compare the speed with an older commit's.")
    parser.add_argument("rows", metavar="ROW", nargs="*", default=list(ROWS))
    parser.add_argument("--base", metavar="REV", default="")
    parser.add_argument("--turns", metavar="N", type=int, default=5)
    asked = parser.parse_args()
    base = asked.base or output("git", "log", "-1", "--format=%H", "--", RESULTS)
    revision = output("git", "rev-parse", "--verify", f"{base or 'HEAD'}^{{commit}}")
    old, new = built(checked_out(revision)), built(Path())
    ratios: dict[str, list[float]] = {}
    for turn in range(asked.turns):
        before, after = measured(old, asked.rows), measured(new, asked.rows)
        for name in after.keys() & before.keys():
            ratios.setdefault(name, []).append(ratio(after[name], before[name]))
        print(f"bench-check: turn {turn + 1} of {asked.turns}", file=sys.stderr)
    print(f"time a call, as a multiple of {revision[:12]}'s; the median of {asked.turns} turns")
    for name in sorted(ratios):
        turns = " ".join(f"{each:.2f}" for each in ratios[name])
        print(f"{name:<14}{statistics.median(ratios[name]):>6.2f}   ({turns})")
    for name in (found := slower(ratios)):
        print(f"bench-check: {name} is slower by more than {TOLERATED:.0%}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
