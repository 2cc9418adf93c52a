# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's page on testing: every example in it runs, and it leaves nothing out."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vmalab.testing import parse_cases, run_case
from vmalab.testing.cases.arrangements import LIMITS, SETTERS
from vmalab.testing.cases.kinds import HOOK_WORDS
from vmalab.testing.cases.signatures import SIGNATURES
from vmalab.testing.mutants import MUTANTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "testing.md").read_text(
    "utf-8"
)


def blocks(language: str) -> list[str]:
    """The page's blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


CASES = [
    case for number, text in enumerate(blocks("vma")) for case in parse_cases(text, f"{number}.vma")
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_case_of_the_page_passes(case: object) -> None:
    verdict = run_case(next(one for one in CASES if one is case))
    assert verdict.passed, verdict.text()


def test_the_patch_of_the_page_is_that_of_a_mutant() -> None:
    (diff,) = blocks("diff")
    assert [one.name for one in MUTANTS if one.diff == diff] == ["seal_guards_wrong_advice"]


def test_the_example_in_python_prints_what_the_page_says() -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert [done.stdout] == blocks("output")


def test_the_failure_on_the_page_is_what_is_printed() -> None:
    (shown,) = blocks("text")
    lines = shown.split("\n\n")[1].splitlines()
    pages = next(number for number, line in enumerate(lines) if line.startswith("  pages"))
    text = "\n".join(line[2:] for line in lines[:pages])
    assert run_case(parse_cases(text + "\n", "x.vma")[0]).text() == shown


@pytest.mark.parametrize("signature", SIGNATURES)
def test_every_call_is_listed(signature: str) -> None:
    assert f"| `{signature}` |" in PAGE


@pytest.mark.parametrize("word", [*SETTERS, *LIMITS, *HOOK_WORDS, "crowd", "fail", "each"])
def test_every_setting_is_named(word: str) -> None:
    assert re.search(rf"`[^`]*\b{word}\b[^`]*`", PAGE)
