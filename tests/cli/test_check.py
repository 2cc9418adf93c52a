# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab check` from the command line: what it refuses, what it prints, how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vmalab.cli.check import check


def run(*arguments: str) -> Result:
    return CliRunner().invoke(check, list(arguments))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("dead", "no such target"),
        ("qemu:", "no such target"),
        ("qemu:no-such-image", "no such kernel image|not installed"),
    ],
)
def test_target_that_cannot_be_run_ends_with_2(target: str, message: str) -> None:
    result = run("--target", target, "--calls", "10")
    assert result.exit_code == 2
    assert any(part in result.output for part in message.split("|"))


def test_unknown_version_ends_with_2() -> None:
    assert run("--kernel", "2.4", "--calls", "10").exit_code == 2


@pytest.mark.parametrize("more", [[], ["--target", "live"], ["--mutant", "all"]])
def test_programs_are_recorded_in_guests_only(more: list[str]) -> None:
    assert "--programs needs --target qemu:IMAGE" in run("--programs", *more).output


def test_unknown_mutant_names_the_others() -> None:
    result = run("--mutant", "no_such_bug", "--calls", "10")
    assert result.exit_code != 0
    assert "guard_flag_keeps_vmas_apart" in str(result.exception)


@pytest.mark.parametrize("option", [["--base", "HEAD"], ["--sanitize"]])
def test_what_only_trees_have_is_refused_before_any_call(option: list[str]) -> None:
    result = run(*option, "--calls", "10")
    assert result.exit_code == 2
    assert "go with --target tree:PATH" in result.output
    assert "seed" not in result.output


@pytest.mark.live
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_agreement_ends_with_0_and_one_object(live: None, tmp_path: Path, jobs: str) -> None:
    result = run(
        *("--calls", "1000", "--seed", "1", "--profile", "dense", "--jobs", jobs, "--json"),
        *("--save", str(tmp_path)),
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert set(found) == {
        "schema",
        "version",
        "target",
        "kernel",
        "profile",
        "seed",
        "calls",
        "compared_snapshots",
        "differences",
        "streams_over_memory",
        "calls_per_second",
        "coverage",
    }
    assert found["calls"] == 1000
    assert found["differences"] == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.live
def test_a_finding_that_cannot_be_saved_is_told(live: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(
        *("--mutant", "guard_flag_keeps_vmas_apart", "--profile", "dense", "--seed", "1"),
        *("--calls", "2000", "--save", str(tmp_path / "file")),
    )
    assert result.exit_code == 2
    assert "--- C program" in result.output
    assert f"{tmp_path}/file/" in result.output


@pytest.mark.slow
@pytest.mark.live
def test_mutant_is_found_shrunk_and_saved(live: None, tmp_path: Path) -> None:
    result = run(
        *("--mutant", "mremap_extends_from_start", "--profile", "mremap", "--seed", "4"),
        *("--calls", "20000", "--save", str(tmp_path)),
    )
    assert result.exit_code == 1, result.output
    assert "--- C program" in result.output
    assert "--- syzkaller program" in result.output
    (folder,) = tmp_path.iterdir()
    assert len((folder / "calls.strace").read_text().splitlines()) <= 8
