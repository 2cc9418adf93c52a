# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab check --guided`: what streams reach is kept, and varied the next time."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vmalab.calls.errors import ReadError
from vmalab.check import kept_runs
from vmalab.cli.check import check

ARGUMENTS = ("--guided", "--calls", "1000", "--seed", "4", "--profile", "dense", "--json", "--save")


def run(folder: Path) -> Result:
    return CliRunner().invoke(check, [*ARGUMENTS, str(folder)])


@pytest.mark.live
def test_a_check_keeps_what_it_was_the_first_to_reach(
    live: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path))
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    known = kept_runs.load("live").runs
    assert len(known) == json.loads(result.stdout)["coverage"]["outcomes"] > 50
    kept_runs.path_of("live").write_text("{}")
    result = run(tmp_path)
    assert isinstance(result.exception, ReadError)
    assert "not the runs of guided streams: remove the file" in str(result.exception)


def test_recordings_are_not_guided() -> None:
    result = CliRunner().invoke(check, ["--guided", "--corpus", "x"])
    assert result.exit_code == 2
    assert "--guided varies streams" in result.output
