# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files belong to the repository: those that git knows, or, without git, all but output."""

import os
import subprocess
from pathlib import Path

# Folders of output; asked only where git cannot be.
OUTPUT = {".git", ".hypothesis", "__pycache__", "build", "dist"}


def files_by_git(root: Path) -> list[str]:
    """Return what git tracks or would track, or nothing where git or its data is missing."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [os.fsdecode(name) for name in listing.split(b"\0") if name]


def files_by_walk(root: Path) -> list[str]:
    """Return the same from the tree alone, for a source archive without git's data."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [
            name
            for name in folders
            if name not in OUTPUT
            and not name.startswith(".venv")
            and not name.endswith((".egg-info", "_cache"))
        ]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return found


def list_files(root: Path) -> list[str]:
    """Return all files that exist, sorted, relative to the root."""
    found = files_by_git(root) or files_by_walk(root)
    return sorted({name for name in found if (root / name).is_file()})
