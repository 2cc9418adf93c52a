# SPDX-License-Identifier: GPL-2.0-or-later
"""A git tree that was built in place is built by way of links to what git knows of."""

import subprocess
from pathlib import Path

import pytest

from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.source import open_tree


@pytest.fixture
def built(fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a git tree with what a build in it has left."""
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path / "cache"))
    (fake_tree / ".gitignore").write_text("*.o\n.config\n")
    (fake_tree / "mm/link.c").symlink_to("vma.c")
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", "-C", str(fake_tree), *words], check=True)
    (fake_tree / ".config").write_text("CONFIG_MMU=y\n")
    (fake_tree / "mm/vma.o").write_text("an object")
    return fake_tree


def seen(folder: Path) -> list[str]:
    """Return the files of a view, by their names."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink())


def test_a_view_has_sources_alone(built: Path) -> None:
    tree = open_tree(str(built))
    assert tree.origin == built
    assert tree.path != built
    assert "mm/vma.c" in seen(tree.path)
    assert "mm/link.c" in seen(tree.path)
    assert {".config", "mm/vma.o"} & set(seen(tree.path)) == set()


def test_an_edit_is_seen_through_the_view(built: Path) -> None:
    tree = open_tree(str(built))
    (built / "mm/vma.c").write_text("edited")
    assert (tree.path / "mm/vma.c").read_text() == "edited"


def test_files_that_come_and_go_come_and_go_in_the_view(built: Path) -> None:
    folder = open_tree(str(built)).path
    (built / "mm/new.c").write_text("new")
    subprocess.run(["git", "-C", str(built), "rm", "-qf", "mm/link.c"], check=True)
    before = set(seen(folder))
    assert open_tree(str(built)).path == folder
    assert set(seen(folder)) == before - {"mm/link.c"} | {"mm/new.c"}


def test_a_repository_that_ignores_the_sources_is_refused(built: Path) -> None:
    subprocess.run(["git", "-C", str(built), "rm", "-rq", "--cached", "."], check=True)
    (built / ".gitignore").write_text("/*\n")
    with pytest.raises(TargetError, match=r"ignores the tree's Makefile.*mrproper"):
        open_tree(str(built))


def test_a_tree_that_was_cleaned_is_its_own_view(built: Path) -> None:
    (built / ".config").unlink()
    assert open_tree(str(built)).path == built


def test_a_view_that_was_broken_off_is_made_anew(built: Path) -> None:
    folder = open_tree(str(built)).path
    before = seen(folder)
    (folder.parent / "files").unlink()
    (folder / "mm/vma.c").unlink()
    open_tree(str(built))
    assert seen(folder) == before
