# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands to a tree's bench and its answers, with a fake at the other end."""

import pytest

from vmalab.targets.real.settings import Settings
from vmalab.targets.tree.commands import BenchDied, CommandRow, TreeBench, WrongCommand, parse_row

ROW = CommandRow(0x10, 0x14, 0x20, "a2<a1", "lib", "-", "u", "1", "rd,wr")


class FakeExecutor:
    """Answers as it was told to, and notes what it was asked."""

    def __init__(self, *answers: tuple[str, str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def start(self, *args: object) -> object:
        """Return something that is no message."""
        return self

    def command(self, text: str) -> tuple[str, str]:
        """Return the next answer."""
        self.asked.append(text)
        return self._answers.pop(0)


def bench(*answers: tuple[str, str]) -> tuple[TreeBench, FakeExecutor]:
    fake = FakeExecutor(*answers)
    return TreeBench(fake), fake  # type: ignore[arg-type]


def test_a_row_reads_back_as_it_is_written() -> None:
    assert ROW.text() == "10 14 20 a2<a1 lib - u 1 rd,wr"
    assert parse_row(ROW.text()) == ROW


def test_what_is_arranged_goes_with_the_next_question() -> None:
    tree, fake = bench(("rd,wr\n", ""))
    tree.begin(Settings())
    tree.arrange("max_map_count", "a")
    tree.vma(ROW)
    assert tree.words() == {"rd", "wr"}
    assert fake.asked == [f"begin\nset max_map_count a\nvma {ROW.text()}\nwords"]


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
    tree, _ = bench((f"log open 10-12\n{answer}\n", ""))
    assert tree.operation(["vma_shrink", "10", "12"]) == text
    assert tree.log == ["open 10-12"]


def test_an_operation_that_the_tree_lacks_is_named() -> None:
    tree, _ = bench(("none-such\n", ""))
    with pytest.raises(WrongCommand, match="vma_shrink is local"):
        tree.operation(["vma_shrink"])


def test_what_cannot_be_arranged_is_told_before_the_first_call() -> None:
    tree, _ = bench(("none-such\nrd,wr\n", ""))
    tree.arrange("on", "ksm")
    with pytest.raises(WrongCommand, match="does not have what the case sets"):
        tree.words()


def test_the_end_of_the_worker_has_its_reason() -> None:
    tree, _ = bench(("", "panic: BUG! [in vma_merge]"))
    with pytest.raises(BenchDied, match="in vma_merge"):
        tree.rows()


def test_what_is_left_at_the_end_is_counted_by_cache() -> None:
    tree, _ = bench(("cache vm_area_struct 0\ncache anon_vma 2\n", ""))
    assert tree.end() == {"vm_area_struct": 0, "anon_vma": 2}
