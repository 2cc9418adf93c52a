# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of a tree's bench, and its answers, as text."""

import pytest

from vmalab.targets.tree.commands import (
    Answers,
    CommandRow,
    Script,
    WrongCommand,
    parse_row,
    parts,
    system_call,
)

ROW = CommandRow(0x10, 0x14, 0x20, "a2<a1", "lib", "-", "u", "1", "rd,wr")


def test_a_row_reads_back_as_it_is_written() -> None:
    assert ROW.text() == "10 14 20 a2<a1 lib - u 1 rd,wr"
    assert parse_row(ROW.text()) == ROW


def test_commands_go_in_their_order() -> None:
    script = Script()
    script.arrange("max_map_count", "a")
    script.vma(ROW)
    script.words()
    script.mark()
    assert script.text() == f"begin\nset max_map_count a\nvma {ROW.text()}\nwords\nmark"


def test_files_get_descriptors_behind_the_standard_ones() -> None:
    script = Script()
    assert [script.descriptor("lib"), script.descriptor("dev")] == [3, 4]


def test_a_system_call_is_written_in_hexadecimal() -> None:
    assert system_call("munmap", 0x10000, 4096) == ["system", "b", "10000", "1000"]


def test_answers_are_told_apart_by_marks() -> None:
    first, second = parts(f"rd,wr\nmark\nvma {ROW.text()}\nmark\nr 0\n")
    assert first.words() == {"rd", "wr"}
    assert second.rows() == [ROW]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("r 0", "0"),
        ("r -12", "-ENOMEM"),
        ("r 65536", "10"),
        ("p 10 14", "10-14"),
        ("none", "none"),
    ],
)
def test_answers_are_written_as_in_cases(answer: str, text: str) -> None:
    answers = Answers(f"log open 10-12\n{answer}\nasked 2\nvma {ROW.text()}\n")
    assert answers.operation("vma_shrink") == text
    assert answers.log() == ["open 10-12"]
    assert answers.asked() == 2
    assert answers.rows() == [ROW]


@pytest.mark.parametrize("text", ["none-such\n", ""])
def test_an_operation_that_the_tree_lacks_is_named(text: str) -> None:
    with pytest.raises(WrongCommand, match="vma_shrink is local"):
        Answers(text).operation("vma_shrink")


def test_what_cannot_be_arranged_is_told_before_the_first_call() -> None:
    with pytest.raises(WrongCommand, match="does not have what the case sets"):
        Answers("none-such\nrd,wr\n").words()


def test_what_is_left_at_the_end_is_counted_by_cache() -> None:
    left = Answers("cache vm_area_struct 0\ncache anon_vma 2\n").left()
    assert left == {"vm_area_struct": 0, "anon_vma": 2}
