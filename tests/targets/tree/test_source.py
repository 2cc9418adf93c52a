# SPDX-License-Identifier: GPL-2.0-or-later
"""What counts as a kernel tree, and what is said of what does not."""

from pathlib import Path

import pytest

from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.source import check_requirements, open_tree


def test_a_tree_has_its_makefiles_version_and_the_files_that_are_there(fake_tree: Path) -> None:
    tree = open_tree(str(fake_tree))
    assert tree.version == (6, 12, 3)
    assert tree.release == "6.12.3"
    assert tree.files == ("mm/vma.c", "mm/mmap.c", "lib/maple_tree.c")
    assert tree.objects == ["mm/vma.o", "mm/mmap.o", "lib/maple_tree.o"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="no such folder"):
        open_tree(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["Makefile", "Kconfig", "lib/maple_tree.c", "arch/um/Makefile"])
def test_what_a_tree_lacks_is_named(fake_tree: Path, name: str) -> None:
    (fake_tree / name).unlink()
    with pytest.raises(TargetError, match=f"it has no {name}"):
        open_tree(str(fake_tree))


def test_a_tree_without_a_version_is_refused(fake_tree: Path) -> None:
    (fake_tree / "Makefile").write_text("all:\n")
    with pytest.raises(TargetError, match="states no VERSION"):
        open_tree(str(fake_tree))


def test_a_tree_before_maple_trees_is_refused(fake_tree: Path) -> None:
    (fake_tree / "Makefile").write_text("VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 0\n")
    with pytest.raises(TargetError, match=r"Linux 5\.10: trees from 6\.1 on"):
        open_tree(str(fake_tree))


def test_an_old_tree_is_called_old_before_anything_that_it_lacks(fake_tree: Path) -> None:
    (fake_tree / "Makefile").write_text("VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 0\n")
    (fake_tree / "lib/maple_tree.c").unlink()
    with pytest.raises(TargetError, match=r"Linux 5\.10: trees from 6\.1 on"):
        open_tree(str(fake_tree))


@pytest.mark.parametrize("name", ["my linux", "linux:7"])
def test_a_path_that_the_kernels_build_refuses_has_a_way_out(fake_tree: Path, name: str) -> None:
    renamed = fake_tree.rename(fake_tree.with_name(name))
    with pytest.raises(TargetError, match="no path with spaces or colons: move the tree"):
        open_tree(str(renamed))


def test_a_tree_that_was_built_in_place_is_refused_with_what_to_do(fake_tree: Path) -> None:
    (fake_tree / ".config").write_text("")
    with pytest.raises(TargetError, match=r"\(fatal: not a git repository.*mrproper"):
        open_tree(str(fake_tree))


def test_all_missing_programs_are_named_with_their_packages() -> None:
    with pytest.raises(TargetError, match=r"no-such-one, no-such-two not found; install"):
        check_requirements(["sh", "no-such-one", "no-such-two"])
