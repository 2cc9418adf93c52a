# SPDX-License-Identifier: GPL-2.0-or-later
"""A revision of a git tree is unpacked once, and the tree is left alone."""

import subprocess
from pathlib import Path

import pytest

from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.base import base_tree

IDENTITY = ("-c", "user.name=n", "-c", "user.email=e@example.org")


@pytest.fixture
def repository(fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a tree under git whose Makefile was edited after its one commit."""
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path / "cache"))
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", str(fake_tree), *IDENTITY, *words], check=True)
    (fake_tree / "mm/vma.c").write_text("edited")
    return fake_tree


def test_a_revision_has_its_own_files(repository: Path) -> None:
    folder = base_tree(str(repository), "HEAD")
    assert (folder / "mm/vma.c").read_text() == ""
    assert (repository / "mm/vma.c").read_text() == "edited"


def test_a_revision_is_unpacked_once(repository: Path) -> None:
    first = base_tree(str(repository), "HEAD")
    (first / "mark").write_text("")
    assert (base_tree(str(repository), "HEAD") / "mark").exists()


def test_a_revision_that_git_does_not_know_is_named(repository: Path) -> None:
    with pytest.raises(TargetError, match="no revision 'v9'"):
        base_tree(str(repository), "v9")
