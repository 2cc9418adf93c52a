# SPDX-License-Identifier: GPL-2.0-or-later
"""Objects are made again when what they were made from has another content, and only then.

A shell script in the place of Kbuild "compiles" by copying.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from vmalab.targets.tree.objects import KERNEL_SIDE, BuildError, TreeObjects, first_errors
from vmalab.targets.tree.source import open_tree

COMMAND = """savedcmd_{name} := cat {source} > {name}

source_{name} := {source}

deps_{name} := \\
  {tree}/mm/shared.h \\
    $(wildcard include/config/MMU) \\

{name}: $(deps_{name})
"""
MAKEFILE = """VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 0
O ?= .
defconfig:
\ttouch $(O)/.config
olddefconfig:
\tgrep -q CONFIG_KSM=y $(O)/.config
%.o:
\tmkdir -p $(O)/$(dir $@)
\tcat $*.c > $(O)/$@
\tcp notes/$(notdir $@).cmd $(O)/$(dir $@).$(notdir $@).cmd
"""


@pytest.fixture
def objects(fake_tree: Path, tmp_path: Path) -> TreeObjects:
    """Return the objects of a tree whose Makefile copies sources."""
    (fake_tree / "Makefile").write_text(MAKEFILE)
    (fake_tree / "mm/shared.h").write_text("shared")
    (fake_tree / "notes").mkdir()
    for source in ("mm/vma.c", "mm/mmap.c", "lib/maple_tree.c"):
        (fake_tree / source).write_text(source)
        name = source.removesuffix(".c") + ".o"
        text = COMMAND.format(name=name, source=fake_tree / source, tree=fake_tree)
        (fake_tree / "notes" / (Path(name).name + ".cmd")).write_text(text)
    return TreeObjects(open_tree(str(fake_tree)), tmp_path / "cache")


def test_the_first_update_makes_all(objects: TreeObjects) -> None:
    assert objects.update() == ["mm/vma.o", "mm/mmap.o", "lib/maple_tree.o"]
    assert [path.read_text() for path in objects.paths] == [
        "mm/vma.c",
        "mm/mmap.c",
        "lib/maple_tree.c",
    ]


def test_nothing_is_made_when_nothing_has_changed(objects: TreeObjects) -> None:
    objects.update()
    again = TreeObjects(objects.tree, objects.folder.parent)
    assert again.update() == []


def test_an_edit_makes_its_object_alone(objects: TreeObjects) -> None:
    objects.update()
    (objects.tree.path / "mm/vma.c").write_text("edited")
    assert objects.update() == ["mm/vma.o"]
    assert objects.paths[0].read_text() == "edited"


def test_a_file_that_is_only_newer_makes_nothing(objects: TreeObjects) -> None:
    objects.update()
    os.utime(objects.tree.path / "mm/vma.c", (1, 1))
    assert objects.update() == []


def test_an_edited_header_makes_all_that_include_it(objects: TreeObjects) -> None:
    objects.update()
    (objects.tree.path / "mm/shared.h").write_text("other")
    assert len(objects.update()) == 3


def test_the_tree_is_left_as_it_was(objects: TreeObjects) -> None:
    before = sorted(path for path in objects.tree.path.rglob("*"))
    objects.update()
    assert sorted(path for path in objects.tree.path.rglob("*")) == before


def test_what_does_not_compile_says_so(objects: TreeObjects) -> None:
    objects.update()
    (objects.tree.path / "mm/vma.c").unlink()
    with pytest.raises(BuildError, match=r"mm/vma\.o: .*No such file"):
        objects.update()


def test_errors_are_picked_out_of_a_compilers_output() -> None:
    output = (
        "In file included\nmm/vma.c:3:1: error: expected ';'\n  3 | int\nmake: *** [x] Error 1\n"
    )
    assert first_errors(output) == "mm/vma.c:3:1: error: expected ';'; make: *** [x] Error 1"


def test_flags_name_nothing_of_the_installation(objects: TreeObjects) -> None:
    objects.update()
    first = objects.folder.parent / "first.h"
    assert objects.flags.split()[:2] == ["-include", str(first)]
    assert first.read_bytes() == (KERNEL_SIDE / "first.h").read_bytes()


def test_checked_objects_have_flags_of_their_own(objects: TreeObjects) -> None:
    checked = TreeObjects(objects.tree, objects.folder.parent, sanitize=True)
    assert "-fsanitize=kernel-address" in checked.flags
    assert "-fsanitize" not in objects.flags


def test_errors_name_files_where_their_owner_has_them(objects: TreeObjects, tmp_path: Path) -> None:
    objects.update()
    objects.tree = replace(objects.tree, origin=tmp_path / "mine")
    (objects.tree.path / "mm/vma.c").unlink()
    with pytest.raises(BuildError) as caught:
        objects.update()
    assert str(caught.value).startswith(f"{tmp_path}/mine: mm/vma.o: ")
    assert f"{tmp_path}/mine/mm/vma.c: No such file" in str(caught.value)


def test_a_cache_that_the_kernels_build_refuses_has_a_way_out(
    objects: TreeObjects, tmp_path: Path
) -> None:
    with pytest.raises(BuildError, match="name another cache with VMALAB_CACHE"):
        TreeObjects(objects.tree, tmp_path / "my cache").update()
