# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that made no call while it was recorded has its maps, and they are answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab

from ..small_recordings import FIRST, Make


@pytest.fixture
def quiet(make: Make) -> str:
    """A recording that was attached to an idle process."""
    events = [{"after_line": 0, "event": "attach", "image": "50.1", "pid": 50}]
    return str(make("", steps=None, final=FIRST, meta={"events": events}))


def told(*args: str) -> Any:
    done = CliRunner().invoke(vmalab, [*args, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_a_replay_compares_the_last_map(quiet: str) -> None:
    found = told("replay", quiet)
    assert (found["final_identical"], found["maps_compared"]) == (True, 1)


def test_every_question_has_an_answer(quiet: str) -> None:
    assert told("why", quiet)["vmas"] == len(FIRST)
    assert len(told("blame", quiet)["vmas"]) == len(FIRST)
    headroom = told("enomem", quiet)["headroom"]["50.1"]
    assert headroom[0]["used"] == len(FIRST)


def test_failed_calls_are_counted_alike(examples: Path) -> None:
    path = str(examples / "python-rlimit-as")
    story = CliRunner().invoke(vmalab, ["replay", "--story", path]).output
    assert "failed: mmap ENOMEM 4, brk ENOMEM 2" in story
    done = CliRunner().invoke(vmalab, ["enomem", path, "--json"])
    assert json.loads(done.output)["failed"] == 6


@pytest.mark.parametrize(
    "verb",
    [
        ["replay"],
        ["blame"],
        ["enomem"],
        ["explain"],
        ["whatif", "--guard-regions"],
        ["diff-kernels", "--kernels", "6.12,6.18"],
    ],
    ids=lambda verb: verb[0],
)
def test_a_text_that_is_no_log_is_no_recording_without_calls(
    verb: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "text"
    path.write_text("Nothing of this\nis a call.\n")
    done = CliRunner().invoke(vmalab, [*verb, str(path)])
    said = done.output + (str(done.exception) if done.exception else "")
    assert done.exit_code != 0, said
    assert "no line of the log can be used" in said
