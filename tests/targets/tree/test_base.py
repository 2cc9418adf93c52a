# SPDX-License-Identifier: GPL-2.0-or-later
"""A revision of a git tree is unpacked once, and the tree is left alone."""

import subprocess
from pathlib import Path

import pytest

from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.base import LAST, base_tree, open_base
from vmalab.targets.tree.program import BUILDS, builds_of, folder_of
from vmalab.targets.tree.source import open_tree

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


def test_a_tree_that_was_built_once_has_no_last_build(fake_tree: Path) -> None:
    with (
        pytest.raises(TargetError, match="no build before the present one"),
        open_base(str(fake_tree), LAST),
    ):
        pass


def test_the_last_build_is_the_second_of_those_that_are_kept(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path / "cache"))
    folder = folder_of(open_tree(str(fake_tree)))
    folder.mkdir(parents=True)
    (folder / BUILDS).write_text("new\nold\n")
    assert builds_of(folder) == ["new", "old"]
    (folder / "program-old").write_text("#!/bin/sh\nexit 0\n")
    (folder / "program-old").chmod(0o700)
    with (
        pytest.raises(TargetError, match="the executor"),
        open_base(str(fake_tree), LAST),
    ):
        pass


def test_another_tree_can_be_the_base(fake_tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "Makefile").write_text("")
    assert open_base(str(fake_tree), str(other)).name == str(other)
