# SPDX-License-Identifier: GPL-2.0-or-later
"""What the manual's pages on scenarios quote is what the commands print, line for line.

A line of three dots stands for any lines, three dots at the end of a line for any rest of it.
"""

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/howto/scenarios").glob("*.md"))
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANYTHING = "..."
# Where jemalloc puts its memory differs a little from run to run; test_live.py has the bounds.
BY_CHANCE = "allocator-unmap"


@dataclass(frozen=True)
class Quote:
    """A command of a page, and what the page says that it prints."""

    page: str
    command: str
    output: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.command}"


def quotes_of(page: Path) -> list[Quote]:
    """The commands in a page's console blocks; those without output are not for trying."""
    found = []
    for block in BLOCK.findall(page.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *output = part.splitlines()
            if output:
                found.append(Quote(page.stem, command, tuple(output)))
    return found


QUOTES = [quote for page in PAGES for quote in quotes_of(page)]


def printed_by_vmalab(command: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a vmalab command prints, trailing blanks left out."""
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(vmalab, shlex.split(command)[1:])
    assert done.exit_code in (0, 1), done.output
    return [line.rstrip() for line in done.stdout.splitlines()]


def printed_by_program(command: str) -> list[str]:
    """What a scenario's program prints."""
    done = subprocess.run(
        shlex.split(command), cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def agrees(said: list[str], printed: list[str]) -> bool:
    """Whether lines are as said, where three dots stand for any."""
    if not said:
        return not printed
    if said[0] == ANYTHING:
        return any(agrees(said[1:], printed[at:]) for at in range(len(printed) + 1))
    return bool(printed) and same_line(said[0], printed[0]) and agrees(said[1:], printed[1:])


def same_line(said: str, printed: str) -> bool:
    """Whether a line is as said, where three dots at its end stand for any rest."""
    if said.endswith(ANYTHING):
        return printed.startswith(said.removesuffix(ANYTHING))
    return said == printed


@pytest.mark.parametrize("quote", [q for q in QUOTES if q.command.startswith("vmalab ")], ids=str)
def test_the_page_quotes_what_is_printed(quote: Quote, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = printed_by_vmalab(quote.command, monkeypatch)
    assert agrees(list(quote.output), printed), "\n".join(printed)


@pytest.mark.live
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
@pytest.mark.parametrize(
    "quote",
    [q for q in QUOTES if "scenarios/run" in q.command and q.page != BY_CHANCE],
    ids=str,
)
def test_the_page_quotes_what_the_program_tells(quote: Quote) -> None:
    """Of the program's numbers, by how many VMAs it grew: libraries differ between machines."""
    assert _growth(printed_by_program(quote.command)) == _growth(quote.output)


def _growth(lines: list[str] | tuple[str, ...]) -> int:
    numbers = [int(found) for found in re.findall(r": (\d+) VMAs$", "\n".join(lines), re.M)]
    return numbers[-1] - numbers[0]


def test_every_scenario_has_a_page_that_tries_its_program() -> None:
    names = {path.parent.name for path in (ROOT / "scenarios").glob("*/*.c")}
    assert {page.stem for page in PAGES} >= names
    for name in names:
        commands = [quote.command for quote in QUOTES if quote.page == name]
        assert any(f"scenarios/run {name}" in command for command in commands)
        assert sum(f"scenarios/{name}/recording" in command for command in commands) >= 3


@pytest.mark.parametrize(
    ("said", "printed", "holds"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        (["a", "..."], ["a", "b", "c"], True),
        (["...", "c"], ["a", "b", "c"], True),
        (["a", "...", "c"], ["a", "b", "d"], False),
        (["a b..."], ["a bc"], True),
        (["a b..."], ["a cd"], False),
    ],
)
def test_dots_stand_for_any_lines(said: list[str], printed: list[str], holds: bool) -> None:
    assert agrees(said, printed) is holds
