# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of the README, the tutorial and the manual print what is shown there.

A line of three dots stands for any lines.
"""

import mmap
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
TUTORIAL = "docs/tutorial/first-recording.md"
# The pages on scenarios have tests of their own.
PAGES = (
    "README.md",
    *(
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if path.parent.name != "scenarios"
    ),
)


def commands(page: str) -> Iterator[tuple[str, str]]:
    """The commands of a page's console blocks, each with the output that is shown."""
    for block in BLOCK.findall((ROOT / page).read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield command.removeprefix(".venv/bin/").partition("  #")[0].rstrip(), shown


EXAMPLES = [
    pytest.param(command, shown, id=f"{page}: {command}")
    for page in PAGES
    for command, shown in commands(page)
    if " examples/" in command and command.startswith("vmalab ") and shown
]


def matches(shown: str, printed: list[str]) -> bool:
    """Whether the printed lines are those shown; a line of dots stands for any number of them."""
    pattern = "".join(
        "(?:.*\n)*?" if line == "..." else re.escape(line.rstrip()) + "\n"
        for line in shown.splitlines()
    )
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in printed)) is not None


def printed_by(arguments: list[str]) -> list[str]:
    """The lines that a vmalab command prints from the top of the source tree.

    Files that it writes are written to a folder of their own.
    """
    with TemporaryDirectory() as folder:
        for name in ("examples", "scenarios"):
            Path(folder, name).symlink_to(ROOT / name)
        with chdir(folder):
            done = CliRunner().invoke(vmalab, arguments)
    assert done.exit_code == (1 if arguments[0] == "enomem" else 0), done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(("command", "shown"), EXAMPLES)
def test_example_shows_what_is_printed(command: str, shown: str) -> None:
    command, _, head = command.partition(" | head -c ")
    printed = printed_by(shlex.split(command)[1:])
    if head:
        printed = ["\n".join(printed)[: int(head)]]
    assert matches(shown, printed), "\n".join(printed)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 12


def test_the_readme_shows_what_the_demo_prints() -> None:
    (demo,) = re.findall(r"^DEMO\s*:= (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    (shown,) = [
        shown for command, shown in commands("README.md") if command == "make demo" and shown
    ]
    printed = printed_by(shlex.split(demo))
    assert matches(shown, printed), "\n".join(printed)


def test_the_readme_has_no_other_commands_than_are_tried() -> None:
    untried = [command for command, _ in commands("README.md") if " examples/" not in command]
    assert untried == ["make demo", "make test", "vmalab why $$", "make demo"]


def test_why_answers_about_a_process_of_the_readers_own() -> None:
    """As `vmalab why $$` does in a shell."""
    pipe = subprocess.PIPE
    with subprocess.Popen(["cat"], stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # Until it answers, its program may not be mapped yet.
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"\n"
            printed = printed_by(["why", str(process.pid)])
        finally:
            process.kill()
    assert re.fullmatch(rf"{process.pid}: \d+ VMAs, by the rules of Linux \d\.\d+", printed[0]), (
        printed[0]
    )
    assert printed[3].startswith("fewer at most  boundaries  failing conditions")


def like(text: str) -> str:
    """Lines as any machine prints them: without figures, addresses and the width of columns."""
    text = re.sub(r"─+", "─", re.sub(r"\b[0-9a-f]*\d[0-9a-f.]*\b", "N", text))
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def causes(text: str) -> list[str]:
    """The rows of `vmalab why`, without addresses: on any machine the same for the same program."""
    return re.findall(r"^ +(\d+ +\d+ +flags (?:rd wr|nh)) ", text, re.MULTILINE)


def has_guard_regions() -> bool:
    """Whether the kernel knows MADV_GUARD_INSTALL (102)."""
    with mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        try:
            memory.madvise(102)
        except OSError:
            return False
    return True


@pytest.mark.live
@pytest.mark.skipif(not has_guard_regions(), reason="no MADV_GUARD_INSTALL (Linux 6.13)")
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
def test_the_tutorial_prints_what_it_shows(tmp_path: Path) -> None:
    """Its commands in turn; of the program's VMAs, how many fewer there are is exact."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    paths = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    counts = {}
    for command, shown in commands(TUTORIAL):
        if command.startswith("export "):
            continue
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=os.environ | {"PATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert matches(like(shown), like(done.stdout).splitlines()), done.stdout
        assert causes(done.stdout)[:2] == causes(shown), done.stdout
        if command.startswith("./"):
            counts[command] = int(done.stdout) - int(shown)
    assert len(counts) == 2
    assert len(set(counts.values())) == 1


def test_dots_stand_for_lines() -> None:
    assert matches("a\n...\nd", ["a", "b  ", "c", "d"])
    assert not matches("a\n...\nd", ["a", "b"])


def test_figures_and_columns_are_alike() -> None:
    assert like("a  12  7f00ab  ───\n1.5 s") == like("a 3 8e0001 ────\n20 s")
    assert like("flags rd") != like("flags wr")
