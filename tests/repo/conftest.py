# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of the repository, as the tests about the repository itself see them.

A test that asks for `source_file` or `document` runs once for each of them, under its path.
"""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What never belongs to the repository; asked only where git cannot be.
NOT_OURS = {".git", ".hypothesis", "__pycache__", "build", "dist"}


def files_by_git() -> list[str]:
    """Paths that are tracked or could be, from the top; none where git or its data is missing."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [os.fsdecode(name) for name in listing.split(b"\0") if name]


def files_by_walk() -> list[str]:
    """The same from the tree alone, for a source archive without git's data."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in NOT_OURS
            and not name.startswith(".venv")
            and not name.endswith((".egg-info", "_cache"))
        ]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return found


def list_files() -> list[str]:
    """All files of the repository that exist, sorted, relative to its top."""
    return sorted({name for name in files_by_git() or files_by_walk() if (ROOT / name).is_file()})


FILES = list_files()
SOURCES = [name for name in FILES if name.endswith(".py")]
DOCUMENTS = [name for name in FILES if name.endswith(".md")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test once for each file of the kind that it asks for."""
    for fixture, names in (("source_file", SOURCES), ("document", DOCUMENTS)):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, [Path(name) for name in names], ids=names)


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def files() -> list[str]:
    """Every file of the repository, relative to its top."""
    return FILES


@pytest.fixture(scope="session")
def sources() -> list[str]:
    """Every Python file of the repository, relative to its top."""
    return SOURCES


@pytest.fixture(scope="session")
def documents() -> list[str]:
    """Every Markdown file of the repository, relative to its top."""
    return DOCUMENTS
