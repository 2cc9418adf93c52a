# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of the manual's pages on why and blame show what the commands really print."""

import re
import shlex
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab

ROOT = Path(__file__).parent.parent.parent
CONSOLE = re.compile(r"^```console\n\$ (vmalab \S+ examples/.*)\n((?:.*\n)*?)```", re.MULTILINE)
PAGES = ("docs/reference/why.md", "docs/reference/blame.md")
EXAMPLES = [
    (page, command, shown)
    for page in PAGES
    for command, shown in CONSOLE.findall((ROOT / page).read_text("utf-8"))
]


def matches(shown: str, printed: list[str]) -> bool:
    """Whether the printed lines are those shown; a line of dots stands for any number of them."""
    pattern = "".join(
        "(?:.*\n)*?" if line == "..." else re.escape(line) + "\n" for line in shown.splitlines()
    )
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in printed)) is not None


@pytest.mark.parametrize(("page", "command", "shown"), EXAMPLES, ids=[e[1] for e in EXAMPLES])
def test_example_shows_what_is_printed(page: str, command: str, shown: str) -> None:
    with chdir(ROOT):
        done = CliRunner().invoke(vmalab, shlex.split(command)[1:])
    assert (done.exit_code, done.stderr) == (0, "")
    assert matches(shown, done.stdout.splitlines()), done.stdout


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 4


def test_dots_stand_for_lines() -> None:
    assert matches("a\n...\nd", ["a", "b  ", "c", "d"])
    assert not matches("a\n...\nd", ["a", "b"])
