# SPDX-License-Identifier: GPL-2.0-or-later
"""What is printed of a recorded program on a tree: counts, the first difference, VMAs."""

from collections import Counter

import pytest

from vmalab.explain.on_tree.findings import ImageOnTree, OnTree, OtherAnswer, OtherMap
from vmalab.explain.on_tree.rows import MapRow
from vmalab.views.on_tree import map_lines, print_counts, print_on_tree


def row(start: int, end: int) -> MapRow:
    return MapRow(start << 12, end << 12, "rw-p", ("ac",), None)


@pytest.fixture
def found() -> OnTree:
    one = OnTree("linux", "7.3.4", calls=12, made=10, left=Counter({"mbind: no NUMA": 2}))
    one.images = [ImageOnTree("7.1", 20, 26, 18, 22, 10, 4)]
    return one


def test_all_as_recorded_says_so(found: OnTree, capsys: pytest.CaptureFixture[str]) -> None:
    print_on_tree("java", found)
    text = capsys.readouterr().out
    assert "10 of 12 memory calls made" in text
    assert "2 left out: mbind: no NUMA" in text
    assert "as recorded: 10 answers the same, 0 not" in text


def test_another_answer_is_shown_with_both(
    found: OnTree, capsys: pytest.CaptureFixture[str]
) -> None:
    found.answers = [OtherAnswer(5, "7.1", "munmap(1, 2)", "0", "-1 ENOMEM\x1b[2J")]
    found.answers_differ = 1
    print_on_tree("java", found)
    text = capsys.readouterr().out
    assert "line 5: munmap(1, 2)" in text
    assert "\x1b" not in text
    assert "DIFFERS: 9 answers the same, 1 not" in text


def test_maps_that_part_are_drawn_under_one_ruler() -> None:
    other = OtherMap(9, "7.1", "brk(0)", 0x3000, (row(1, 2), row(3, 4)), (row(1, 4),))
    lines = list(map_lines(other))
    assert lines[0].endswith("differ after line 9, brk(0), at 3000:")
    assert sum(line.startswith("  recorded") for line in lines) == 1
    assert any("rw-p ac" in line for line in lines)


def test_vmas_are_counted_beside_the_recording_and_the_base(
    found: OnTree, capsys: pytest.CaptureFixture[str]
) -> None:
    base = OnTree("base", "7.3.4")
    base.images = [ImageOnTree("7.1", 20, 21, 18, 19)]
    print_counts([found, base], everything=False)
    text = capsys.readouterr().out
    assert text.split("VMAs at most")[1].split()[:4] == ["20", "21", "26", "+5"]
    print_counts([found], everything=False)
    assert capsys.readouterr().out.split("VMAs at most")[1].split()[:3] == ["20", "26", "+6"]
