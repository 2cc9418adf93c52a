# SPDX-License-Identifier: GPL-2.0-or-later
"""Planned cases against a tree's answers, which a fake in the place of its program gives."""

from pathlib import Path

import pytest

from vmalab.cli.tree_cases import run_plan, run_tree_cases
from vmalab.cli.tree_plan import CasePlan, plan_case
from vmalab.testing.cases.parser import parse_file
from vmalab.testing.cases.run_case import Skipped, Verdict

CASE = """case one: a law
  A = rw-p a1
  D = rw-p file:dev close pgoff=3
  file dev prepares dd pgoff=5
  pages     10    12    14
  before    |AAAAA|
  call      vma_shrink 10 to 11
  after     |AA|
  log       nothing
"""
WORDS = "rd,wr,mr,mw,me,ac,dd"
FLAGS = "rd,wr,mr,mw,me,ac"
BEFORE = f"vma 10 12 10 a1 - - - - {FLAGS}"
AFTER = f"vma 10 11 10 a1 - - - - {FLAGS}"
END = "cache vm_area_struct 0"


class FakeExecutor:
    """A worker that answers as it was told to."""

    def __init__(self, *answers: str, died: str = "") -> None:
        self._text = "".join(f"{one}\nmark\n" for one in answers)
        self._died = died
        self.asked = ""

    def start(self, *args: object) -> object:
        """Return something that is no message."""
        return self

    def command(self, text: str) -> tuple[str, str]:
        """Return the answers."""
        self.asked = text
        return self._text, self._died

    def end(self) -> str:
        """End."""
        return ""


@pytest.fixture
def plan(tmp_path: Path) -> CasePlan:
    """Return the plan of the case on 7.3."""
    path = tmp_path / "one.vma"
    path.write_text(CASE)
    planned = plan_case(next(iter(parse_file(path))), "7.3.4")
    assert isinstance(planned, CasePlan)
    return planned


def run(plan: CasePlan, *answers: str, died: str = "") -> Verdict | Skipped:
    return run_plan(FakeExecutor(*answers, died=died), plan)  # type: ignore[arg-type]


def test_a_plan_has_all_commands_of_the_case(plan: CasePlan) -> None:
    lines = plan.text.splitlines()
    assert lines[0] == "begin"
    assert "set prepares dev" in lines
    assert "set prepared_pgoff 5" in lines
    assert f"vma 10 12 10 a1 - - - - {FLAGS}" in lines
    assert lines.index("vma_shrink 10 11") < lines.index("adopt 10 a1 -")
    assert lines[-2:] == ["end", "mark"]


def test_a_tree_that_does_as_the_model_passes(plan: CasePlan) -> None:
    found = run(plan, WORDS, BEFORE, f"r 0\n{AFTER}", END)
    assert isinstance(found, Verdict)
    assert found.passed


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ((WORDS, BEFORE, f"r -12\n{AFTER}", END), "answered -ENOMEM, not 0"),
        ((WORDS, BEFORE, f"r 0\n{BEFORE}", END), "the layout is not as the model"),
        ((WORDS, BEFORE, f"log close 11-12\nr 0\n{AFTER}", END), "owners were told: close 11-12"),
        ((WORDS, AFTER, f"r 0\n{AFTER}", END), "the layout before is not as the model"),
        ((WORDS, BEFORE, f"r 0\n{AFTER}", "cache anon_vma 2"), "2 objects of anon_vma leak"),
    ],
    ids=["answer", "layout", "log", "before", "leak"],
)
def test_what_differs_is_told(plan: CasePlan, answers: tuple[str, ...], problem: str) -> None:
    found = run(plan, *answers)
    assert isinstance(found, Verdict)
    assert any(problem in one for one in found.problems)


def test_a_crash_has_its_reason(plan: CasePlan) -> None:
    found = run(plan, WORDS, BEFORE, died="BUG at mm/vma.c:1 [in vma_shrink]")
    assert isinstance(found, Verdict)
    assert found.problems == ("the tree's code did not survive: BUG at mm/vma.c:1 [in vma_shrink]",)


def test_a_difference_before_a_crash_comes_first(plan: CasePlan) -> None:
    found = run(plan, WORDS, BEFORE, f"r -22\n{AFTER}", died="BUG")
    assert isinstance(found, Verdict)
    assert "answered -EINVAL" in found.problems[0]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (("rd,wr,mr,mw,me", BEFORE), "the flag ac"),
        (("none-such\n" + WORDS, BEFORE), "does not have what the case sets"),
        ((WORDS, BEFORE, f"none-such\n{BEFORE}", END), "vma_shrink is local"),
    ],
    ids=["flag", "setting", "operation"],
)
def test_what_a_tree_lacks_leaves_the_case_out(
    plan: CasePlan, answers: tuple[str, ...], why: str
) -> None:
    found = run(plan, *answers)
    assert isinstance(found, Skipped)
    assert why in found.reason


def test_after_some_endless_loops_no_more_cases_are_run(plan: CasePlan) -> None:
    hung = FakeExecutor(WORDS, BEFORE, died="an endless loop")
    outcomes = run_tree_cases(hung, [plan] * 7)  # type: ignore[arg-type]
    assert [type(one).__name__ for one in outcomes] == ["Verdict"] * 5 + ["Skipped"] * 2
