# SPDX-License-Identifier: GPL-2.0-or-later
"""The overview of verbs, their examples, and words that are no verb."""

import re
import shlex
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab
from vmalab.cli.verbs import PURPOSES, VERBS, example_of


def test_the_overview_groups_verbs_by_purpose() -> None:
    text = CliRunner().invoke(vmalab, ["--help"]).output
    for purpose, verbs in PURPOSES.items():
        section = text.partition(f"{purpose}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in section.split("\n")] == list(verbs)


@pytest.mark.parametrize("name", VERBS)
def test_examples_are_command_lines_that_parse(name: str) -> None:
    command = vmalab.get_command(click.Context(vmalab), name)
    assert command is not None
    assert f"Example: {example_of(VERBS[name])}" in re.sub(
        r"\s+", " ", CliRunner().invoke(vmalab, [name, "--help"]).output
    )
    found = re.search(rf"vmalab {name}(?![\w-])([^\")]*)", example_of(VERBS[name]))
    assert found is not None
    arguments = shlex.split(found.group(1).replace("$$", "1234"))
    command.make_context(name, arguments, resilient_parsing=False)


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("wy", "Did you mean why?"),
        ("blam", "Did you mean blame?"),
        ("run", "Did you mean record?"),
        ("what-if", "Did you mean whatif?"),
        ("xyzzy", "No such command 'xyzzy'."),
    ],
)
def test_a_word_that_is_no_verb(word: str, advice: str) -> None:
    done = CliRunner().invoke(vmalab, [word, "x"])
    assert done.exit_code == 2
    assert done.output.rstrip().endswith(advice)


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "vmalab", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("vmalab ")
