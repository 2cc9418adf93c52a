# SPDX-License-Identifier: GPL-2.0-or-later
"""A small folder that looks like a kernel source tree: nothing in it can be compiled."""

from pathlib import Path

import pytest

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 3\nEXTRAVERSION =\nNAME = Nobody\n"


@pytest.fixture
def fake_tree(tmp_path: Path) -> Path:
    """Return a folder with the files that a tree must have."""
    tree = tmp_path / "linux"
    for name in ("Kconfig", "mm/mmap.c", "mm/vma.c", "lib/maple_tree.c", "arch/um/Makefile"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("")
    (tree / "Makefile").write_text(MAKEFILE)
    return tree
