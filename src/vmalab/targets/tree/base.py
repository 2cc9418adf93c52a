# SPDX-License-Identifier: GPL-2.0-or-later
"""What an edited tree is compared with: a git revision, another tree, or its last build."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from vmalab.targets.real.build import cache_folder
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.tree import TreeTarget

# The program that was built before the present one.
LAST: Final = "last"


def open_base(tree: str, base: str, *, sanitize: bool = False) -> TreeTarget:
    """Return what a tree is compared with: `last`, the folder of a tree, or a git revision.

    sanitize: with accesses to memory checked. `last` must be entered after the tree itself.
    Errors: TargetError, here or on entering.
    """
    if base == LAST:
        return TreeTarget(tree, last=True, sanitize=sanitize)
    if (Path(base) / "Makefile").is_file():
        return TreeTarget(base, sanitize=sanitize)
    return TreeTarget(str(base_tree(tree, base)), sanitize=sanitize)


def base_tree(tree: str, revision: str) -> Path:
    """Return the folder of a revision. Errors: TargetError, no such revision or no repository."""
    commit = _git(tree, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not commit:
        raise TargetError(f"{tree}: git knows no revision {revision[:60]!r} there")
    folder = cache_folder() / "trees" / f"base-{commit[:16]}"
    if (folder / "Makefile").is_file():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as place:
            unpacked = Path(place) / "linux"
            unpacked.mkdir()
            _unpack(tree, commit, unpacked)
            os.rename(unpacked, folder)
    except OSError as error:
        raise TargetError(f"{folder}: {error.strerror}") from None
    return folder


def _git(tree: str, *words: str) -> str:
    """Return what git prints, "" when it fails. Errors: TargetError, there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", tree, *words], capture_output=True, text=True, check=False
        )
    except OSError:
        raise TargetError("git not found: --base compares with a revision of a git tree") from None
    return done.stdout.strip() if done.returncode == 0 else ""


def _unpack(tree: str, commit: str, folder: Path) -> None:
    """Write the files of a commit into a folder. Errors: TargetError, OSError."""
    archive = subprocess.Popen(
        ["git", "-C", tree, "archive", "--format=tar", commit], stdout=subprocess.PIPE
    )
    with archive:
        done = subprocess.run(["tar", "-x", "-C", str(folder)], stdin=archive.stdout, check=False)
    if archive.returncode or done.returncode:
        raise TargetError(f"{tree}: the files of {commit[:12]} cannot be unpacked")
