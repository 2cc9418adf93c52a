# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab test`: which cases it runs, what it prints, and its exit status."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.testing import parse_cases, run_cases, shipped_cases
from vmalab.views.ktap import ktap_lines

Run = Callable[..., subprocess.CompletedProcess[str]]

FAILING = """\
case right: an equal range behind a VMA extends that
  A = rw-p
  pages     10    12    14
  before    |AAAAA|
  call      mmap_region 12-14 A
  after     |AAAAAAAAAAA|

case wrong: a case that fails
  A = rw-p
  pages     10    12    14
  before    |AAAAA|
  call      mmap_region 12-14 A
  after     |AAAAA|AAAAA|
"""


@pytest.fixture
def failing(tmp_path: Path) -> str:
    """A file with one case that passes and one that fails."""
    path = tmp_path / "mine.vma"
    path.write_text(FAILING, "utf-8")
    return str(path)


def test_all_cases_pass_and_are_counted(vmalab_here: Run) -> None:
    done = vmalab_here("test")
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(rf"{len(shipped_cases())} cases, 0 failed, \d+\.\d{{3}} s\n", done.stdout)


def test_a_pattern_selects_cases(vmalab_here: Run) -> None:
    done = vmalab_here("test", "--list", "merge_new/both_sides", "*/whole_like_*")
    assert done.returncode == 0
    assert sorted(line.partition(":")[0] for line in done.stdout.splitlines()) == [
        "merge_new/both_sides",
        "modify/whole_like_left",
        "modify/whole_like_nobody",
        "modify/whole_like_right",
    ]


def test_a_pattern_that_selects_nothing_is_an_error_of_the_input(vmalab_here: Run) -> None:
    done = vmalab_here("test", "no_such_case")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "vmalab: no case matches no_such_case\n"
    done = vmalab_here("test", "mine.vma")
    assert done.stderr == "vmalab: no case matches mine.vma (--cases runs a file)\n"


def test_a_failing_case_is_shown_and_counted(vmalab_here: Run, failing: str) -> None:
    done = vmalab_here("test", "--cases", failing)
    assert done.returncode == 1
    assert f"{failing}:8: mine/wrong failed" in done.stdout
    assert "  expected  |AAAAA|AAAAA|\n  actual    |AAAAAAAAAAA|\n" in done.stdout
    assert "2 cases, 1 failed" in done.stdout


def test_a_file_that_cannot_be_understood_is_named(vmalab_here: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.vma"
    path.write_text("case x: y\n  nonsense\n", "utf-8")
    done = vmalab_here("test", "--cases", str(path))
    assert done.returncode == 2
    assert done.stderr == f"vmalab: {path}:2: 'nonsense' opens no line that is known\n"


def test_ktap_of_a_failure() -> None:
    lines = list(ktap_lines(run_cases(parse_cases(FAILING, "mine.vma"))))
    assert lines[:6] == [
        "KTAP version 1",
        "1..1",
        "  KTAP version 1",
        "  # Subtest: mine",
        "  1..2",
        "  ok 1 right",
    ]
    assert lines[6] == "  # mine.vma:8: mine/wrong failed"
    assert all(line.startswith("  #") for line in lines[6:-3])
    assert lines[-3:] == [
        "  not ok 2 wrong",
        "not ok 1 mine",
        "# Totals: pass:1 fail:1 skip:0 total:2",
    ]


def test_ktap_is_well_formed_and_complete(vmalab_here: Run) -> None:
    done = vmalab_here("test", "--ktap")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    suites = [line for line in lines if re.match(r"ok \d+ ", line)]
    assert lines[:2] == ["KTAP version 1", f"1..{len(suites)}"]
    assert [int(line.split()[1]) for line in suites] == list(range(1, len(suites) + 1))
    assert sum(line.startswith("  ok ") for line in lines) == len(shipped_cases())
    planned = [int(line.strip()[3:]) for line in lines if re.match(r"  1\.\.\d+$", line)]
    assert sum(planned) == len(shipped_cases())
    known = r"(  )?(KTAP version 1|1\.\.\d+|# .*|ok \d+ \S+)"
    assert [line for line in lines if not re.fullmatch(known, line)] == []
