# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands in the manual that show no output: their verbs, options and values are accepted."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from vmalab.cli.main import vmalab

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / name / "README.md" for name in ("examples", "scenarios", "benchmarks")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Programs of a reader's own machine that pages run beside vmalab.
OTHERS = {
    *("bpftrace", "cat", "cc", "env", "export", "gcc", "man", "perf", "pip", "python3", "strace"),
    "vmalab",
}


def commands() -> Iterator[tuple[str, str]]:
    """Each command of a console block, with its page."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text("utf-8")):
            for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
                yield page.relative_to(ROOT).as_posix(), line.partition("  #")[0].rstrip()


def words_of(command: str) -> list[str]:
    """The words of a command, without settings of the environment before it and what follows it."""
    words = shlex.split(re.split(r" [|>] ", command)[0])
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words.pop(0)
    return words


ALL = list(commands())


@pytest.mark.parametrize(
    ("page", "command"),
    [pytest.param(*each, id=": ".join(each)) for each in ALL if "vmalab" in words_of(each[1])[0]],
)
def test_a_command_of_the_manual_is_accepted(page: str, command: str) -> None:
    _, verb, *arguments = words_of(command)
    if verb == "--version":
        return
    # Placeholders: any text, and a process.
    arguments = ["1" if word in ("PID", "$$") else word for word in arguments]
    top = click.Context(vmalab, info_name="vmalab")
    found = vmalab.get_command(top, verb)
    assert found is not None
    with found.make_context(verb, [word for word in arguments if word != "CHANGE..."], parent=top):
        pass


@pytest.mark.parametrize("page", sorted({page for page, _ in ALL}))
def test_other_commands_of_the_manual_are_there(page: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    unknown = []
    for command in (command for each, command in ALL if each == page):
        first, *rest = words_of(command)
        if first == "make":
            known = rest[0] in targets
        elif "/" in first:
            built = first.startswith(("./", ".venv/", "kit/"))
            known = built or (ROOT / first).exists()
        else:
            known = first in OTHERS
        if not known:
            unknown.append(command)
    assert unknown == []
