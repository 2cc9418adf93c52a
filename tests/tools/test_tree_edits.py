# SPDX-License-Identifier: GPL-2.0-or-later
"""Edits that bring historic bugs into a kernel tree's C: how they are read, found and made."""

from pathlib import Path

import pytest
from tree_edits import Edit, WrongEdit, function_range, read_edits

from vmalab.testing.mutants.catalogue import names

BUGS = Path(__file__).parents[1] / "data" / "tree_bugs" / "7.3.edits"
SOURCE = """int other(int a);

int merge(int a)
{
\treturn a > 1;
}

int other(int a)
{
\treturn a > 1;
}
"""


def test_an_edit_changes_its_function_alone() -> None:
    text = Edit("bug", "mm/x.c", "other", "a > 1", "a >= 1").applied(SOURCE)
    assert text == SOURCE[:-22] + SOURCE[-22:].replace("a > 1", "a >= 1")


def test_words_that_are_not_there_once_are_refused() -> None:
    with pytest.raises(WrongEdit, match="stands there 0 times"):
        Edit("bug", "mm/x.c", "merge", "a < 1", "true").applied(SOURCE)


def test_a_function_that_is_only_declared_is_none() -> None:
    with pytest.raises(WrongEdit, match="no function missing"):
        function_range("int missing(int a);\n", "missing")


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.edits"
    path.write_text("bug one\nwhere mm/vma.c\n")
    with pytest.raises(WrongEdit, match=r"x\.edits:2:"):
        read_edits(path)


def test_each_listed_bug_is_one_of_the_models() -> None:
    edits = read_edits(BUGS)
    assert len(edits) >= 12
    assert {edit.bug for edit in edits} <= set(names())
