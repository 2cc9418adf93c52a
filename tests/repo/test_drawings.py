# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's pictures of VMAs are those that the model makes of their logs."""

import runpy
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def tool(root: Path) -> dict[str, Any]:
    return runpy.run_path(str(root / "tools" / "drawings.py"))


def test_the_page_shows_what_the_model_does(root: Path, tool: dict[str, Any]) -> None:
    text = (root / tool["PAGE"]).read_text("utf-8")
    assert len(tool["BLOCKS"].findall(text)) == text.count("```strace") == 8
    assert tool["page"](text) == text, "make drawings"


def test_the_picture_shows_what_the_model_does(root: Path, tool: dict[str, Any]) -> None:
    picture = root / tool["PICTURE"]
    assert picture.read_text("utf-8") == tool["picture"](picture.parent), "make drawings"


def test_a_log_that_the_model_contradicts_is_not_drawn(tool: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="line 1: not as predicted"):
        tool["maps_of"]("munmap(0x10001, 4096) = 0\n")


def test_columns_are_aligned(tool: dict[str, Any]) -> None:
    call = "mmap(0x10000, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0) = 0x10000\n"
    maps = tool["maps_of"](call + "mprotect(0x10000, 4096, PROT_NONE) = 0\n")
    assert tool["columns"](maps[2]).splitlines() == [
        "VMA                   maps                   apart from the next by",
        "10000-11000 ---p      anonymous, page 0x10   flags rd",
        "11000-12000 r--p      anonymous, page 0x11",
    ]
