# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab check --mutant all`: every bug that can be seen must be found, the others explained."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import vmalab.testing.mutants as catalogue
from vmalab.cli.check import check

SEEN = "mprotect_passes_hole_at_end"
HIDDEN = "merge_oom_misplaces_iterator"
# Only a guest's map can be made so small that this one shows.
UNSEEN = "brk_limit_is_strict"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(check, ["--mutant", "all", *arguments])


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Leaves only bugs of these names in the catalogue."""

    def only(*names: str) -> None:
        chosen = tuple(one for one in catalogue.MUTANTS if one.name in names)
        monkeypatch.setattr(catalogue, "MUTANTS", chosen)

    return only


ARGUMENTS = ("--calls", "600", "--seed", "5", "--profile", "dense", "--save")


@pytest.mark.live
def test_found_and_hidden_ones_end_with_0(
    live: None, choose: Callable[..., None], tmp_path: Path
) -> None:
    choose(SEEN, HIDDEN)
    result = run(*ARGUMENTS, str(tmp_path))
    assert result.exit_code == 0, result.output
    assert f"not looked for: {HIDDEN}" in result.output
    assert "1 looked for, 1 found in at most 8 calls" in result.output
    (folder,) = (tmp_path / SEEN).iterdir()
    assert len((folder / "calls.strace").read_text().splitlines()) <= 8


@pytest.mark.live
def test_a_bug_that_is_not_found_ends_with_1(
    live: None, choose: Callable[..., None], tmp_path: Path
) -> None:
    choose(UNSEEN)
    result = run(*ARGUMENTS, str(tmp_path))
    assert result.exit_code == 1, result.output
    assert f"missed: {UNSEEN}" in result.output


@pytest.mark.live
def test_one_object_each(live: None, choose: Callable[..., None], tmp_path: Path) -> None:
    choose(SEEN, HIDDEN, UNSEEN)
    result = run(*ARGUMENTS, str(tmp_path), "--json", "--jobs", "2")
    found = [json.loads(line) for line in result.output.splitlines()]
    assert [one["mutant"] for one in found] == [UNSEEN, HIDDEN, SEEN]
    assert [one["missed"] for one in found] == [True, False, False]
    assert found[0]["calls"] == 600
    assert found[2]["shrunk"] <= 8


def test_target_that_cannot_be_run_ends_with_2() -> None:
    result = run("--target", "dead", "--calls", "10")
    assert result.exit_code == 2
    assert "no such target" in result.output


def test_recordings_do_not_go_with_it() -> None:
    assert run("--corpus", ".").exit_code == 2
