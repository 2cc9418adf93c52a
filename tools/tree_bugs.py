#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Puts historic bugs into a copy of a kernel tree, one after the other, to be found and shrunk.

First the test cases are run on it; what no case fails is looked for with random calls. The tree
itself is left alone: the copy has links to its files, and an edited file of its own.

usage: tools/tree_bugs.py TREE EDITS [BUG]...
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tree_edits import WrongEdit, read_edits
from tree_runs import failed_cases, vmalab

CALLS = "100000"


def copy_tree(tree: Path, place: Path) -> Path:
    """Return a copy made of links, or of files where links cannot be made."""
    copy = place / "linux"
    linked = subprocess.run(["cp", "-al", str(tree), str(copy)], capture_output=True, check=False)
    if linked.returncode != 0:
        subprocess.run(["rm", "-rf", str(copy)], check=True)
        subprocess.run(["cp", "-a", str(tree), str(copy)], check=True)
    return copy


def failing_cases(tree: Path) -> list[str]:
    """Return the test cases that fail on a tree. Errors: WrongEdit, it cannot be tested."""
    done = vmalab("test", "--tree", str(tree))
    if done.returncode not in (0, 1):
        raise WrongEdit(done.stderr.strip())
    return failed_cases(done.stdout)


def look_for(copy: Path, known: list[str]) -> str:
    """Return how a bug is found, "" when it is not. known: cases that fail without it."""
    failed = [name for name in failing_cases(copy) if name not in known]
    if failed:
        return f"{len(failed)} cases, first {failed[0]}"
    with tempfile.TemporaryDirectory() as folder:
        options = ("--calls", CALLS, "--seed", "1", "--save", folder)
        checked = vmalab("check", "--target", f"tree:{copy}", *options)
    shrunk = [line for line in checked.stdout.splitlines() if "shrunk to" in line]
    return shrunk[0].rpartition(", ")[2].rstrip(":") if shrunk else ""


def main(words: list[str]) -> int:
    """Look for the bugs; 0 when each was found."""
    if len(words) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    tree, wanted = Path(words[0]).resolve(), words[2:]
    missed = 0
    try:
        edits = [one for one in read_edits(Path(words[1])) if one.bug in wanted or not wanted]
        for edit in edits:
            edit.applied((tree / edit.file).read_text("utf-8"))
    except (WrongEdit, OSError) as error:
        print(f"tree_bugs: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(dir=tree.parent) as place:
        copy = copy_tree(tree, Path(place))
        known = failing_cases(copy)
        for edit in edits:
            path = copy / edit.file
            text = (tree / edit.file).read_text("utf-8")
            path.unlink()
            path.write_text(edit.applied(text), "utf-8")
            how = look_for(copy, known)
            print(f"{edit.bug}: {how or 'MISSED'}", flush=True)
            missed += not how
            path.unlink()
            os.link(tree / edit.file, path)
    print(f"{len(edits)} bugs, {missed} missed; without them fail: {', '.join(known) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
