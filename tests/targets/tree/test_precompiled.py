# SPDX-License-Identifier: GPL-2.0-or-later
"""Headers of an edited file are compiled beforehand, and used while nothing of them has changed."""

import os
import subprocess
from pathlib import Path

import pytest

from vmalab.targets.tree.precompiled import Precompiled

FLAGS = "-I{tree} -include {tree}/always.h -O1 -g -DNAME=1"
LINE = "gcc -Wp,-MMD,mm/.vma.o.d " + FLAGS + " -c -o mm/vma.o {tree}/vma.c"
SOURCE = """/* A file. */
// Of two.
#include "one.h"

#include "two.h"
int f(void) { return ONE + TWO + ALWAYS; }
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with a source and its headers, beside the folder of the objects."""
    tree = tmp_path / "tree"
    (tmp_path / "objects/mm").mkdir(parents=True)
    tree.mkdir()
    (tree / "vma.c").write_text(SOURCE)
    (tree / "always.h").write_text("#ifndef A\n#define A\nenum { ALWAYS = 4 };\n#endif\n")
    (tree / "one.h").write_text("#ifndef O\n#define O\nenum { ONE = 1 };\n#endif\n")
    (tree / "two.h").write_text("#ifndef T\n#define T\nenum { TWO = 2 };\n#endif\n")
    return tree


def stamp(path: str) -> str:
    """Return what tells one state of a file from another."""
    found = os.stat(path)
    return f"{found.st_size} {found.st_mtime_ns}"


def of(tree: Path) -> Precompiled:
    """Return the headers of the source."""
    place = tree.parent / "precompiled"
    return Precompiled(place, "mm/vma.o", LINE.format(tree=tree), stamp)


def compiled(tree: Path) -> bytes:
    """Compile the source as a build does, and return the machine code."""
    headers, folder = of(tree), tree.parent / "objects"
    line = headers.line()
    compiler = headers.begin(folder)
    subprocess.run(["sh", "-c", line], cwd=folder, check=True)
    headers.end(compiler)
    words = ["objcopy", "-O", "binary", "-j", ".text", "mm/vma.o", "/dev/stdout"]
    return subprocess.run(words, cwd=folder, check=True, capture_output=True).stdout


def test_the_first_edit_makes_the_headers_and_the_next_uses_them(tree: Path) -> None:
    assert of(tree).line() == LINE.format(tree=tree).replace(" -g ", " -g1 ")
    first = compiled(tree)
    assert "all.h" in of(tree).line()
    assert "always.h" not in of(tree).line()
    assert compiled(tree) == first


def test_what_the_headers_were_made_from_is_known(tree: Path) -> None:
    compiled(tree)
    names = {Path(path).name for path in of(tree).sources()}
    assert names >= {"always.h", "one.h", "two.h"}


@pytest.mark.parametrize("name", ["always.h", "one.h", "two.h"])
def test_headers_that_have_changed_are_not_used(tree: Path, name: str) -> None:
    first = compiled(tree)
    text = (tree / name).read_text()
    (tree / name).write_text(text.replace(" };", "0 };"))
    assert "all.h" not in of(tree).line()
    assert compiled(tree) != first
    assert "all.h" in of(tree).line()


def test_another_header_in_the_source_makes_them_anew(tree: Path) -> None:
    compiled(tree)
    (tree / "three.h").write_text("enum { THREE = 3 };\n")
    (tree / "vma.c").write_text(SOURCE.replace("/* A", '#include "three.h"\n/* A'))
    assert "all.h" not in of(tree).line()


@pytest.mark.parametrize(
    "text",
    ["#define WORDS 1\n" + SOURCE, "#include <trace/events/mmap.h>\n", "int f;\n"],
    ids=["a macro before", "an event", "no header"],
)
def test_what_headers_could_depend_on_is_not_compiled_beforehand(tree: Path, text: str) -> None:
    (tree / "vma.c").write_text(text)
    assert of(tree).begin(tree) is None


def test_headers_that_do_not_compile_are_not_used(tree: Path) -> None:
    (tree / "one.h").write_text("#error never\n")
    headers = of(tree)
    headers.end(headers.begin(tree.parent / "objects"))
    assert "all.h" not in of(tree).line()


def test_a_command_line_of_another_kind_stays_as_it_is(tree: Path) -> None:
    headers = Precompiled(tree.parent / "precompiled", "mm/vma.o", "cat vma.c > vma.o", stamp)
    assert headers.begin(tree) is None
    assert headers.line() == "cat vma.c > vma.o"


def test_only_two_objects_keep_their_headers(tree: Path) -> None:
    place = tree.parent / "precompiled"
    for number, name in enumerate(("mm/a.o", "mm/b.o")):
        (place / name.replace("/", "-")).mkdir(parents=True)
        os.utime(place / name.replace("/", "-"), (number, number))
    compiled(tree)
    assert sorted(path.name for path in place.iterdir()) == ["mm-b.o", "mm-vma.o"]
