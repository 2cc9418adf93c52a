# SPDX-License-Identifier: GPL-2.0-or-later
"""Which cases cannot be run on a kernel tree, and why; options that do not go together."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from vmalab.calls.errors import UsageError
from vmalab.cli.main import vmalab
from vmalab.cli.tree_plan import why_not
from vmalab.targets.real.target_errors import TargetError
from vmalab.testing.cases.case import Case
from vmalab.testing.cases.parser import parse_file

GUARDS = Path(__file__).resolve().parents[2] / "examples" / "guards"
CASE = """case one: a law
  {kind}
  {setting}
  pages     10    12
  before    |AAAAA|
  call      munmap 10-12
  after     empty
"""


def case(tmp_path: Path, kind: str = "A = rw-p", setting: str = "set max_map_count 9") -> Case:
    path = tmp_path / "one.vma"
    path.write_text(CASE.format(kind=kind, setting=setting))
    return next(iter(parse_file(path)))


def test_a_plain_case_can_be_run(tmp_path: Path) -> None:
    assert why_not(case(tmp_path), "7.3") == ""


@pytest.mark.parametrize(
    ("kind", "setting", "why"),
    [
        ("A = rw-p policy:p", "set max_map_count 9", "NUMA"),
        ("A = rw-p", "set kernel 6.1", "the rule of 6.1"),
        ("A = rw-p", "set on soft_dirty", "soft_dirty cannot be set"),
        ("A = rw-p file:f", "file f hugetlb", "hugetlb"),
    ],
    ids=["policy", "version", "soft-dirty", "file"],
)
def test_a_case_that_needs_more_has_a_reason(
    tmp_path: Path, kind: str, setting: str, why: str
) -> None:
    assert why in why_not(case(tmp_path, kind, setting), "7.3")


@pytest.mark.parametrize(
    ("line", "version", "why"),
    [
        ("trees from 6.12 it has other rules", "6.1", "it has other rules"),
        ("trees from 6.12 it has other rules", "6.12", ""),
        ("trees from 6.12 it has other rules", "9.9", ""),
        ("trees to 6.1 a known warning", "6.12", "a known warning"),
        ("trees to 6.1 a known warning", "6.1", ""),
    ],
    ids=["older", "oldest", "to come", "newer", "newest"],
)
def test_a_case_says_on_which_trees_it_cannot_be_run(
    tmp_path: Path, line: str, version: str, why: str
) -> None:
    assert why_not(case(tmp_path, setting=line), version) == why


def test_a_tree_does_not_go_with_a_seam() -> None:
    done = CliRunner().invoke(vmalab, ["test", "--tree", "linux", "--sweep"])
    assert done.exit_code == 2
    assert "--tree goes with" in done.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("replay", "guards", "--tree", "linux", "--maps"), "--tree goes with"),
        (("whatif", str(GUARDS), "--tree", "linux", "--no-names"), "--tree goes with"),
        (("whatif", str(GUARDS), "--base", "last"), "--base goes with --tree"),
    ],
    ids=["replay", "whatif", "base"],
)
def test_options_that_do_not_go_with_a_tree_are_named(words: tuple[str, ...], why: str) -> None:
    done = CliRunner().invoke(vmalab, words)
    assert done.exit_code == 2 or isinstance(done.exception, UsageError)
    assert why in f"{done.output}{done.exception}"


@pytest.mark.parametrize("option", ["--json", "--ktap", "--base=HEAD"])
def test_random_calls_beside_the_cases_are_for_people(option: str) -> None:
    done = CliRunner().invoke(vmalab, ["test", "--tree", "linux", "--calls", "9", option])
    assert done.exit_code == 2
    assert "--calls goes with none of" in done.output


def test_random_calls_need_a_tree() -> None:
    done = CliRunner().invoke(vmalab, ["test", "--calls", "9"])
    assert done.exit_code == 2
    assert "go with --tree" in done.output


def test_a_replay_on_a_folder_that_is_no_tree_ends_with_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(vmalab, ["replay", str(GUARDS), "--tree", str(tmp_path)])
    assert done.exit_code == 2
    assert "no kernel source tree" in done.output


def test_a_folder_that_is_no_tree_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(vmalab, ["test", "--tree", str(tmp_path)])
    assert isinstance(done.exception, TargetError)
    assert "no kernel source tree" in str(done.exception)
