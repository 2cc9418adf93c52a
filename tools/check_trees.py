#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs cases, recorded programs and random calls on the code of kernel trees, and says what broke.

A tree that cannot be fetched, built or run is a finding like any other. With --offered, all sources
that Debian's repositories have are fetched first, in their newest point releases.

usage: tools/check_trees.py [--offered] [--calls N] [--report FILE] [TREE]...
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import trees
from tree_runs import failed_cases, vmalab

ROOT = Path(__file__).parent.parent
# Their calls have the same answers on every version.
RECORDED = tuple(
    str(ROOT / "examples" / name) for name in ("guards", "python-rlimit-as", "sqlite3")
)
# Of a replay's sums: some answers or maps were not as recorded.
_DIFFERS = re.compile(r"as recorded: .*\b[1-9]\d* not\b")
# Names of cases in one finding.
MOST = 8


Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Judge:
    """What is run on one tree, and what broke there. run: vmalab."""

    def __init__(self, tree: str, calls: int, save: str, run: Run = vmalab) -> None:
        self.broken: list[str] = []
        self._tree = tree
        self._vmalab = run
        if self._cases():
            self._recorded()
            self._random_calls(calls, save)

    def _run(self, what: str, *words: str) -> tuple[int, str]:
        done = self._vmalab(*words)
        print(done.stdout + done.stderr, end="", flush=True)
        if done.returncode not in (0, 1):
            said = [line for line in done.stderr.splitlines() if line.strip()] or ["no word"]
            self.broken.append(f"{what}: {said[-1]}")
        return done.returncode, done.stdout + done.stderr

    def _cases(self) -> bool:
        """Run the cases; False when nothing runs there."""
        status, text = self._run("cases", "test", "--tree", self._tree)
        failed = failed_cases(text)
        if failed:
            more = f" and {len(failed) - MOST} more" if len(failed) > MOST else ""
            self.broken.append(f"{len(failed)} cases fail: {', '.join(failed[:MOST])}{more}")
        return status in (0, 1)

    def _recorded(self) -> None:
        status, text = self._run("recorded programs", "replay", "--tree", self._tree, *RECORDED)
        if status == 1:
            wrong = [line.strip() for line in text.splitlines() if _DIFFERS.search(line)]
            self.broken.append(f"recorded programs differ: {'; '.join(wrong) or 'see above'}")

    def _random_calls(self, calls: int, save: str) -> None:
        words = ("--calls", str(calls), "--seed", "1", "--save", save)
        status, text = self._run("random calls", "check", "--target", f"tree:{self._tree}", *words)
        lines = text.splitlines()
        if status == 1:
            self.broken += [line for line in lines if "shrunk to" in line] or [
                "random calls differ"
            ]
        self.broken += [line for line in lines if "generated stubs have answered" in line]


def fetch_offered(report: Callable[[str, str], None]) -> list[str]:
    """Return the folders of all sources that the repositories have, fetched."""
    found = []
    for series, folder in trees.fetch_newest():
        if isinstance(folder, Path):
            found.append(str(folder))
        else:
            report(series, f"cannot be fetched: {folder}")
    return found


def judge_all(names: Iterable[str], calls: int, report: Callable[[str, str], None]) -> None:
    """Judge each tree, and report what broke."""
    for name in names:
        print(f"--- {name}", flush=True)
        for one in Judge(name, calls, "build/trees").broken:
            report(name, one)


def main(words: list[str]) -> int:
    """Judge the trees; 0 when nothing broke."""
    parser = argparse.ArgumentParser(prog="check_trees", description=__doc__.splitlines()[0])
    parser.add_argument("--offered", action="store_true", help="all that Debian has")
    parser.add_argument("--calls", type=int, default=100000, help="random calls on each")
    parser.add_argument("--report", type=Path, help="append what broke, as Markdown")
    parser.add_argument("trees", nargs="*", metavar="TREE")
    chosen = parser.parse_args(words)
    broken: list[str] = []

    def report(tree: str, what: str) -> None:
        broken.append(f"{Path(tree).name}: {what}")

    names = [*(fetch_offered(report) if chosen.offered else ()), *chosen.trees]
    if not names and not broken:
        print("check_trees: no tree: make trees, or TREES=PATHS", file=sys.stderr)
        return 2
    judge_all(names, chosen.calls, report)
    summary = [f"{len(names)} trees, {len(broken)} findings", *(f"- {one}" for one in broken)]
    print("\n".join(summary))
    if chosen.report is not None:
        with chosen.report.open("a", encoding="utf-8") as file:
            file.write("\n".join([f"## Kernel trees: {summary[0]}", "", *summary[1:]]) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
