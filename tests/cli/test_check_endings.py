# SPDX-License-Identifier: GPL-2.0-or-later
"""How `vmalab check` ends otherwise than by its last call: damaged input, nothing found, Ctrl-C."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import vmalab.cli.check as command
from vmalab.check.campaign import Plan, Totals
from vmalab.check.piece import Shrunk
from vmalab.cli.check import MISSED, UNUSABLE, check
from vmalab.views.check import totals_lines

META = {"format": 1, "kernel": {"release": "6.18.0", "machine": "x86_64"}}
LOG = (
    "1 mmap(0x10000000, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x10000000\n"
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(check, list(arguments))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three recordings, of which the one in the middle is damaged."""
    folder = tmp_path / "corpus"
    for name in ("first", "middle", "third"):
        (folder / name).mkdir(parents=True)
        (folder / name / "calls.strace").write_text(LOG)
        (folder / name / "meta.json").write_text(json.dumps(META))
    (folder / "middle" / "meta.json").write_text("{")
    return folder


@pytest.mark.live
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_damaged_recording_is_told_and_the_others_are_checked(
    live: None, corpus: Path, jobs: str, tmp_path: Path
) -> None:
    result = run("--corpus", str(corpus), "--jobs", jobs, "--save", str(tmp_path / "found"))
    assert result.exit_code == UNUSABLE, result.output
    assert f"{corpus}/middle/meta.json" in result.stderr
    assert "2 calls," in result.stdout
    assert "1 recording could not be read" in result.stdout


@pytest.mark.live
def test_damaged_recordings_are_counted_in_json(live: None, corpus: Path, tmp_path: Path) -> None:
    result = run("--corpus", str(corpus), "--json", "--save", str(tmp_path / "found"))
    assert json.loads(result.stdout)["recordings_unread"] == 1


@pytest.mark.live
def test_bug_that_was_put_in_and_not_found_is_said_so(live: None, tmp_path: Path) -> None:
    # It needs a low mapping, which this profile does not make.
    bug = "mremap_at_zero_loses_charge"
    result = run(
        *("--mutant", bug, "--calls", "40", "--profile", "dense", "--seed", "1"),
        *("--save", str(tmp_path)),
    )
    assert result.exit_code == MISSED, result.output
    assert f"{bug} NOT FOUND" in result.output
    assert "no difference" not in result.output


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has Ctrl-C come after the first stream."""

    def run_plan(plan: Plan, tell: Callable[[Totals], None]) -> Iterator[Shrunk]:
        tell(Totals(calls=2000, streams=1, seconds=1.0))
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run_plan", run_plan)


def test_interrupted_check_tells_its_progress_and_its_seed(interrupted: None) -> None:
    result = run("--calls", "9000", "--seed", "77")
    assert "interrupted: 2000 calls, 2000/s" in result.stderr
    assert "seed 77" in result.stderr


@pytest.mark.parametrize(
    ("number", "words"), [(1, "1 map compared, 1 stream"), (2, "2 maps compared, 2 streams")]
)
def test_one_is_singular(number: int, words: str) -> None:
    lines = list(totals_lines("live", Totals(calls=number, maps=number, streams=number)))
    assert lines[1].endswith(words)
